"""What follows a good boot of NodeMCU: its console is asked what it is, and the profile's Lua files are sent.

The order: acceptance, files, and where files were sent a restart and another look at the boot. Every ending, good or
bad, carries what was found into the receipt; the contents of files go nowhere but to the board.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from typing import Final

from flashpipe.board.boot.expectations import accepts
from flashpipe.board.boot.kinds import ERRORS, Verdict, error_class
from flashpipe.board.boot.watch import boot_check, watch
from flashpipe.board.boot.watcher import BootWatcher
from flashpipe.board.lua import acceptance
from flashpipe.board.lua.acceptance import Acceptance, AcceptanceFinding, LuaPolicy
from flashpipe.board.lua.console import BAUDS, FIND_S, Console, find_console
from flashpipe.board.lua.files import START, FileState, LuaFile
from flashpipe.board.lua.node_info import read_node
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    AcceptanceOutputError,
    BootError,
    ConnectError,
    ConsoleError,
    FileDamagedError,
    LuaFailedError,
    NoLuaPromptError,
    PipelineError,
    StartFileError,
)
from flashpipe.flasher.boot_check import BootCheck, boot_error
from flashpipe.flasher.file_mirror import MirrorPolicy
from flashpipe.flasher.file_sending import for_this_board, send_files
from flashpipe.flasher.lua_advice import EMPTY, ERASE, FORGETFUL, PRESS, WIRE
from flashpipe.flasher.lua_run import run_file
from flashpipe.flasher.model import BootExpectation, RunRecord
from flashpipe.masking import mask, mask_cut
from flashpipe.next_steps import Advice, command, repeat

ROUND_S: Final = 4.0
"""Time to knock at every rate once: where a wire can reset the board, that is the next thing to try."""
SURVIVE_S: Final = 3.0
"""How long a new init.lua is watched after the prompt: timers and callbacks fail later than the boot check looks."""
STUCK_S: Final = 10.0
"""The same where no prompt was seen: longer than the watchdogs take (3.2 s and 8 s; unconfirmed)."""
REST_S: Final = 0.3
"""How long to listen for the rest of a line."""
PROMPT_S: Final = 15.0
"""How long to try to catch a prompt between two panics."""
ECHO_S: Final = 0.1
"""Time for the echo of a typed line."""
START_S: Final = 10.0
"""How long a board that has just shown its prompt may take to show it again."""
RESTART_S: Final = 30.0
"""How long a restarted board is watched: its file system is intact."""
DISABLED: Final = "init.lua.bad"
KEPT: Final = 9
"""Files that were put aside and stay: init.lua.bad, init.lua.bad2 …, the last of which is replaced."""
KNOCK_S: Final = 0.5
"""How often the line that renames init.lua is tried on a board that shows no prompt."""
NO_START: Final = re.compile(rf"cannot open {re.escape(START)}")
"""What NodeMCU says as it starts where there is none."""
_START_FAILS: Final = re.compile(r"^(?:> )?(?:lua: |Lua error:\s*)?(init\.lua:\d+:[^\n]*)", re.MULTILINE)
_RAISES: Final = re.compile(
    r"^(?:lua: )?([^\n]+)\nstack traceback:|^(?:lua: )?(not enough memory|\(error object is [^\n]*)$"
    r"|^lua: ([^\s:]+\.l(?:ua|c):\d+:[^\n]*)",
    re.MULTILINE,
)
"""What a start script that ends with an error shows before the first prompt, `lua: ` before it up to NodeMCU 2.x."""
_RAISES_UNTRACED: Final = re.compile(r"^lua: (?!cannot open )([^\n]+)\n*\Z", re.MULTILINE)
"""The same of a firmware before 1.x, which shows no traceback and names no SDK in its banner: the last line."""
_DIES: Final = re.compile(r"^(?:> )?((?:PANIC: |Fatal exception|Lua error: )[^\n]*)", re.MULTILINE)
_AGAIN: Final = re.compile(r"^.*powered by Lua 5", re.MULTILINE)
"""The end of a banner: the board has started once more."""
_PROMPT: Final = re.compile(r"^> ", re.MULTILINE)
_FOUND: Final = re.compile(r"=#found (\d)#=")
PANIC: Final = ERRORS["panic"]
_DISTURBED: Final = frozenset({ConsoleError, NoLuaPromptError, FileDamagedError})
"""What a program that prints, resets or takes the UART does to us."""


def open_console(session: Session, *, timeout_s: float = 60.0) -> Console:
    """The Lua prompt of the board on the port; it is reset only where it does not answer otherwise.

    Raises:
        NoLuaPromptError: there is none.
        PipelineError: the port, or a person who had to press RESET.
    """
    with session.step("console", "looking for the Lua prompt") as result:
        session.open()
        try:
            limit_s = ROUND_S if session.resets_by_wire else FIND_S
            console = find_console(session, limit_s=limit_s, waiting=session.progress("console"))
        except NoLuaPromptError as error:
            if not session.resets_by_wire:
                if not session.in_loader():
                    raise
                raise NoLuaPromptError(f"{session.port}: no Lua prompt: the chip is in its loader", PRESS) from error
            verdict = _reset(session, error, timeout_s)
            console = _console_after(session, verdict)
            console.before = verdict.log
            result.append("after a reset:")
        result.append(f"Lua at {console.baud} baud")
    return console


def _console_after(session: Session, verdict: Verdict) -> Console:
    """The prompt of a board that has just started; where a NodeMCU did, it is its program that keeps it from us."""
    try:
        return find_console(session, session.rate, waiting=session.progress("console"))
    except NoLuaPromptError as error:
        if verdict.kind not in {"prompt", "banner"}:
            raise
        if NO_START.search(verdict.log):
            raise NoLuaPromptError(
                f"{error.message}; it starts without an {START}, and hears nothing of what is sent: {verdict.summary}",
                WIRE,
            ) from error
        raise NoLuaPromptError(
            f"{error.message}; it starts ({verdict.summary}), and its {START} takes the console or lets it sleep, or "
            "what is sent does not reach it",
            Advice(
                command("identify"),
                " tells whether what is sent reaches it; then ",
                command("files", rescue="1"),
                f" catches it as it starts and puts {START} aside; else ",
                ERASE,
            ),
        ) from error


def _reset(session: Session, error: NoLuaPromptError, timeout_s: float) -> Verdict:
    try:
        verdict = boot_check(session, timeout_s=timeout_s, patient=True)
    except ConnectError:
        raise error from None
    if verdict.kind not in {"prompt", "banner", "formatting", "alive"}:
        hint = EMPTY if verdict.kind == "no-image" else NoLuaPromptError.remedy
        if verdict.kind == "download-mode":
            hint = PRESS if verdict.still_in_loader else error_class(verdict.kind).remedy
        raise NoLuaPromptError(
            f"{session.port}: no Lua prompt: {verdict.summary}", FORGETFUL if session.forgets else hint
        )
    return verdict


def first_boot_check(session: Session, policy: LuaPolicy, check: BootCheck) -> Verdict:
    """Judge the boot; where Lua panics over an init.lua that the profile replaces anyway, put that one aside first.

    Raises:
        BootError: the board does not boot as it should.
    """
    try:
        return check.run()
    except PANIC:
        name = disable_init_lua(session, session.rate) if any(file.name == START for file in policy.files) else None
        if not name:
            raise
    session.notify(f"the init.lua on the board panicked: it was renamed to {name}, the profile's takes its place")
    return check.run()


def apply_lua_policy(
    session: Session, policy: LuaPolicy, record: RunRecord, check: BootCheck, mirroring: MirrorPolicy | None = None
) -> None:
    """Carry out what the profile wants of a NodeMCU that has just booted well.

    Args:
        session: on the board, which has just been judged.
        policy: the profile's; nothing happens where it is empty.
        record: what the run has done so far; is told of every step, also where the next one fails.
        check: judges the boot again once files were sent.
        mirroring: what becomes of other files on the board; None: they stay.

    Raises:
        AcceptanceError: the firmware is not what is demanded.
        ConsoleError: no console, or the files did not get there.
        BootError: the board does not boot any more with the new files.
    """
    if not policy:
        return
    before = record.outcome
    try:
        _carry_out(session, policy, record, check, mirroring)
    except PipelineError as error:
        mine = any(file.name == START for file in policy.files)
        if type(error) not in _DISTURBED or not mine:
            raise
        name = disable_init_lua(session)
        if name is None:
            error.add_hint(Advice(f"if {START} on the board holds it: ", ERASE))
            raise
        session.notify(
            f"the init.lua on the board disturbed its console: it was renamed to {name}, trying again"
            if name
            else f"its console was disturbed, and there is no {START} on it: trying again"
        )
    else:
        return
    record.note(before)
    _carry_out(session, policy, record, check, mirroring)


def _carry_out(
    session: Session, policy: LuaPolicy, record: RunRecord, check: BootCheck, mirroring: MirrorPolicy | None
) -> None:
    console = find_console(session, session.rate, limit_s=ROUND_S, waiting=session.progress("console"))
    banner = record.outcome.verdict.log
    findings: list[AcceptanceFinding] = []
    try:
        accept(session, console, policy.acceptance, banner, findings)
    finally:
        measured = {name: value for finding in findings for name, value in finding.values.items()}
        outcome = record.note(replace(record.outcome, acceptance=tuple(findings), measured=measured))
    if policy.files or mirroring is not None:
        files = for_this_board(session, console, policy.files)
        states = send_files(session, console, files, may_restart=True, mirroring=mirroring)
        outcome = record.note(replace(outcome, files=tuple(states)))
    if any(state.state == "sent" for state in outcome.files):
        outcome = record.note(replace(outcome, outcome="files" if outcome.outcome == "skipped" else outcome.outcome))
        record.note(
            replace(outcome, verdict=restart(session, console.baud, outcome.files, replace(check, ran_lua=True)))
        )


# --- acceptance ------------------------------------------------------------------------------------------------------


def accept(
    session: Session, console: Console, wanted: Acceptance, banner: str, findings: list[AcceptanceFinding]
) -> None:
    """Compare the running firmware with what is demanded, and run the Lua file that decides.

    What comes out is appended to `findings`, that of a failure included.

    Raises:
        AcceptanceError: a demand is not met, or has no answer.
        ConsoleError: the console does not answer.
    """
    if not wanted.asks and wanted.run is None:
        return
    with session.step("accept", "asking the firmware what it is") as result:
        if wanted.asks:
            findings += acceptance.compare(read_node(console, banner, wanted=wanted.modules), wanted)
            acceptance.check(session.port, findings)
        if wanted.run is not None:
            findings.append(_run_test(session, console, wanted, wanted.run))
        result.append(", ".join(map(str, findings)))


def _run_test(session: Session, console: Console, wanted: Acceptance, file: LuaFile) -> AcceptanceFinding:
    decided = ""

    def enough(output: str) -> bool:
        nonlocal decided
        told = acceptance.judged(wanted.prints, output)
        decided = told if wanted.prints and acceptance.printed(wanted.prints, told) else ""
        return bool(decided)

    ran = run_file(
        session, console, file, wanted.timeout_s, until=enough, linger_s=wanted.timeout_s if wanted.prints else 0.0
    )
    lines = ran.output.strip().splitlines()
    last = f'; it printed "{mask_cut(lines[-1], 60)}" last' if lines else "; it printed nothing"
    what = f"print {wanted.prints}" if wanted.prints else "come to its end"
    if not decided:  # a last line without its end counts where it is known to be over
        decided = ran.output if ran.settled or ran.error else acceptance.judged(wanted.prints, ran.output)
    if acceptance.printed(wanted.prints, decided) if wanted.prints else ran.ended and not ran.error:
        values = acceptance.measured(wanted.prints, decided)
        return AcceptanceFinding(file.name, wanted.prints, f"did {what}", passed=True, values=values)
    late = f"did not {what}" + ("; the board restarted" if ran.restarted else f" within {wanted.timeout_s:g} s")
    why = f"raised an error: {mask_cut(ran.error, 120)}" if ran.error else late
    raise AcceptanceOutputError(f"{session.port}: {file.name} {why}{last}", AcceptanceOutputError.remedy)


# --- files -----------------------------------------------------------------------------------------------------------


def restart(
    session: Session,
    baud: int,
    files: Sequence[FileState],
    check: BootCheck,
    hear: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Restart the board with its new files and see that it lives.

    Args:
        session: Open.
        baud: Of the console.
        files: What became of each.
        check: How its boot is judged, of a board whose Lua has just run.
        hear: Takes what the board says from its start on, whether its new init.lua is good or not.

    Raises:
        StartFileError: it does not survive the new init.lua.
        LuaFailedError: the new init.lua raises an error.
        BootError: it does not boot, and init.lua is not new.
    """
    new_start = any(state.name == START and state.state == "sent" for state in files)
    try:
        verdict = check.run() if session.resets_by_wire else _restart_by_lua(session, baud)
    except BootError as error:
        if new_start and error.verdict is not None and error.verdict.kind not in {"silence", "download-mode"}:
            raise _start_fails(session, baud, error.verdict.summary) from error
        raise
    if new_start:
        with session.step("init.lua", "watching the new init.lua") as result:
            shown = verdict.kind == "prompt"
            more = _listen(session, SURVIVE_S if shown else STUCK_S)
            log = verdict.log + more
            if shown and not _AGAIN.search(log):  # its first words were lost while the rate changed
                log += _hear_start(session, baud)
            hear(log)
            prompt = _PROMPT.search(log)
            dies = _DIES.search(log, prompt.start() if prompt else len(verdict.log))
            restart = None if shown else _AGAIN.search(more)
            fails = start_error(log)
            seen = f"runs for {SURVIVE_S if shown else STUCK_S:g} s" + ("" if shown else ", no prompt seen")
            result.append(
                "the board does not survive it" if dies or restart else "ends with an error" if fails else seen
            )
        if dies or restart:
            raise _start_fails(session, baud, dies[1] if dies else "it restarts before it shows a prompt")
        if fails:
            raise LuaFailedError(
                f"{session.port}: init.lua fails: {mask(fails)}",
                Advice("correct it and ", repeat("run the same command again"), ": the board is at its prompt"),
            )
    return verdict


def start_error(log: str) -> str:
    """The error with which init.lua ended, in what a board says from its start on; empty where there is none."""
    if named := _START_FAILS.search(log):
        return named[1]
    for banner in _AGAIN.finditer(log):
        prompt = _PROMPT.search(log, banner.end())
        version, _, said = log[banner.end() : prompt.start() if prompt else len(log)].partition("\n")
        raised = _RAISES.search(said) or ("on SDK" not in version and _RAISES_UNTRACED.search(said))
        if raised:
            return next(text for text in raised.groups() if text)
    return ""


def _hear_start(session: Session, baud: int) -> str:
    """Let the board start once more, and listen at its firmware's rate from the beginning."""
    session.tune(baud)
    session.send(b"\rnode.restart()\r")
    end_s, text = session.clock() + START_S, ""
    while (left := end_s - session.clock()) > 0:
        text += session.receive(min(left, 0.1)).decode("latin-1").replace("\r", "")
        banner = _AGAIN.search(text)
        if banner is not None and (_PROMPT.search(text, banner.end()) or _DIES.search(text, banner.end())):
            break
    return text


def _restart_by_lua(session: Session, baud: int) -> Verdict:
    """Restart and judge a board whose reset line nobody can pull: its Lua does it, and no second press is needed."""
    crystal = session.device.crystal_mhz if session.device else 26
    with session.step("boot", "restarting by Lua") as result:
        session.tune(baud)
        session.send(b"\rnode.restart()\r")
        session.receive(ECHO_S)
        watcher = BootWatcher(now=session.clock(), crystal_mhz=crystal, firmware_bauds=(baud,), timeout_s=RESTART_S)
        verdict = watch(session, watcher, RESTART_S)
        result.append(verdict.summary + session.execution.note)
    if not accepts("any", verdict, image_is_nodemcu=True):
        raise boot_error(session.port, verdict, BootExpectation(expect="nodemcu"))
    return verdict


def _listen(session: Session, seconds: float) -> str:
    """What the board says for so long, or until it dies."""
    end_s, text = session.clock() + seconds, ""
    while (left := end_s - session.clock()) > 0:
        text += session.receive(min(left, 0.1)).decode("latin-1").replace("\r", "")
        if _DIES.search(text) or _AGAIN.search(text):
            end_s = min(end_s, session.clock() + REST_S)  # the rest of that line
    return text


def _start_fails(session: Session, baud: int, why: str) -> StartFileError:
    message = f"{session.port}: the board does not survive its new init.lua: {mask(why.strip())}"
    name = disable_init_lua(session, baud)
    if name is not None:
        aside = f"it was renamed to {name}: " if name else ""
        return StartFileError(message, f"{aside}the board is at its prompt; correct it, run again")
    return StartFileError(
        message,
        f"no prompt shows before it fails: {ERASE}",
    )


def disable_init_lua(session: Session, baud: int = 0) -> str | None:
    """Reset a board that does not survive its init.lua and rename that as soon as a prompt shows.

    Then it starts once more without it: timers and callbacks that it has left would end the board a moment later.
    Gives the name that it has now, empty where the board has no init.lua, None where no prompt was caught.
    `baud`: the rate of its console; 0: the one at which it speaks after the reset, or else all that are in use.
    """
    with session.step("rescue", "waiting for a prompt") as result:
        if session.resets_by_wire:
            with suppress(PipelineError):
                baud = boot_check(session, timeout_s=PROMPT_S).baud or baud
        rates = cycle((baud,) if baud else BAUDS)
        end_s = session.clock() + PROMPT_S
        # One line, of less than 256 bytes. It says that there is one before it renames it: of a board that fails in
        # between, the next such line finds none any more.
        line = (
            f'local l,s,f,i=file.list(),"{DISABLED}","{START}",1 '
            f"local n=s while l[n]and i<{KEPT} do i=i+1 n=s..tostring(i)end "
            'if l[f]then print("=#".."found "..tostring(i).."#=")file.remove(n)file.rename(f,n)end '
            'print("=#".."gone "..tostring(not file.list()[f]).."#=")'
        )
        output, knocked_s, name = "", -math.inf, ""
        while session.clock() < end_s:
            if "\n> " in output or session.clock() - knocked_s > KNOCK_S:
                if "> " not in output:
                    session.tune(next(rates))
                session.send(b"\r" + line.encode() + b"\r")
                output, knocked_s = "", session.clock()
            output = (output + session.receive(0.02).decode("latin-1").replace("\r", ""))[-1000:]
            if found := _FOUND.search(output):
                name = DISABLED + found[1].removeprefix("1")
            if "=#gone true#=" in output:
                _hear_start(session, session.rate)
                result.append(f"{START} is out of the way, as {name}" if name else f"there is no {START}")
                return name
        result.append("no prompt was caught")
    return None
