"""The task `watch`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from flashpipe import terminal
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.installing import install_command
from flashpipe.jobs import watch as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.crash_addresses import explainer
from flashpipe.text.crash_names import CrashAnnotator
from flashpipe.text.last_line import failure
from flashpipe.text.lines import print_result

DEBOUNCE_MS: Final = 400
"""What is saved within this time is one change."""
LOOK_MS: Final = 2000
"""How often it is looked at least."""
Paths = Callable[[], frozenset[Path]]
"""Gives the files that are to be looked at, as they stand in the profile now."""


def watch(board: BoardRun) -> None:
    """Send and run what is saved, flash what is built, with the console open."""
    look = _library()
    names = CrashAnnotator(explainer(board.inputs, board.notify))
    typed = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else ()

    def show(text: str) -> None:
        print_result(names.show(text), end="", kept="\b")

    def changes(paths: Paths, ended: threading.Event) -> jobs.Changes:
        return _changed_files(look, paths, ended)

    def tell(error: PipelineError) -> None:
        # What listens takes away the row of a step that has not ended; where it is quiet, none is drawn.
        (terminal.note if terminal.quiet else board.notify)(failure(error))

    jobs.watch(board, show, typed, changes, tell)


def _changed_files(look: Any, paths: Paths, ended: threading.Event) -> Iterator[set[Path]]:
    """What changes of these files, or comes to be.

    `watchfiles` says when to look; what counts is how the files stand: many editors put a new file in the old one's
    place, a build may remove its folder and make it anew, and of files on another machine the system tells nothing.
    """
    wanted = paths()
    seen = _stamps(wanted)
    while not ended.is_set():
        folders = _folders(wanted)
        for _ in _looks(look, folders, ended):
            wanted = paths()
            now = _stamps(wanted)
            changed = {path for path, stamp in now.items() if stamp != seen.get(path)}
            seen = now
            if changed:
                yield changed
            if _folders(wanted) != folders:
                break


def _looks(look: Any, folders: Iterable[Path], ended: threading.Event) -> Iterator[object]:
    """When it is to be looked: something was done in these folders, or it is time."""
    try:
        yield from look.watch(
            *folders,
            watch_filter=None,
            stop_event=ended,
            recursive=False,
            raise_interrupt=False,
            debounce=DEBOUNCE_MS,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
        )
    except (OSError, RuntimeError):  # a folder has just gone, or the system watches no more of them
        yield ended.wait(LOOK_MS / 1000)


def _stamps(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """How each file stands that is there."""
    stamps = {}
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            stamps[path] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return stamps


def _folders(paths: Iterable[Path]) -> dict[Path, int]:
    """The folders of these files, or of one that is to come the nearest above it; and which each of them is."""
    nearest = {next((above for above in path.parents if above.is_dir()), path.parents[-1]) for path in paths}
    folders = {}
    for folder in sorted(nearest):
        with suppress(OSError):
            folders[folder] = folder.stat().st_ino
    return folders


def _library() -> Any:
    try:
        import watchfiles  # noqa: PLC0415  an extra, and for this task only
    except ImportError:
        raise BadValueError(
            "watch needs the package watchfiles, which is not installed here",
            install_command("watchfiles>=1,<2"),
        ) from None
    return watchfiles
