"""What is asked of, and done through, a board's Lua console."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from flashpipe.board.boot.verdict import nodemcu_name
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.lua import acceptance
from flashpipe.board.lua.acceptance import LuaPolicy
from flashpipe.board.lua.console import FORMAT_S, Console
from flashpipe.board.lua.files import BoardFiles, FileState, LuaFile
from flashpipe.board.lua.node_info import NodeInfo, read_node, read_room
from flashpipe.board.lua.restarts import why_unasked
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    BadValueError,
    BoardRestartedError,
    ConsoleError,
    LuaFailedError,
    LuaTimeoutError,
    NoLuaPromptError,
    StartFileError,
)
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.file_sending import for_this_board, mac_of, send_files
from flashpipe.flasher.first_boot import mirroring
from flashpipe.flasher.lua_advice import EMPTY, ERASE, WIRE
from flashpipe.flasher.lua_run import run_file
from flashpipe.flasher.lua_stage import NO_START, disable_init_lua, open_console, restart
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.build import compiling
from flashpipe.jobs.lua_files import read_lua_file, uncompiled
from flashpipe.jobs.lua_policy import lua_policy
from flashpipe.jobs.policy import boot_expectation
from flashpipe.jobs.request import CommandLine
from flashpipe.next_steps import Advice, repeat
from flashpipe.profile.model import Profile
from flashpipe.units import parse_duration
from flashpipe.values import dataclass

LUA_S: Final = 600.0
"""How long a Lua file may run unless `timeout=` says so."""
RESCUE_S: Final = 30.0
"""How long a start is looked at for what keeps a prompt away."""
_PRINTS: Final = re.compile(r"^=(.+)$", re.MULTILINE)
Room = tuple[int, int, int] | None
"""Bytes free, used and in all of a file system; None where there is none."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a running NodeMCU is, and what of the profile's demands it meets."""

    port: str
    info: NodeInfo
    profile_size: str
    """The profile's `flash.size`; empty without a profile."""
    findings: tuple[acceptance.AcceptanceFinding, ...]

    def check(self) -> None:
        """Raises AcceptanceError where a demand is not met."""
        acceptance.check(self.port, self.findings)


def ask_node(board: BoardRun) -> NodeReport:
    """Ask the firmware what it is, and compare it with what the profile demands.

    Raises:
        PipelineError: a bad profile, or no Lua prompt.
    """
    profile = board.inputs.named_profile()
    demands = lua_policy(profile, board.command.project, uncompiled).acceptance if profile else acceptance.NO_DEMANDS
    session = board.session()
    console = open_console(session)
    with session.step("node", "asking the firmware what it is") as result:
        info = read_node(console, console.before, wanted=demands.modules)
        result.append(f"NodeMCU {info.version}".strip())
    findings = tuple(acceptance.compare(info, demands))
    return NodeReport(session.port, info, profile.flash_size if profile else "", findings)


def run_lua(board: BoardRun, show: Callable[[str], None]) -> None:
    """Run a Lua file; `show` takes what it prints, whole lines as they come (latin-1, as the line gives it).

    Raises:
        BadValueError: no file was named, or a duration cannot be read.
        LuaFailedError: it ended with an error.
        LuaTimeoutError: it did not end; what it does goes on.
        BoardRestartedError: the board started again before its end, or behind that without being told to.
        PipelineError: the file cannot be read, or there is no Lua prompt.
    """
    variables = board.command.variables
    file = _lua_text(board.command)
    wait_s, limit_s = (parse_duration(text) if text else 0.0 for text in map(variables.text, ("wait", "timeout")))
    limit_s = limit_s or LUA_S
    session = board.session()
    console = open_console(session)
    ran = run_file(session, console, file, limit_s + wait_s, linger_s=wait_s, on_lines=show)
    if ran.error:
        what = "file" if variables.text("file") else "text"
        raise LuaFailedError(
            f"{session.port}: {ran.error}", Advice(f"correct the Lua {what} and ", repeat("run it again"))
        )
    if ran.restarted and not ran.ended:
        raise BoardRestartedError(
            f"{session.port}: the board restarted while it ran {file.name}",
            "what it said tells why; where it shall restart: `node.task.post(function() … end)` does it behind the end",
        )
    if ran.restarted and (why := why_unasked(file.data, console)):
        raise BoardRestartedError(
            f"{session.port}: the board restarted after {file.name} had come to its end: {why}",
            "what it said tells why; a callback that keeps the processor for seconds has to call `tmr.wdclr()` or end",
        )
    if ran.garbled:
        raise LuaTimeoutError(
            f"{session.port}: {file.name} was not heard to come to its end: what the board says is no text any more",
            f"it may have changed the rate of its UART: let `uart.setup(0, …)` stay at {console.baud}; a reset ends it",
        )
    if not ran.ended:
        raise LuaTimeoutError(
            f"{session.port}: {file.name} did not come to its end within {limit_s + wait_s:g} s",
            Advice(LuaTimeoutError.remedy, "; a reset of the board ends it"),
        )


def _lua_text(command: CommandLine) -> LuaFile:
    """What shall be run."""
    name, code = command.variables.text("file"), command.variables.text("code")
    if name and code:
        raise BadValueError("a Lua file and Lua text: which of them?", "say file=FILE or code=TEXT")
    if code:
        return LuaFile("code", _as_typed(code).encode() + b"\n")
    if not name:
        raise BadValueError(
            "which Lua file?", "say file=FILE, such as `flashpipe lua file=test.lua`, or `flashpipe lua -e 'TEXT'`"
        )
    return read_lua_file(command.caller / name, name.replace("\\", "/").rpartition("/")[2], command.caller)


def _as_typed(code: str) -> str:
    r"""Lua text with what a prompt makes of it: a line that begins with `=` prints.

    >>> _as_typed("x = 1\n=x, 2")
    'x = 1\nprint(x, 2)'
    """
    return _PRINTS.sub(r"print(\1)", code)


@dataclass(frozen=True, slots=True)
class FileListing:
    """What is on a board's file system, and how the profile's files stand to it."""

    sizes: Mapping[str, int]
    """Name to bytes, of what is there."""
    states: Mapping[str, str]
    """Of the profile's files."""
    room: Room


def list_files(board: BoardRun) -> FileListing:
    """List the files on a board; with send=1 send the profile's that differ, first.

    Raises:
        BadValueError: send=1, and there is nothing to send.
        PipelineError: a bad profile, no Lua prompt, or a file that could not be sent.
    """
    profile = board.inputs.named_profile()
    files = _policy(board, profile).files if profile else ()
    sends = board.command.variables.flag("send")
    if sends and not files:
        raise BadValueError("send=1: there is nothing to send", "name a profile with `files: {init.lua: FILE}`")
    session = board.session()
    console = open_console(session)
    if sends:
        board.recorded("files", lambda record: _send(board, record, session, console))
        console = open_console(session)
    on_board = BoardFiles(console, session.baud)
    files = for_this_board(session, console, files)
    sizes = on_board.names()
    with session.private():  # they are read back
        states = on_board.compare(files, sizes, session.progress("files")) if not sends else []
    same = {file.name: "same" for file in files} if sends else {state.name: state.state for state in states}
    return FileListing(sizes, same, read_room(console))


def _policy(board: BoardRun, profile: Profile) -> LuaPolicy:
    command = board.command
    return lua_policy(profile, command.project, compiling(board.inputs, board.face), standing=command.caller)


def _send(board: BoardRun, record: RunRecord, session: Session, console: Console) -> Outcome:
    """Send what differs, restart, look."""
    policy = _policy(board, board.inputs.profile())
    files = for_this_board(session, console, policy.files)
    planned = tuple(FileState(file.name, len(file.data), file.sha256, "not sent") for file in files)
    planning = record.note(Outcome("files", session.device, files=planned, told_mac=mac_of(session, console)))
    other_files = mirroring(board.policy()) if policy.spared is not None else None
    states = send_files(session, console, files, may_restart=True, mirroring=other_files)
    outcome = record.note(replace(planning, files=tuple(states)))
    if any(state.state == "sent" for state in states):
        check = BootCheck(session, boot_expectation(board.inputs), is_nodemcu=True, ran_lua=True)
        outcome = replace(outcome, verdict=restart(session, console.baud, states, check))
    return outcome


def rescue(board: BoardRun) -> str:
    """Put an init.lua aside that the board does not survive; the name it has now, empty where there is none.

    Raises:
        StartFileError: no prompt could be caught.
        NoLuaPromptError: none ever shows there, for another reason.
    """
    session = board.session()
    session.open()
    name = disable_init_lua(session)
    if name is None:
        _check_start_file(session)
        raise StartFileError(f"{session.port}: no prompt could be caught before init.lua fails", ERASE)
    return name


def _check_start_file(session: Session) -> None:
    """Go on where an init.lua may be what keeps us from it: a NodeMCU may run, and does not say that it has none.

    Raises:
        NoLuaPromptError: anything else is seen of its start.
    """
    if not session.resets_by_wire:
        return
    verdict = boot_check(session, timeout_s=RESCUE_S)
    if verdict.kind not in {"alive", "unreadable", "formatting"} and not nodemcu_name(verdict.log):
        hint = EMPTY if verdict.kind == "no-image" else NoLuaPromptError.remedy
        raise NoLuaPromptError(f"{session.port}: no Lua prompt: {verdict.summary}", hint)
    if NO_START.search(verdict.log):
        raise NoLuaPromptError(
            f"{session.port}: NodeMCU starts, has no init.lua, and does not answer what is sent",
            WIRE,
        )


def format_files(board: BoardRun) -> tuple[int, int, int] | None:
    """Format the file system, if that is confirmed, and wait; bytes free, used and in all, where the board tells.

    Raises:
        ConfirmationError: it is not.
        ConsoleError: it failed.
        PipelineError: no Lua prompt.
    """
    board.confirm("formats the file system of its NodeMCU: all files on it are removed")
    session = board.session()
    console = open_console(session)
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
    return room
