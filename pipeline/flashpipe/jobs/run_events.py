"""The stream of events of one process: `events=FILE`, `events=-`, FLASHPIPE_EVENTS, or doit's `-r events`.

It begins before anything can fail and ends with the run, so that its last line always says how that went. With
`events=-` standard output belongs to programs alone: whatever is for people, also from programs that are started, goes
to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import UnsupportedOperation
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol, TextIO

from flashpipe import terminal
from flashpipe.errors import BadValueError, RecordError, UsageError
from flashpipe.events import error_facts
from flashpipe.files import open_output
from flashpipe.jobs import audience
from flashpipe.jobs.event_lines import EventLines
from flashpipe.jobs.report_files import check_report_file
from flashpipe.next_steps import repeat
from flashpipe.records.project_folder import find_project
from flashpipe.records.receipt import tool_versions

ENVIRONMENT: Final = "FLASHPIPE_EVENTS"
STDOUT: Final = "-"
TABLES: Final = ("format=", "--json", "--format")
"""Words that put a table for programs on standard output."""
_REPORTER: Final = ("-revents", "--reporter=events")
_STOPS: Final = {129: "SIGHUP", 130: "SIGINT", 143: "SIGTERM", 152: "SIGXCPU"}
_AGAIN: Final = repeat("run the same command again")
"""What is to be done after a stop, if nothing else was said."""


def wanted(words: Sequence[str]) -> str:
    """Where the events shall go: a file, `-`, or nowhere (empty)."""
    named = [word.partition("=")[2] for word in words if word.startswith(("events=", "--events="))]
    named += [after for word, after in pairwise(words) if word == "--events"]
    if named:
        return named[0]
    pairs = pairwise(words)
    if set(_REPORTER) & set(words) or any(one in {"-r", "--reporter"} and two == "events" for one, two in pairs):
        return STDOUT
    return os.environ.get(ENVIRONMENT, "")


def begin(words: Sequence[str], target: str) -> None:
    """Open the stream, and let it listen until the run is closed (`jobs.audience.close`).

    Its first line is written once it is known which profile the dodo file names, or before the second.

    Raises:
        BadValueError: the file cannot be written.
        UsageError: both a table and the events are to go to standard output; the stream is open and says so, too.
    """
    appended = target == os.environ.get(ENVIRONMENT) and not any("events=" in word for word in words)
    stream, restore = _standard_output() if target == STDOUT else (_file(target, appended=appended), _nothing)
    writer = _Writer(stream)
    lines = EventLines(writer)

    def close(status: int) -> None:
        lines.end(_ending(status))
        writer.close()
        restore()

    audience.listeners.append(lines)
    audience.closers.append(close)
    audience.starters.append(lambda profile: lines.start(profile=profile or None))
    lines.begin(
        {
            "command": list(words),
            "versions": tool_versions(),
            "profile": _named("profile", words) or None,
            "project": str(find_project(Path.cwd())),
        }
    )
    if target == STDOUT and any(word.startswith(TABLES) for word in words):
        raise UsageError(
            "both the events and a table for programs are to go to standard output",
            "write one of them to a file: events=FILE",
        )


class _Stream(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class _Writer:
    """Writes until nobody reads or the disk is full: no reason to leave a board half written."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._good = True

    def __call__(self, line: bytes) -> None:
        if self._good:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._good = False
                told = f"events: no more of them can be written: {error}"
                if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                    audience.unwritten(RecordError(told, RecordError.remedy))
                else:  # whoever read them wants no more
                    terminal.note(told)

    def close(self) -> None:
        self._good = False
        with suppress(OSError, ValueError):  # what it holds back was said to be lost
            self._stream.close()


def _file(target: str, *, appended: bool) -> _Stream:
    if not appended:
        check_report_file("events", target, Path(target))
    try:
        return open_output(Path(target), append=appended)
    except (OSError, ValueError) as error:
        raise BadValueError(
            f"events={target}: {getattr(error, 'strerror', '') or error}", "name a file that can be written"
        ) from error


def _nothing() -> None:
    """Nothing was replaced."""


def _standard_output() -> tuple[_Stream, Callable[[], None]]:
    """What was standard output, which is standard error from now on; and what puts it back."""
    sys.stdout.flush()
    try:
        number, people = sys.stdout.fileno(), sys.stderr.fileno()
        kept = os.dup(number)
    except (OSError, UnsupportedOperation):  # not the process's own
        original, sys.stdout = sys.stdout, sys.stderr

        def put_back() -> None:
            sys.stdout = original

        return _Kept(original), put_back
    os.dup2(people, number)

    def restore() -> None:
        sys.stdout.flush()
        os.dup2(kept, number)
        os.close(kept)

    return os.fdopen(kept, "wb", closefd=False), restore


class _Kept:
    """A stream that belongs to somebody else, and stays open."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(data.decode())

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.flush()


def _named(name: str, words: Sequence[str]) -> str:
    values = [word.partition("=")[2] for word in words if word.startswith((f"{name}=", f"--{name}="))]
    return values[0] if values else os.environ.get(f"FLASHPIPE_{name.upper()}", "")


def _ending(status: int) -> dict[str, object]:
    worst = max(audience.failures, key=lambda error: error.status, default=None) if status else None
    facts = error_facts(worst) if worst else {"code": None, "cause": None, "next": None, "next_steps": []}
    if status in _STOPS:
        facts |= {"code": "stopped", "cause": f"stopped by {_STOPS[status]}"}
        if facts["next"] is None:
            facts |= {"next": str(_AGAIN), "next_steps": [_AGAIN.facts]}
    told = None if status else next((done for done in reversed(audience.results) if done.next), None)
    receipts = [result.receipt for result in audience.results if result.receipt]
    if status in _STOPS or status == 0:
        receipt = told.receipt if told else receipts[-1] if receipts else ""
    else:  # of the board whose failure is told
        receipt = next(
            (done.receipt for done in audience.results if done.error is not None and done.error is worst), ""
        )
    return {
        "status": status,
        "code": facts["code"],
        "cause": facts["cause"],
        "next": str(told.next) if told else facts["next"],
        "next_steps": [step.facts for step in told.next_steps] if told else facts["next_steps"],
        "receipt": receipt or None,
        "receipts": receipts,
    }
