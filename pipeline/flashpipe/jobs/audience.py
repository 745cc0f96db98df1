"""Who hears of a run beside the face that started it, and how the run went: one list of each for a process.

The console, the stream of events (`jobs.run_events`) and the reports of build servers all listen to the same events
(`flashpipe.events`); whoever wants to hear enters `listeners`, whoever wants to know the end enters `closers`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from flashpipe import terminal
from flashpipe.errors import PipelineError, RecordError
from flashpipe.events import BoardDone, Event, Listener, LuaTestDone
from flashpipe.jobs.face import Face

listeners: Final[list[Listener]] = []
results: Final[list[BoardDone]] = []
"""What became of each board, in the order of the ends."""
tests: Final[list[LuaTestDone]] = []
"""What became of each test in Lua."""
failures: Final[list[PipelineError]] = []
"""What failed, in this order; the worst of them gives `flashpipe` its exit status."""
lost: Final[list[RecordError]] = []
"""Reports that were asked for and cannot be written: what stands there is of another run."""
closers: Final[list[Callable[[int], None]]] = []
"""Called once when the run ends, the last one first, with its exit status; also where it is stopped."""
starters: Final[list[Callable[[str], None]]] = []
"""Called once when the command line is understood, with the profile that it means; empty text where it means none."""
tables: Final[list[Callable[[], str]]] = []
"""What is told of several boards where the run is stopped, above the line that says so."""
_closing: Final = threading.Lock()


def tell(event: Event) -> None:
    """Let everybody who listens know; also whoever only asks how the run went."""
    if isinstance(event, BoardDone):
        results.append(event)
    elif isinstance(event, LuaTestDone):
        tests.append(event)
    for listener in listeners:
        listener(event)


def failed(error: PipelineError) -> None:
    """Note a failure, once."""
    if not any(error is known for known in failures):
        failures.append(error)


def exit_status(status: int) -> int:
    """The status of `flashpipe` for one of doit's: that of the worst failure, where one is known."""
    return max((error.status for error in failures), default=status) if status else 0


def understood(profile: str) -> None:
    """It is known now what the run is about."""
    with _closing:
        starting, starters[:] = list(starters), []
    for starter in starting:
        starter(profile)


def unwritten(error: RecordError) -> None:
    """A report that was asked for cannot be written; the board is none the worse for it, and the run goes on."""
    terminal.note(f"error: {error}")
    lost.append(error)


def close(status: int, *, if_lost: int = RecordError.status) -> int:
    """The run has ended: whoever keeps a report completes it. Its status, also where not all that was asked for is had.

    Args:
        status: That of the run itself.
        if_lost: What a good run ends with where a report, or its standard output, could not be written.
    """
    with _closing:
        ending, closers[:] = list(closers), []
    for closer in reversed(ending):  # the stream of events is the first to begin: it tells how all others ended
        status = _with_lost(status, if_lost)
        closer(status)
    return _with_lost(status, if_lost)


def _with_lost(status: int, if_lost: int) -> int:
    if terminal.lost and not (status or lost):
        why = f"standard output cannot be written: {terminal.lost[0].strerror}"
        unwritten(RecordError(why, "free space where it goes, and run it again"))
    if status or not lost:
        return status
    failed(lost[0])
    return if_lost


def forget() -> None:
    """A new command begins in this process: nobody listens and nothing has happened."""
    for known in (listeners, results, tests, failures, lost, starters, closers, tables):
        known.clear()


class Audience:
    """The face of a job, and everybody else who listens to it."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def __call__(self, event: Event) -> None:
        """Show what happens, and tell everybody."""
        self._face(event)
        tell(event)

    @property
    def attended(self) -> bool:
        """Whether a person is there who reads, and can press a button or answer."""
        return self._face.attended

    def ask(self, text: str) -> bool:
        """Put a request or a question to a person; False where none is there."""
        return self._face.ask(text)

    def confirmed(self) -> bool:
        """Wait for the answer to the question that was just asked: whether it is yes."""
        return self._face.confirmed()


def stopped(number: int) -> None:
    """The process is about to be ended by a signal: the reports are completed, whatever else is going on."""
    with suppress(OSError, ValueError, RuntimeError):
        close(128 + number)
