"""Send a Lua file when it is saved, and flash when the firmware changes, with the console open in between.

What is done for a change is a run of its own: profile and files are read anew, the port is opened anew. What fails is
told, and the console goes on: the next save may cure it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final

from flashpipe.board.lua.files import START
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.file_sending import for_this_board, send_files
from flashpipe.flasher.lua_stage import open_console, restart
from flashpipe.jobs import monitor, sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.build import build_images, build_inputs, compiling, is_due, make_parts, part_files
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.lua_files import listed_files, load_files
from flashpipe.jobs.needed_files import needed_files
from flashpipe.jobs.policy import boot_expectation
from flashpipe.profile.search import shipped_folder
from flashpipe.sources.file_patterns import matching_files
from flashpipe.values import dataclass

LOOK_S: Final = 0.2
"""How often a thread that waits looks whether it shall end."""
RUN_S: Final = 2.0
"""How long a file that was sent is listened to as a run; what it prints later, the open console shows."""
Changes = Iterator[Collection[Path]]
"""Paths that have changed, as they do; ends where it is told to."""


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """What is looked at."""

    lua: dict[Path, str]
    """Lua files of the profile: path here and name on the board."""
    firmware: frozenset[Path]
    """Images, and what a build, LFS or SPIFFS is made of: a change is flashed."""
    profiles: frozenset[Path] = frozenset()
    """The profile, and those of the project that it extends: with a change that is flashed which differs."""

    @property
    def paths(self) -> frozenset[Path]:
        """All of them."""
        return self.firmware | self.profiles | set(self.lua)


def watched(inputs: RunInputs) -> WatchedFiles:
    """What the profile names, as it stands now.

    Raises:
        PipelineError: a bad profile, or one that names nothing that could change.
    """
    profile = inputs.profile()
    lua = {one.path.resolve(): one.name for one in listed_files(profile)}
    # Of a build its inputs count, not what it makes: that would be flashed while it is being written.
    build = inputs.build()
    texts = build_inputs(inputs) if build else needed_files(inputs)
    named = [Path(path) for text in texts for path in (matching_files(text, Path()) if "*" in text else [text])]
    firmware = frozenset(path.resolve() for path in (*named, *part_files(inputs))) - set(lua)
    if not (lua or firmware):
        raise BadValueError(
            f"profile {profile.name} names nothing that could be saved",
            "give it `files: {init.lua: init.lua}`, an image that is a file, or a build with `inputs:`",
        )
    own = (path.resolve() for path in profile.lineage if path.parent != shipped_folder())
    return WatchedFiles(lua, firmware, frozenset(own))


@dataclass
class _Look:
    """What is looked at, which a saved profile or a new file in one of its folders changes."""

    board: BoardRun
    files: WatchedFiles
    guard: threading.Lock = field(default_factory=threading.Lock)

    def paths(self) -> frozenset[Path]:
        """All of it, as it stands now; of a profile that cannot be read just now, what it named before."""
        with self.guard, suppress(PipelineError):
            self.files = watched(RunInputs(self.board.command, listener=lambda _event: None))
        return self.files.paths

    def tell(self) -> None:
        """Say what is looked at."""
        self.board.notify(f"watch    {', '.join(sorted({path.name for path in self.files.paths}))}")


def watch(
    board: BoardRun,
    show: Callable[[str], None],
    typed: Iterable[str],
    changes: Callable[[Callable[[], frozenset[Path]], threading.Event], Changes],
    tell: Callable[[PipelineError], None],
) -> None:
    """Go on until Ctrl-C, or until the port is gone.

    Args:
        board: Named by the command line; each round has one of its own.
        show: Takes the board's text.
        typed: Lines for the board, as they come.
        changes: Gives what has changed of the paths that it is to ask for again and again, until the event is set.
        tell: Is told of a failure that does not end it.

    Raises:
        PipelineError: a bad profile, or the port cannot be opened, or went away.
    """
    look, ended = _Look(board, watched(board.inputs)), threading.Event()
    look.tell()
    saved, lines = queue.Queue[Path](), queue.Queue[str]()
    threading.Thread(target=_collect, args=(changes(look.paths, ended), saved), daemon=True).start()
    threading.Thread(target=_read, args=(typed, lines), daemon=True).start()
    baud, readable = monitor.FIRMWARE_BAUD, board.inputs
    try:
        while True:
            _console(BoardRun(readable, board.port(), board.face), show, lines, saved, baud)
            changed = _all_of(saved)
            if not changed:
                return
            run, before = _again(board), look.files
            look.paths()
            if look.files.paths != before.paths:
                look.tell()
            try:
                baud = _handle(run, look.files, changed, show)
            except PipelineError as error:
                run.explain(error)
                tell(error)
            finally:
                sessions.close(board.port())
            with suppress(PipelineError):  # else the console goes on by the profile as it was
                run.inputs.profile()
                readable = run.inputs
    finally:
        ended.set()


def _again(board: BoardRun) -> BoardRun:
    """The same board for a new run: what is read of the profile and beside it is read anew."""
    return BoardRun(RunInputs(board.command, listener=board.face), board.port(), board.face)


def _console(
    board: BoardRun, show: Callable[[str], None], lines: queue.Queue[str], saved: queue.Queue[Path], baud: int
) -> None:
    """The open console, until something is saved or Ctrl-C ends it."""
    over = threading.Event()
    try:
        monitor.listen(board.session(), show, _until(over, lines), baud=baud, ended=lambda: not saved.empty())
    except PipelineError as error:
        board.explain(error)  # while there is a session to look at
        raise
    finally:
        over.set()
        sessions.close(board.port())


def _until(over: threading.Event, lines: queue.Queue[str]) -> Iterator[str]:
    while not over.is_set():
        with suppress(queue.Empty):
            yield lines.get(timeout=LOOK_S)


def _collect(changes: Changes, saved: queue.Queue[Path]) -> None:
    for paths in changes:
        for path in paths:
            saved.put(path)


def _read(typed: Iterable[str], lines: queue.Queue[str]) -> None:
    for line in typed:
        lines.put(line)


def _all_of(saved: queue.Queue[Path]) -> set[Path]:
    paths = set[Path]()
    while not saved.empty():
        paths.add(saved.get())
    return paths


def _handle(run: BoardRun, files: WatchedFiles, changed: set[Path], show: Callable[[str], None]) -> int:
    """Flash, or send what was saved and run it; the rate at which the board talks then."""
    with sessions.Working(run.named_port):
        if changed & files.firmware or (changed & files.profiles and is_due(run.inputs)):
            build_images(run.inputs, run.face)
        make_parts(run.inputs, run.face)
        if not changed & (files.firmware | files.profiles):
            return _send(run, {path: files.lua[path] for path in changed if path in files.lua}, show)
        run.flash()
        # The rate at which its boot was understood; of one that was not watched nothing is known.
        return run.session().rate if run.last_outcome().verdict.log else monitor.FIRMWARE_BAUD


def _last_start(log: str) -> str:
    """What a board has said since it started last: before that its console was at another rate."""
    return f"{log[max(0, log.rfind(chr(10) + 'NodeMCU ')) :].rstrip()}\n"


def _send(board: BoardRun, changed: dict[Path, str], show: Callable[[str], None]) -> int:
    command, make = board.command, compiling(board.inputs, board.face)
    wanted, _ = load_files(board.inputs.profile(), command.project, make, standing=command.caller)
    session = board.session()
    console = open_console(session)
    names = set(changed.values())
    files = for_this_board(session, console, [file for file in wanted if file.name in names])
    states = send_files(session, console, files)
    sent = [state for state in states if state.state == "sent"]
    if any(state.name == START for state in sent):
        check = BootCheck(session, boot_expectation(board.inputs), is_nodemcu=True, ran_lua=True)
        restart(session, console.baud, states, check, lambda log: show(_last_start(log)))
        return console.baud
    for state in sent:
        if state.name.endswith(".lua"):
            ran = console.run(f'dofile("{state.name}")', RUN_S, on_lines=show)
            end = "done" if ran.ended else "the board restarted" if ran.restarted else "goes on"
            board.notify(f"run      {state.name}: {ran.error or end}")
    return console.baud
