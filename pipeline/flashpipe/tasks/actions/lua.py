"""The actions that talk with a board's Lua console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from flashpipe.errors import BadValueError, ConsoleError, LuaFailedError, StartFileError
from flashpipe.tasks.step import board_step, confirm, notify

if TYPE_CHECKING:
    from flashpipe.board.lua.console import Console
    from flashpipe.board.lua.files import FileState
    from flashpipe.board.session.session import Session
    from flashpipe.flasher.model import Outcome
    from flashpipe.jobs.board_job import BoardRun

LUA_S: Final = 3600.0
"""How long a Lua file may run until it is left alone; Ctrl-C ends the waiting."""


@board_step
def show_node(board: BoardRun) -> None:
    """Ask the firmware what it is, and compare it with what the profile demands."""
    from flashpipe.board.lua import acceptance  # noqa: PLC0415
    from flashpipe.board.lua.node_info import read_node  # noqa: PLC0415
    from flashpipe.flasher.lua_stage import reach  # noqa: PLC0415
    from flashpipe.jobs.lua_policy import lua_wish  # noqa: PLC0415
    from flashpipe.text.node import describe, describe_findings  # noqa: PLC0415

    request = board.request
    profile = request.profile() if request.profile_name else None
    wish = lua_wish(profile).acceptance if profile else acceptance.NO_DEMANDS
    session = board.session()
    console = reach(session)
    with session.step("node", "asking the firmware what it is") as result:
        info = read_node(console, console.before, wanted=wish.modules)
        result.append(f"NodeMCU {info.version}")
    findings = acceptance.compare(info, wish)
    notify(describe(info, profile.flash_size if profile else ""))
    if findings:
        notify(describe_findings(findings))
    acceptance.check(session.port, findings)


@board_step
def run_lua(board: BoardRun) -> None:
    """Run a Lua file and show what it prints."""
    from flashpipe.flasher.lua_stage import reach, run_file  # noqa: PLC0415
    from flashpipe.jobs.lua_policy import read_lua_file  # noqa: PLC0415
    from flashpipe.units import parse_duration  # noqa: PLC0415

    variables = board.request.variables
    name = variables.text("file")
    if not name:
        raise BadValueError("which Lua file?", "say file=FILE, such as `flashpipe lua file=test.lua`")
    file = read_lua_file(board.request.caller / name, name.replace("\\", "/").rpartition("/")[2])
    wait_s = parse_duration(variables.text("wait")) if variables.text("wait") else 0.0
    session = board.session()
    shown = 0

    def show(text: str) -> None:
        nonlocal shown
        fresh = text[shown:]
        if "\n" in fresh:
            end = shown + fresh.rindex("\n") + 1
            _write(text[shown:end])
            shown = end

    ran = run_file(session, reach(session), file, wait_s or LUA_S, linger=bool(wait_s), heard=show)
    _write(ran.output[shown:])
    if ran.error:
        raise LuaFailedError(f"{session.port}: {ran.error}", "correct the Lua file and run it again")


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    plain = text.encode("latin-1", "replace").decode("utf-8", "replace")
    sys.stdout.write(
        "".join(char for char in plain if char.isprintable() or char in "\n\t")
        .encode(encoding, "replace")
        .decode(encoding)
    )
    sys.stdout.flush()


@board_step
def show_files(board: BoardRun) -> None:
    """List what is on the board; with send=1 send what differs, with rescue=1 put an init.lua aside."""
    from flashpipe.board.lua.files import BoardFiles  # noqa: PLC0415
    from flashpipe.board.lua.node_info import read_room  # noqa: PLC0415
    from flashpipe.flasher.lua_stage import reach  # noqa: PLC0415
    from flashpipe.jobs.lua_policy import lua_wish  # noqa: PLC0415
    from flashpipe.text.node import describe_files  # noqa: PLC0415

    request = board.request
    if request.variables.flag("rescue"):
        _rescue(board.session())
        return
    profile = request.profile() if request.profile_name else None
    files = lua_wish(profile).files if profile else ()
    sends = request.variables.flag("send")
    if sends and not files:
        raise BadValueError("send=1: there is nothing to send", "name a profile with `files: {init.lua: FILE}`")
    session = board.session()
    console = reach(session)
    if sends:
        board.recorded("files", lambda: _send(board, session, console))
        console = reach(session)
    on_board = BoardFiles(console)
    there = on_board.names()
    with session.private():  # they are read back
        states = on_board.compare(files, there, session.progress("files")) if not sends else []
    same = {file.name: "same" for file in files} if sends else {state.name: state.state for state in states}
    notify(describe_files(there, same, read_room(console)))


def _send(board: BoardRun, session: Session, console: Console) -> Outcome:
    """Send what differs, restart, look."""
    from flashpipe.flasher.boot_check import judge  # noqa: PLC0415
    from flashpipe.flasher.lua_stage import restart, send_files  # noqa: PLC0415
    from flashpipe.flasher.model import Outcome  # noqa: PLC0415
    from flashpipe.jobs.lua_policy import lua_wish  # noqa: PLC0415

    done = Outcome("files", session.device, files=tuple(_planned(board)))
    try:
        states = send_files(session, console, lua_wish(board.request.profile()).files)
        done = Outcome("files", session.device, files=tuple(states))
        if any(state.state == "sent" for state in states):
            wish = board.request.boot_wish()
            verdict = restart(session, console.baud, states, lambda: judge(session, wish, None, is_nodemcu=True))
            done = Outcome("files", session.device, verdict=verdict, files=tuple(states))
    except ConsoleError as error:
        error.done = error.done or done
        raise
    return done


def _planned(board: BoardRun) -> list[FileState]:
    from flashpipe.board.lua.files import FileState  # noqa: PLC0415
    from flashpipe.jobs.lua_policy import lua_wish  # noqa: PLC0415

    files = lua_wish(board.request.profile()).files
    return [FileState(file.name, len(file.data), file.sha256, "not sent") for file in files]


def _rescue(session: Session) -> None:
    from flashpipe.flasher.lua_stage import ERASE, PARKED, disable_init_lua  # noqa: PLC0415

    session.open()
    if not disable_init_lua(session):
        raise StartFileError(
            f"{session.port}: no prompt could be caught before init.lua fails",
            ERASE,
        )
    notify(f"init.lua is out of the way: it is called {PARKED} now; restart the board")


@board_step
def format_board(board: BoardRun) -> None:
    """Format the file system and wait."""
    from flashpipe.board.lua.console import FORMAT_S  # noqa: PLC0415
    from flashpipe.board.lua.node_info import read_room  # noqa: PLC0415
    from flashpipe.flasher.lua_stage import reach  # noqa: PLC0415

    confirm(board, "formats the file system of its NodeMCU: all files on it are removed")
    session = board.session()
    console = reach(session)
    with session.step("format", "formatting the file system") as result:
        progress = session.progress("format")
        ran = console.run("file.format()", FORMAT_S, waiting=lambda seconds: progress(int(seconds), int(FORMAT_S)))
        if ran.error or not ran.ended:
            raise ConsoleError(
                f"{session.port}: formatting failed: {ran.error or f'no answer within {FORMAT_S:g} s'}",
                "flash the firmware again; if it recurs, the flash chip is smaller or worse than its header says",
            )
        room = read_room(console)
        result.append(f"{room[0]:,} of {room[2]:,} bytes free" if room else "done")
