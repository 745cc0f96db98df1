"""Single files put on a board, fetched, shown and removed, on NodeMCU itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import LuaFileNameError
from flashpipe.jobs.board_files import _place

from tests.harness import Done, Project
from tests.nodemcu import IN_PACKAGE, NodeMcu

Command = Callable[..., Done]
M1, M2 = b"return 1\n", bytes(range(256)) * 9


@pytest.fixture
def files(project: Project, command: Command, tmp_path: Path, request: pytest.FixtureRequest) -> Command:
    """`files` of a board that runs NodeMCU, from a project's folder with some files."""
    (project.folder / "lua").mkdir()
    for name, data in {"init.lua": b'print("hi")\n', "lua/m1.lua": M1, "lua/m2.dat": M2}.items():
        (project.folder / name).write_bytes(data)
    port = NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request).url
    return lambda *words: command("files", *words, f"port={port}")


def test_files_go_there_and_come_back(files: Command, project: Project) -> None:
    done = files("put=init.lua,lua").ok()
    assert "3 Lua files sent; it was not restarted" in done.text
    assert "m2.dat" in files().ok().out
    assert "was there" in files("put=lua/m1.lua").ok().out
    assert files("cat=init.lua").ok().out.endswith('print("hi")\n')
    files("get=m*").ok()
    assert ((project.folder / "m1.lua").read_bytes(), (project.folder / "m2.dat").read_bytes()) == (M1, M2)
    files("get=m2.dat").ok()  # the same is no loss
    (project.folder / "m1.lua").write_bytes(b"mine")
    assert "m1.lua is there already" in files("get=m1.lua,m2.dat").failed("output-exists").text
    assert (project.folder / "m1.lua").read_bytes() == b"mine"
    files("get=m1.lua", "as=other.lua").ok()
    assert (project.folder / "other.lua").read_bytes() == M1
    files("rm=m*").failed("not-confirmed")
    files("rm=init.lua").ok()
    files("rm=m*", "yes=1").ok()
    assert "no files" in files().ok().out
    assert "it has none" in files("get=m1.lua").failed("board-file-missing").text


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["put=gone.lua"], "lua-file-missing", "there is no such file"),
        (["put=x*.lua"], "lua-file-missing", "means no file"),
        (["put=init.lua", f"as={'n' * 32}"], "lua-file-name", "1 to 31"),
        (["put=init.lua,lua", "as=x"], "bad-value", "one file"),
        (["put=init.lua", "get=x"], "bad-value", "one thing at a time"),
        (["cat=x", "as=y"], "bad-value", "one file"),
    ],
)
def test_what_cannot_be_is_said_before_a_port_is_opened(
    words: list[str], code: str, says: str, command: Command, project: Project
) -> None:
    (project.folder / "lua").mkdir()
    for name in ("init.lua", "lua/a.lua"):
        (project.folder / name).write_bytes(b"1")
    done = command("files", *words, "port=sim://nowhere-to-be-found")
    assert says in done.failed(code).text


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "", ".", ".bashrc", ".ssh/authorized_keys", "x/.git/hooks/y", "..\\x", "dodo.py",
     "DODO.py",
     "a\x1b]52;c;x\x07", "a\0b", "x" * 200, "out/x"],
)  # fmt: skip
def test_the_name_of_a_file_on_a_board_leads_nowhere_and_steers_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "out").symlink_to(tmp_path)
    with pytest.raises(LuaFileNameError):
        _place(name, tmp_path / "here", "", named=False)
    assert _place(name, tmp_path, "as.bin", named=False) == tmp_path / "as.bin"


def test_a_hidden_file_that_was_named_may_come(tmp_path: Path) -> None:
    assert _place(".config", tmp_path, "", named=True) == tmp_path / ".config"
    with pytest.raises(LuaFileNameError):
        _place("../.config", tmp_path, "", named=True)
