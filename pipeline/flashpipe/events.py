"""What is happening, as data: the runs emit events, whoever shows them listens. Nobody prints below the edge."""

from __future__ import annotations

from collections.abc import Callable

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
class Message(Event):
    """One line a person should read: a decision and its reason, a warning."""

    text: str


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of those who do not watch."""
    del event
