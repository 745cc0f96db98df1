"""Profiles: what `acceptance` demands and which Lua `files` the board gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import LuaFileMissingError, ProfileError
from flashpipe.jobs.lua_policy import lua_policy
from flashpipe.profile.load import load_profile
from flashpipe.profile.model import Profile

BASE = "flash: {size: 4MB, mode: dio}\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Profile]:
    def run(text: str) -> Profile:
        (tmp_path / "kitchen.yaml").write_text(BASE + text)
        return load_profile("kitchen", tmp_path)

    return run


def test_every_demand_is_read(load: Callable[[str], Profile], tmp_path: Path) -> None:
    demands = load(
        "acceptance: {version: '>=3.0', modules: [wifi, mqtt, wifi], float: yes, lfs: 64KB, flash_size: 4MB,"
        " run: lua/test.lua, prints: /PASS/, timeout: 2s}"
    ).acceptance
    assert str(demands.version) == ">=3.0"
    assert demands.modules == ("wifi", "mqtt")
    assert demands.floats is True
    assert (demands.lfs, demands.flash_size) == (65536, 4 * 1024 * 1024)
    assert (demands.run, demands.prints, demands.timeout_s) == (tmp_path / "lua" / "test.lua", "/PASS/", 2.0)


def test_nothing_is_demanded_by_default(load: Callable[[str], Profile], tmp_path: Path) -> None:
    assert not lua_policy(load(""), tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acceptance: {version: newest}", "want a version such as >=3.0"),
        ("acceptance: {modules: wifi}", "want a list of modules"),
        ("acceptance: {modules: [1wire]}", "want a list of modules"),
        ("acceptance: {float: 2}", "want true or false"),
        ("acceptance: {lfs: much}", "want a size such as 64KB"),
        ("acceptance: {run: a.lua, prints: '/(/'}", "the expression is wrong"),
        ("acceptance: {prints: PASS}", "`acceptance.run` names none"),
        ("acceptance: {run: a.lua, timeout: 2h}", "want a duration such as 10s"),
        ("acceptance: {timeout: 2s}", "neither `acceptance.run` nor `acceptance.command`"),
        ("acceptance: {limits: {temp: [1, 2]}}", "neither `acceptance.run` nor `acceptance.command`"),
        ("acceptance: {command: []}", "a program and its words"),
        ("acceptance: {command: [./a, [b]]}", "command: got [b] in the list, want a program and its words"),
        ("acceptance: {command: [./a, null, b]}", "got nothing, as YAML reads null and ~ without quotes, in the list"),
        ("acceptance: {modules: [wifi, 1wire]}", "modules: got '1wire' in the list"),
        ("acceptance: {command: ./a, limits: {temp: [30, 15]}}", "temp: got [30, 15], want the least and the most"),
        ("acceptance: {command: ./a, limits: {temp: 15}}", "the least and the most"),
        ("acceptance: {command: ./a, limits: {1x: [1, 2]}}", "want a word such as temp"),
        ("acceptance: {command: ./a, limits: [1]}", "names and their least and most"),
        ("acceptance: {modles: [wifi]}", "did you mean 'acceptance.modules'"),
        ("acceptance: strict", "want a mapping such as"),
        ("files: [init.lua]", "want names on the board and their files"),
        ("files: {}", "want names on the board and their files"),
        ("files: {init.lua: }", "files.init.lua: got nothing, want a file"),
        ("files: {'a b.lua': x}", "without spaces"),
        ("files: {" + "n" * 32 + ": x}", "want 1 to 31 characters"),
        ("files: {fp~x: x}", "are taken"),
        ("files: {/x.lua: x}", "a drive"),
        ("files: {a: x, a: y}", "a is stated twice"),
    ],
)
def test_mistakes_are_named(text: str, words: str, load: Callable[[str], Profile]) -> None:
    with pytest.raises(ProfileError) as failure:
        load(text)
    assert words in failure.value.message
    assert "kitchen.yaml:2" in failure.value.message


def test_files_are_read_relative_to_the_profile(load: Callable[[str], Profile], tmp_path: Path) -> None:
    (tmp_path / "lua").mkdir()
    (tmp_path / "lua" / "x.lua").write_bytes(b"print(1)\r\n\0")
    wish = lua_policy(load("files: {init.lua: lua/x.lua}"), tmp_path)
    assert [(file.name, file.data) for file in wish.files] == [("init.lua", b"print(1)\r\n\0")]
    assert "print(1)" not in repr(wish)


def test_every_missing_file_is_named_at_once(load: Callable[[str], Profile], tmp_path: Path) -> None:
    with pytest.raises(LuaFileMissingError) as failure:
        lua_policy(load("files: {a: none.lua, b: nothing.lua}\nacceptance: {run: neither.lua}"), tmp_path)
    assert all(name in failure.value.message for name in ("none.lua", "nothing.lua", "neither.lua"))
    assert failure.value.status == 10


def test_a_nearer_profile_replaces_the_files_as_a_whole(load: Callable[[str], Profile], tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("files: {a: x.lua}\nacceptance: {version: '>=2', float: true}\n" + BASE)
    profile = load("extends: base\nfiles: {b: y.lua}\nacceptance: {version: '>=3'}")
    assert [source.name for source in profile.files] == ["b"]
    assert (str(profile.acceptance.version), profile.acceptance.floats) == (">=3", True)
