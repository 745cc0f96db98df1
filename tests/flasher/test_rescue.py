"""Lua programs that do harm, on NodeMCU itself: unmodified images, executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from flashpipe.board.boot.verdict import HEALTHY
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.lua import files as lua_files
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.restarts import why_unasked
from flashpipe.board.session.session import Session
from flashpipe.errors import FilesFullError, LuaFailedError, NoLuaPromptError, StoppedError
from flashpipe.flash import Region
from flashpipe.flasher import lua_stage
from flashpipe.flasher.lua_run import run_file
from flashpipe.flasher.lua_stage import disable_init_lua, open_console
from flashpipe.jobs.sessions import state_of
from flashpipe.next_steps import command
from flashpipe.sim.ports import registry

from tests.nodemcu import IN_PACKAGE, NodeMcu, find_image, lines

Make = Callable[..., Session]
GREEDY = LuaFile("big.lua", b't={} while true do t[#t+1]=string.rep("x",500)..#t end')
BLOCK, PAGE = 0x2000, 0x100
Change = Callable[[bytearray, Region], None]


def timer(name: str, ms: int, kind: int, body: str) -> str:
    """Lua that runs `body` later: once (0) or again and again (1)."""
    made = "tmr.create():alarm(" if name == "3.0" else "tmr.alarm(0,"
    return f"{made}{ms},{kind},function(){body} end)"


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """A session on a board of that line, in the files of which is this init.lua."""
    sessions: list[Session] = []

    def run(name: str, init: str = "", more: str = "", **board: int) -> Session:
        flash = NodeMcu.of(name, tmp_path / "flash.bin", request, **board)
        if init:
            with closing(Session(flash.url)) as session:
                BoardFiles(open_console(session)).send([LuaFile("init.lua", init.encode())], {})
            registry.forget_boards()
        sessions.append(Session(flash.url + more))
        return sessions[-1]

    yield run
    for session in sessions:
        session.close()
    registry.forget_boards()


@pytest.mark.parametrize("name", lines())
def test_an_init_lua_that_panics_is_put_aside(name: str, make: Make) -> None:
    session = make(name, timer(name, 900, 0, 'error("gone")'), "&time=real")
    assert disable_init_lua(session) == "init.lua.bad"
    assert not lua_stage._listen(session, 1.2), "a timer that it has left ends the board"
    assert list(BoardFiles(open_console(session)).names()) == ["init.lua.bad"]


@pytest.mark.images
def test_a_console_of_9600_baud_is_rescued_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make("0.9.5", "print(1)")
    monkeypatch.setattr(lua_stage, "BAUDS", (115200,))
    assert disable_init_lua(session) == "init.lua.bad"
    assert list(BoardFiles(open_console(session)).names()) == ["init.lua.bad"]


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "3.0"))
def test_where_init_lua_prints_without_end_no_prompt_is_caught(
    name: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make(name, 'while true do print("tick") end')
    monkeypatch.setattr(lua_stage, "PROMPT_S", 0.2)
    assert disable_init_lua(session) is None
    assert "tick\ntick\n" in boot_check(session, timeout_s=2).log


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "3.0"))
def test_a_second_init_lua_that_is_put_aside_replaces_no_first_and_none_is_said_where_there_is_none(
    name: str, make: Make
) -> None:
    session = make(name, "print(1)")
    assert disable_init_lua(session) == "init.lua.bad"
    assert disable_init_lua(session) == "", "none is left"
    files = BoardFiles(open_console(session))
    files.send([LuaFile("init.lua", b"print(22)")], files.names())
    assert disable_init_lua(session) == "init.lua.bad2"
    assert BoardFiles(open_console(session)).names() == {"init.lua.bad": 8, "init.lua.bad2": 9}


@pytest.mark.parametrize("name", lines("3.0"))
def test_a_program_that_takes_the_console_is_named_with_the_way_out(name: str, make: Make) -> None:
    session = make(name, 'uart.on("data",0,function()end,0)')
    assert boot_check(session, timeout_s=10).kind == "banner", "it shows its prompt, and does not answer at it"
    with pytest.raises(NoLuaPromptError) as caught:
        open_console(session)
    assert command("files", rescue="1") in caught.value.next_steps


@pytest.mark.parametrize("name", lines("3.0"))
def test_where_nothing_arrives_at_a_board_without_an_init_lua_that_is_not_blamed(name: str, make: Make) -> None:
    session = make(name, "", "&fault=deaf")
    with pytest.raises(NoLuaPromptError) as caught:
        open_console(session)
    assert "starts without an init.lua" in caught.value.message
    assert "TX of the adapter" in caught.value.hint
    assert "erase" not in caught.value.hint


@pytest.mark.parametrize("name", lines())
def test_a_timer_that_prints_without_end_disturbs_nothing(name: str, make: Make) -> None:
    session = make(name, timer(name, 20, 1, 'print("tick")'))
    assert boot_check(session, timeout_s=10).kind in HEALTHY
    console = open_console(session)
    assert console.ask("6*7") == "42"
    files = BoardFiles(console)
    files.send([LuaFile("a.lua", b"print(1)")], files.names())
    assert "a.lua" in files.names()


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "3.0"))
def test_memory_that_is_used_up_is_given_back(name: str, make: Make) -> None:
    session = make(name)
    console = open_console(session)
    assert "not enough memory" in run_file(session, console, GREEDY, 30.0).error
    with pytest.raises(LuaFailedError):
        console.ask('string.rep("x",60000)')
    console.ask("(function()t=nil collectgarbage()end)()or 0")
    assert console.ask("6*7") == "42"
    assert BoardFiles(console).names() == {}


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "3.0"))
def test_a_panic_in_a_callback_is_an_error_of_the_program(name: str, make: Make) -> None:
    session = make(name)
    late = LuaFile("late.lua", timer(name, 200, 0, 'error("oops")').encode())
    assert "oops" in run_file(session, open_console(session), late, 30.0, linger_s=10.0).error


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "2.2", "3.0"))
def test_where_there_is_no_file_system_lua_runs_from_memory(name: str, make: Make) -> None:
    session = make(name)
    console = open_console(session)
    console.ask("(function()file={} end)()")
    text = (
        b'local t="\\t\xe9\\"" -- \xff\n' + b"local n=0\nfor i=1,9 do n=n+i end\n" * 20 + b"print(t,n)\nerror('oops')\n"
    )
    ran = run_file(session, console, LuaFile("long.lua", text, "here/long.lua"), 10.0)
    assert ran.output == '\t\xe9"\t45\n'
    assert ran.error.startswith("here/long.lua:43: oops")
    assert "code:1:" in run_file(session, console, LuaFile("code", b"x = = 1\n"), 10.0).error
    assert console.ask("_fp") == "nil"


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "2.2", "3.0"))
def test_a_board_that_its_watchdog_restarts_ends_the_run(name: str, make: Make) -> None:
    session = make(name)
    console = open_console(session)
    ran = run_file(session, console, LuaFile("endless.lua", b'print("begun") while true do end'), 600.0)
    assert (ran.ended, ran.restarted, ran.error) == (False, True, "")
    assert ran.output.startswith("begun\n")
    assert console.ask("6*7") == "42"


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "3.0"))
def test_an_end_that_is_said_at_another_rate_is_not_waited_for(name: str, make: Make) -> None:
    session = make(name)
    console = open_console(session)
    binary = LuaFile("binary.lua", b'uart.write(0,"\\200\\201\\202\\203\\204\\205") tmr.delay(1000)')
    ran = run_file(session, console, binary, 60.0)
    assert (ran.ended, ran.garbled) == (True, False)
    started_s = console.clock()
    other = LuaFile("other.lua", b'uart.setup(0,9600,8,0,1,0) print("what it says after that") tmr.wdclr()')
    ran = run_file(session, console, other, 600.0)
    assert (ran.ended, ran.restarted, ran.garbled) == (False, False, True)
    assert console.clock() - started_s < 100


@pytest.mark.parametrize("name", lines("0.9.5", IN_PACKAGE, "3.0"))
def test_a_board_that_its_watchdog_restarts_while_it_is_listened_to_ends_the_run(name: str, make: Make) -> None:
    session = make(name)
    console = open_console(session)
    text = timer(name, 300, 0, "while true do end").encode()
    ran = run_file(session, console, LuaFile("late.lua", b'print("begun") ' + text), 600.0, linger_s=600.0)
    assert (ran.ended, ran.restarted, ran.error) == (True, True, "")
    assert why_unasked(b"", console)
    assert name == "0.9.5" or "watchdog" in why_unasked(b"node.restart()", console)
    assert console.ask("6*7") == "42"


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "3.0"))
def test_a_board_that_its_program_restarts_is_listened_to_further(name: str, make: Make) -> None:
    session = make(name, 'print("again")' + timer(name, 1500, 0, 'print("later")'))
    console = open_console(session)
    text = timer(name, 300, 0, "node.restart()").encode()
    ran = run_file(session, console, LuaFile("again.lua", text), 60.0, linger_s=8.0)
    assert (ran.ended, ran.restarted, ran.error) == (True, True, "")
    assert "again" in ran.output
    assert "later" in ran.output
    assert not why_unasked(b"", console)


def files_of(cells: bytearray) -> Region:
    """Where the file system is: its first block says how many there are up to nearly the end of the flash."""
    for start in range(0x10000, len(cells), BLOCK):
        end = start + BLOCK * (int.from_bytes(cells[start + 252 : start + 254], "little") ^ 0x429)
        if len(cells) - 4 * BLOCK < end <= len(cells):
            return Region(start, end)
    raise AssertionError


def crowd(cells: bytearray, files: Region) -> None:
    """All pages but those of the first and last two blocks are taken: by their entries in the blocks' lookup tables."""
    for block in range(files.start + BLOCK, files.end - 2 * BLOCK, BLOCK):
        cells[block : block + 2 * (BLOCK // PAGE - 1)] = b"\x05\0" * (BLOCK // PAGE - 1)


def garble(cells: bytearray, files: Region) -> None:
    """Nothing is left of it."""
    cells[files.start : files.end] = Random(1).randbytes(files.size)


OLD = ("0.9.5", "1.4.0", "1.5.1")
"""Those that do not look whether there is a file system when they start."""


@pytest.fixture
def changed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str, Change], Session]]:
    """A session on a board whose file system something was done to while it was off."""
    sessions: list[Session] = []

    def run(name: str, change: Change) -> Session:
        board = NodeMcu.of(name, tmp_path / "flash.bin", request)
        cells = bytearray(board.flash.read_bytes())
        behind = len(find_image(name, request).read_bytes()) + 0xFFF & ~0xFFF
        change(cells, Region(behind, len(cells) - 0x5000) if name in OLD else files_of(cells))
        board.flash.write_bytes(cells)
        sessions.append(Session(board.url))
        return sessions[-1]

    yield run
    for session in sessions:
        session.close()
    registry.forget_boards()


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "2.0.0", "2.1.0", "2.2", "3.0"))
def test_what_does_not_fit_is_not_begun(name: str, changed: Callable[[str, Change], Session]) -> None:
    files = BoardFiles(open_console(changed(name, crowd)))
    files.send([LuaFile("a.lua", b"print(1)")], {})
    with pytest.raises(FilesFullError, match=r"no room for big\.lua"):
        files.send([LuaFile("big.lua", b"x" * 30_000)], files.names())
    assert files.names() == {"a.lua": 8}
    assert files.read("a.lua", 8) == b"print(1)"


def test_a_file_system_that_is_full_before_it_said_so_leaves_nothing_behind(
    changed: Callable[[str, Change], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lua_files, "read_room", lambda _console: None)  # as where a firmware cannot tell
    files = BoardFiles(open_console(changed(IN_PACKAGE, crowd)))
    with pytest.raises(FilesFullError, match="broke off"):
        files.place(LuaFile("big.lua", b"x" * 30_000))
    assert files.names() == {}


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "2.0.0", "2.1.0", "2.2 integer", "2.2", "3.0"))
def test_a_file_system_of_garbage_is_made_anew(name: str, changed: Callable[[str, Change], Session]) -> None:
    session = changed(name, garble)
    assert boot_check(session, timeout_s=60, patient=True).kind == "prompt"
    files = BoardFiles(open_console(session))
    files.send([LuaFile("a.lua", b"print(1)")], files.names())
    assert files.names() == {"a.lua": 8}


@pytest.mark.parametrize("name", lines(*OLD))
def test_old_lines_make_a_file_system_when_they_are_told(name: str, changed: Callable[[str, Change], Session]) -> None:
    session = changed(name, garble)
    assert boot_check(session, timeout_s=60).kind in HEALTHY
    console = open_console(session)
    files = BoardFiles(console)
    assert console.run("file.format()", 60.0).ended
    files.send([LuaFile("a.lua", b"print(1)")], files.names())
    assert files.names() == {"a.lua": 8}


def test_a_stop_says_that_the_program_on_the_board_runs_on(make: Make) -> None:
    session = make(IN_PACKAGE)
    console, text = open_console(session), b'print("begun") for i=1,300 do tmr.delay(100000) tmr.wdclr() end'

    def stop(_text: str) -> bool:
        session.stop.set()
        return False

    with pytest.raises(StoppedError) as caught:
        run_file(session, console, LuaFile("long.lua", text), 600.0, until=stop)
    assert caught.value.action == "run the same command again"
    assert "the program on it runs on unless it has come to its end" in state_of(session)
    session.stop.clear()


@pytest.mark.parametrize(("step", "told"), [("write", ": it continues"), ("backup", ": it continues"), ("audit", "")])
def test_what_begins_anew_is_not_said_to_continue(make: Make, step: str, told: str) -> None:
    session = make(IN_PACKAGE)
    with session.step(step):
        session.stop.set()
    with pytest.raises(StoppedError) as caught:
        session.check_stop()
    assert caught.value.action == f"run the same command again{told}"
