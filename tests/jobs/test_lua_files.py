"""Files of a profile: names, patterns, folders, templates and their values."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe import masking
from flashpipe.errors import (
    BuildDueError,
    LuaFileMissingError,
    LuaFileNameError,
    PipelineError,
    ProfileError,
    SecretsError,
    TemplateError,
)
from flashpipe.jobs.lua_files import listed_files, load_files, uncompiled
from flashpipe.jobs.secrets import FILE
from flashpipe.profile.load import load_profile
from flashpipe.profile.model import Profile


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})


MAC = "5c:cf:7f:d7:1c:89"
Load = Callable[[str], Profile]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(text: str) -> Profile:
        (tmp_path / "kitchen.yaml").write_text(f"flash: {{size: 4MB, mode: dio}}\n{text}\n")
        return load_profile("kitchen", tmp_path)

    return run


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(profile: Profile) -> list[str]:
    return [one.name for one in listed_files(profile)]


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_patterns_and_folders(load: Load, tmp_path: Path) -> None:
    put(tmp_path, lua__a_lua="", lua__sub__b_lua="", lua__sub__c_txt="", init_lua="", data__x_html="")
    put(tmp_path, data__deep__y_html="")
    (tmp_path / "data" / ".git").mkdir()
    (tmp_path / "data" / ".git" / "config").touch()
    (tmp_path / "data" / "x.html~").touch()
    assert names(load("files: {init.lua: 'i*.lua'}")) == ["init.lua"]
    assert names(load("files: {lib/: 'lua/*.lua'}")) == ["lib/a.lua"]
    assert names(load("files: {lib/: 'lua/**/*.lua', init.lua: {from: init.lua}}")) == [
        "init.lua",
        "lib/a.lua",
        "lib/sub/b.lua",
    ]
    assert names(load("files: {/: data/}")) == ["deep/y.html", "x.html"]
    assert names(load("files: {www/: data}")) == ["www/deep/y.html", "www/x.html"]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("files: {x.lua: '*.lua'}", LuaFileMissingError, "means 2 files: a.lua, b.lua"),
        ("files: {x.lua: '*.txt'}", LuaFileMissingError, "means 0 files"),
        ("files: {x/: '*.txt'}", LuaFileMissingError, "means no file"),
        ("files: {x/: nowhere}", LuaFileMissingError, "means no file"),
        ("files: {a.lua: b.lua, /: 'a.*'}", LuaFileNameError, "would both be called a.lua"),
        ("files: {" + "n" * 30 + "/: 'a.*'}", LuaFileNameError, "want 1 to 31"),
        ("files: {/: 'with *'}", LuaFileNameError, "without spaces"),
    ],
)
def test_what_cannot_be_is_named(load: Load, tmp_path: Path, text: str, kind: type[PipelineError], words: str) -> None:
    put(tmp_path, a_lua="", b_lua="")
    (tmp_path / "with space").touch()
    with pytest.raises(kind) as caught:
        listed_files(load(text))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("files: {a: {from: x, template: y}}", "want a file such as"),
        ("files: {a: {form: x}}", "unknown key 'form', want one of from, template, compile"),
        ("files: {a.lua: {from: x, compile: true}}", "want a name that ends in .lc"),
        ("files: {a.lc: {from: x, compile: perhaps}}", "want true or false"),
        ("files: {a.lc: {compile: true}}", "want a file such as"),
        ("files: {a: {from: [x]}}", "want a file such as"),
        ("values: [a]", "want names and their values"),
        ("values: {1a: b}", "want a word such as interval"),
        ("values: {mac: b}", "mac and chipid are the board's"),
        ("values: {a: [b]}", "want a text or number"),
        ("values: {a: b, a: c}", "a is stated twice"),
        ("values: {wifi_password: hunter2}", "wifi_password is a secret: it belongs into secrets.yaml"),
    ],
)
def test_mistakes_of_a_profile(load: Load, text: str, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load(text)
    assert words in caught.value.message
    assert "hunter2" not in str(caught.value)


# --- values ----------------------------------------------------------------------------------------------------------


def render(profile: Profile, project: Path) -> dict[str, bytes]:
    files, _ = load_files(profile, project)
    return {file.name: file.for_board(MAC).data for file in files}


def test_a_template_has_values_of_profile_and_board(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="return @room@, @mac@, @chipid@, @interval@, '@@'\n", plain_lua="'@'")
    (tmp_path / "base.yaml").write_text("values: {room: hall, interval: 60}\nflash: {size: 4MB, mode: dio}\n")
    profile = load("extends: base\nvalues: {room: kitchen}\nfiles: {init.lua: {template: t.lua}, plain.lua: plain.lua}")
    assert render(profile, tmp_path) == {
        "init.lua": b'return "kitchen", "5c:cf:7f:d7:1c:89", "14097545", "60", \'@\'\n',
        "plain.lua": b"'@'",
    }


def test_what_nothing_has_a_value_for_is_named_with_file_and_line(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="\nreturn @room@\n")
    with pytest.raises(TemplateError, match=r"^t\.lua:2: nothing has a value for @room@"):
        load_files(load("files: {/: {template: 't.*'}}"), tmp_path)
    put(tmp_path, t_lua="@")
    with pytest.raises(TemplateError, match=r"^t\.lua:1"):
        load_files(load("files: {/: {template: 't.*'}}"), tmp_path)


def test_secrets_come_from_the_environment_first(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, t_lua="return @wifi_password@")
    profile = load("files: {init.lua: {template: t.lua}}")
    (tmp_path / FILE).write_text("wifi_password: from the file\n")
    (tmp_path / FILE).chmod(0o600)
    assert render(profile, tmp_path) == {"init.lua": b'return "from the file"'}
    monkeypatch.setenv("FLASHPIPE_SECRET_wifi_password", "hunter2")
    assert render(profile, tmp_path) == {"init.lua": b'return "hunter2"'}
    (file,), _ = load_files(profile, tmp_path)
    assert "hunter2" not in repr(file)
    assert masking.mask("the board prints hunter2") == "the board prints ***"


def test_secrets_beside_the_profile_come_before_those_of_the_project(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="return @one@, @two@")
    profile, project = load("files: {init.lua: {template: t.lua}}"), tmp_path / "above"
    project.mkdir()
    for folder, text in ((tmp_path, "one: '1'\n"), (project, "one: '2'\ntwo: '2'\n")):
        (folder / FILE).write_text(text)
        (folder / FILE).chmod(0o600)
    assert render(profile, project) == {"init.lua": b'return "1", "2"'}
    (project / FILE).unlink()
    with pytest.raises(TemplateError) as caught:
        load_files(profile, project)
    assert {str(tmp_path / FILE), str(project / FILE)} <= set(re.findall(r"/[^ ,]+", caught.value.hint))


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_secrets_that_others_can_read_are_not_used(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="return @key@")
    (tmp_path / FILE).write_text("key: hunter2\n")
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(SecretsError) as caught:
        load_files(load("files: {init.lua: {template: t.lua}}"), tmp_path)
    assert "chmod 600" in caught.value.hint
    assert "@key@ in t.lua:1" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["key: [hunter2]\n", "1: hunter2\n", "key: 'hunter2\n", "key: hunter2\nkey: hunter2\n"]
)
def test_secrets_that_cannot_be_read_are_shown_to_nobody(load: Load, tmp_path: Path, text: str) -> None:
    put(tmp_path, t_lua="return @key@")
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(SecretsError) as caught:
        load_files(load("files: {init.lua: {template: t.lua}}"), tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_secrets_that_git_would_commit_are_not_used(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="return @key@")
    (tmp_path / FILE).write_text("key: hunter2\n")
    (tmp_path / FILE).chmod(0o600)
    profile = load("files: {init.lua: {template: t.lua}}")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(SecretsError, match="git does not ignore it"):
        load_files(profile, tmp_path)
    (tmp_path / ".gitignore").write_text(f"{FILE}\n")
    assert render(profile, tmp_path) == {"init.lua": b'return "hunter2"'}
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", FILE], check=True)
    with pytest.raises(SecretsError, match="git does not ignore it"):
        load_files(profile, tmp_path)


def test_without_templates_no_secret_is_looked_for(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="@key@")
    (tmp_path / FILE).write_text("not: [safe")
    assert render(load("files: {init.lua: t.lua}"), tmp_path) == {"init.lua": b"@key@"}


# --- compiling -------------------------------------------------------------------------------------------------------


def test_what_is_compiled_has_its_values_and_its_name(load: Load, tmp_path: Path) -> None:
    put(tmp_path, lua__a_lua="return 1", lua__b_lua="return @room@")
    profile = load(
        "values: {room: hall}\n"  # one key a line
        "files: {main.lc: {template: lua/b.lua, compile: yes}, lib/: {from: lua/a*, compile: true}}"
    )
    asked: list[tuple[str, bytes]] = []

    def compiling(name: str, text: bytes) -> bytes:
        asked.append((name, text))
        return b"compiled " + text

    files, _ = load_files(profile, tmp_path, compiling)
    assert asked == [("a.lua", b"return 1"), ("b.lua", b'return "hall"')]
    assert [(file.name, file.data) for file in files] == [
        ("lib/a.lc", b"compiled return 1"),
        ("main.lc", b'compiled return "hall"'),
    ]
    with pytest.raises(BuildDueError):
        load_files(profile, tmp_path)


def test_what_is_of_one_board_cannot_be_compiled_for_all(load: Load, tmp_path: Path) -> None:
    put(tmp_path, t_lua="return @mac@")
    with pytest.raises(TemplateError, match="for all boards"):
        load_files(load("files: {main.lc: {template: t.lua, compile: true}}"), tmp_path, uncompiled)
