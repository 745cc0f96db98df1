"""The task `watch`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flashpipe import terminal
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.installing import install_command
from flashpipe.jobs import watch as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.crash_addresses import explainer
from flashpipe.text.crash_names import CrashAnnotator
from flashpipe.text.last_line import failure
from flashpipe.text.lines import print_result


def watch(board: BoardRun) -> None:
    """Send and run what is saved, flash what is built, with the console open."""
    look = _library()
    names = CrashAnnotator(explainer(board.inputs, board.notify))
    typed = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else ()

    def show(text: str) -> None:
        print_result(names.show(text), end="", kept="\b")

    def changes(paths: frozenset[Path], ended: threading.Event) -> jobs.Changes:
        return _changes(look, paths, ended)

    jobs.watch(board, show, typed, changes, _tell)


def _tell(error: PipelineError) -> None:
    terminal.note(failure(error))


def _changes(look: Any, paths: frozenset[Path], ended: threading.Event) -> Iterator[set[Path]]:
    """What changes of these files. Their folders are looked at: many editors put a new file in the old one's place."""
    folders = {path.parent for path in paths if path.parent.is_dir()}
    for found in look.watch(
        *folders,
        watch_filter=lambda _change, path: Path(path) in paths,
        stop_event=ended,
        recursive=False,
        raise_interrupt=False,
        debounce=400,
    ):
        changed = {Path(path) for change, path in found if change != look.Change.deleted}
        if changed:
            yield changed


def _library() -> Any:
    try:
        import watchfiles  # noqa: PLC0415  an extra, and for this task only
    except ImportError:
        raise BadValueError(
            "watch needs the package watchfiles, which is not installed here",
            install_command("watchfiles>=1,<2"),
        ) from None
    return watchfiles
