"""Every line that is sent to a console, on NodeMCU itself: unmodified images, executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.lua.console import Console, find_console
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.node_info import read_node
from flashpipe.board.session.session import Session
from flashpipe.errors import FileDamagedError, LuaFailedError
from flashpipe.sim.ports import registry

from tests.nodemcu import IN_PACKAGE, LARGE, MB, NodeMcu, lines

BYTES = bytes(range(0, 256, 3)) + b"]]\r\n\0" + b"1"
TOLD = {
    "0.9.5": ("0.9.5", 9600, "integer", "tried"),
    "1.4.0": ("1.4.0", 9600, "float", "tried"),
    "1.5.1": ("1.5.1", 9600, "float", "tried"),
    "1.5.4.1": ("1.5.4", 115200, "float", "banner"),
    "2.0.0": ("2.0.0", 115200, "float", "banner"),
    "2.1.0": ("2.1.0", 115200, "integer", "tried"),
    "2.2 integer": ("2.2.0", 115200, "integer", "banner"),
    "2.2": ("2.2.0", 115200, "float", "banner"),
    "3.0": ("3.0.0.0", 115200, "float", "firmware"),
}
"""Version, rate of the console, numbers, and who tells the modules."""
Make = Callable[[str], Console]


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """The console of a line, found as a user's command finds it."""
    sessions: list[Session] = []

    def run(name: str = IN_PACKAGE) -> Console:
        sessions.append(Session(NodeMcu.of(name, tmp_path / "flash.bin", request).url))
        return find_console(sessions[-1])

    yield run
    for session in sessions:
        session.close()
    registry.forget_boards()


@pytest.mark.parametrize("name", lines())
def test_each_line_says_what_it_is(name: str, make: Make) -> None:
    console = make(name)
    version, baud, numbers, source = TOLD[name]
    wanted = () if source != "tried" else ("file", "mqtt", "node", "nothing", "string")
    info = read_node(console, console.before, wanted=wanted)
    assert (info.version, info.baud, info.number_type, info.modules_found) == (version, baud, numbers, source)
    assert info.lua.startswith("Lua 5.1")
    assert info.has("file")
    assert not info.has("nothing")
    assert info.chip_id == 0x00000A
    assert info.flash_id == 0x1640EF
    assert (info.flash_size, info.flash_mode) == (2 * MB if name in LARGE else MB, "dio")
    assert info.flash_speed == 40_000_000
    assert info.heap is not None
    assert 15_000 < info.heap < 60_000
    assert info.room is not None
    assert sum(info.room[:2]) == info.room[2] > 100_000


@pytest.mark.parametrize("name", lines())
def test_each_line_evaluates_and_names_its_errors(name: str, make: Make) -> None:
    console = make(name)
    assert console.ask('"a".."b"') == "ab"
    assert console.lines("for i=1,3 do p(i)end") == ["1", "2", "3"]
    with pytest.raises(LuaFailedError, match="nothing"):
        console.ask("nothing.here")
    with pytest.raises(LuaFailedError, match="unexpected symbol near"):
        console.ask("1+)")
    ran = console.run('(function()print("one")print("two")end)()', 20.0)
    assert (ran.output, ran.ended, ran.error) == ("one\ntwo\n", True, "")
    assert "oops" in console.run('error("oops")', 20.0).error
    assert console.ask("1+1") == "2"


@pytest.mark.parametrize("name", lines())
def test_any_bytes_arrive_and_are_known_again(name: str, make: Make) -> None:
    console = make(name)
    files = BoardFiles(console)
    wanted = [LuaFile("init.lua", b"print(1)"), LuaFile("n" * 31 if name >= "2" else "n" * 29, BYTES)]
    files.send(wanted, files.names())
    assert files.names() == {file.name: len(file.data) for file in wanted}
    assert {state.state for state in files.compare(wanted, files.names())} == {"same"}
    assert files.read("init.lua", 8) == b"print(1)"
    assert [state.state for state in files.compare([LuaFile("init.lua", b"print(2)")], files.names())] == ["differs"]
    empty = LuaFile("empty.txt", b"")
    if name in {"0.9.5", "1.4.0", "1.5.1"}:
        with pytest.raises(FileDamagedError, match="keeps no empty files"):
            files.send([empty], files.names())
        assert files.names() == {file.name: len(file.data) for file in wanted}
    else:
        files.send([empty], files.names())
        assert files.names()["empty.txt"] == 0
    assert console.run("file.format()", 60.0).ended
    assert files.names() == {}
