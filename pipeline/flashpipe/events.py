"""What is happening, as data: the runs emit events, whoever shows them listens. Nobody prints below the edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Final

from flashpipe.errors import PipelineError
from flashpipe.next_steps import NextStep
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on, or for, the board behind `port` (a URL or device name)."""

    port: str


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A step such as `connect`, `probe`, `erase`, `write`, `verify`, `boot` begins; `detail` is for people."""

    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """`done` of `total` units (bytes, or seconds of a wait) of the step are behind us."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """The step ended well after `seconds`; `detail` is its one-line result."""

    step: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """The step ended in an error, which is told elsewhere, after `seconds`."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BoardFound(Event):
    """A board answers on the port, and has this MAC; `facts` say what else it is, as its receipt does."""

    mac: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PlanMade(Event):
    """What a run is about to write, for programs: firmware, header, and each piece with its address and size."""

    facts: Mapping[str, object]
    text: str = ""
    """The same for people."""


@dataclass(frozen=True, slots=True)
class BoardDone(Event):
    """A task that works on a board has come to its end on it, well or not."""

    command: str
    profile: str
    mac: str
    virtual: bool
    outcome: str
    """As in receipts: `flashed`, `skipped`, …, or the code of the error."""
    summary: str
    """What the board is now, in one line for people."""
    seconds: float
    """Since work for this board began."""
    steps: tuple[tuple[str, float], ...] = ()
    """Name and seconds of each."""
    executed: bool | None = False
    """The boot was a firmware's that ran, not one that was predicted from the image; None where that is not known."""
    execution: Mapping[str, str] = field(default_factory=dict)
    """`core` and `from` of a virtual board that executed it; else empty."""
    verdict: str = ""
    """Kind of the boot's verdict; empty where no boot was judged."""
    receipt: str = ""
    """Its path; empty where none was written."""
    backup: str = ""
    """Name of the backup that holds what the board held before; empty where nothing of it was backed up."""
    lost: tuple[str, ...] = ()
    """What of the board's own was overwritten, such as its file system."""
    started_in: str = ""
    """The flash mode in which it starts, and which is to be asked for from now on; empty where that was asked for."""
    next: NextStep | None = None
    """The command that most people want then, whole."""
    again: str = ""
    """The command that does the same once more, but for the port."""
    error: PipelineError | None = None

    @property
    def next_steps(self) -> tuple[NextStep, ...]:
        """For programs: those of the error, or `next` where that is one task; two are for a board that forgets."""
        if self.error is not None:
            return self.error.next_steps
        return () if self.next is None or " " in self.next.command else (self.next,)


@dataclass(frozen=True, slots=True)
class LuaTestDone(Event):
    """A test in Lua, or one of several in a file, has come to its end."""

    file: str
    name: str
    outcome: str
    """`passed`, `failed` or `skipped`."""
    message: str
    """Why it failed, or was skipped."""
    seconds: float
    log: str = ""
    """Of one that failed: what the board has said in that file."""


@dataclass(frozen=True, slots=True)
class Message(Event):
    """One line a person should read: a decision and its reason."""

    text: str
    warning: bool = False
    """Something is not as it should be."""


@dataclass(frozen=True, slots=True)
class WireLine(Event):
    """What has just passed on the line to a board, in one line for a person who asked for it."""

    text: str


IN_SECONDS: Final = frozenset({"boot", "console", "format", "lfs"})
"""Steps whose progress counts seconds of a wait; that of all others counts bytes."""
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of those who do not watch."""
    del event


def error_facts(error: PipelineError) -> dict[str, object]:
    """A failure, as programs read it."""
    diagnosis = error.shown_diagnosis
    return {
        "code": error.code,
        "status": error.status,
        "message": error.message,
        "cause": diagnosis.cause if diagnosis else error.message,
        "rule": diagnosis.rule if diagnosis else None,
        "proof": list(diagnosis.proof) if diagnosis else [],
        "next": error.action or None,
        "next_steps": [step.facts for step in error.next_steps],
    }
