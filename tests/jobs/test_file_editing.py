"""A file of a board in an editor of here, on NodeMCU itself; the editor is a Python program."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import EditorError
from flashpipe.jobs import file_editing

from tests.harness import Done, Project
from tests.nodemcu import IN_PACKAGE, NodeMcu

Command = Callable[..., Done]
Editor = Callable[[str], None]


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Editor:
    """Make EDITOR do something with the file whose path is `p`; working copies are made in `tmp_path/copies`."""
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    monkeypatch.delenv("VISUAL", raising=False)

    def does(code: str) -> None:
        program = f"import pathlib, sys; p = pathlib.Path(sys.argv[1]); {code}"
        monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}")

    return does


def kept(done: Done) -> bytes:
    """What lies in the file that a message names."""
    found = re.search(r"your text is in (\S+): `flashpipe files put", done.text)
    assert found is not None, done.text
    return Path(found[1]).read_bytes()


@pytest.fixture
def files(command: Command, tmp_path: Path, request: pytest.FixtureRequest) -> Command:
    """`files` of a board that runs NodeMCU."""
    port = NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request).url
    return lambda *words: command("files", *words, f"port={port}")


def test_what_was_changed_is_put_back_and_nothing_else_is_lost(
    files: Command, project: Project, tmp_path: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("p.write_bytes(b'return 1\\n')")
    assert "sent" in files("edit=m.lua").ok().out, "one that is not there begins empty"
    editor("p.write_bytes(p.read_bytes() + b'--2\\n')")
    files("edit=m.lua").ok()
    assert files("cat=m.lua").ok().out.endswith("return 1\n--2\n")
    editor("0")
    assert "was not changed" in files("edit=m.lua").ok().out
    assert not list((tmp_path / "copies").iterdir())

    editor("p.write_bytes(b'return 3'); sys.exit(3)")
    done = files("edit=m.lua").failed("editor")
    assert kept(done) == b"return 3"
    editor("sys.exit(3)")
    assert "your text" not in files("edit=m.lua").failed("editor").text
    editor("p.unlink()")
    assert "your text" not in files("edit=m.lua").failed("editor").text
    editor("p.write_bytes(b'return 1\\nx = = 2\\n')")
    done = files("edit=m.lua").failed("lua-syntax")
    assert "m.lua:2: '<eof>' expected near 'x'" in done.text
    assert kept(done) == b"return 1\nx = = 2\n"
    (project.folder / "m.lua").write_bytes(b"x = = 2")
    files("put=m.lua").failed("lua-syntax")
    monkeypatch.setattr(file_editing, "_read", lambda *_: b"what the board had once")
    editor("p.write_bytes(b'return 4')")
    assert kept(files("edit=m.lua").failed("edit-conflict")) == b"return 4"
    assert files("cat=m.lua").ok().out.endswith("return 1\n--2\n"), "the board has what it had"


def test_what_cannot_be_edited_is_said_before_a_port_is_opened(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = "port=sim://nowhere-to-be-found"
    command("files", f"edit={'n' * 32}", port).failed("lua-file-name")
    monkeypatch.setenv("VISUAL", "no-such-editor -w")
    assert "no-such-editor" in command("files", "edit=m.lua", port).failed("editor").text
    monkeypatch.setenv("VISUAL", "'half")
    command("files", "edit=m.lua", port).failed("editor")


def test_an_editor_is_found_where_no_variable_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", " ")
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name == "vi" else None)
    assert file_editing.find_editor() == ["/bin/vi"]
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EditorError, match="which editor"):
        file_editing.find_editor()


def test_a_windows_path_needs_no_quotes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "My Editor.exe"
    program.write_bytes(b"")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("shutil.which", lambda name: name)
    for text, words in ((str(program), [str(program)]), (f'"{program}" --wait', [str(program), "--wait"])):
        monkeypatch.setenv("VISUAL", text)
        assert file_editing.find_editor() == words
