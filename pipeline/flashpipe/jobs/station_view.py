"""What a station shows, as data: one state for each port, and how the batch goes. A terminal or a page draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from flashpipe.records.batch_state import Counts
from flashpipe.values import dataclass

PortState = Literal["waiting", "working", "pass", "fail", "ask"]
"""No board; a board is worked on; it is good; it is bad; the operator has to decide about it."""
WAITING: Final[PortState] = "waiting"


@dataclass(frozen=True, slots=True)
class PortView:
    """One port."""

    place: str
    """What the operator knows it by: the socket of a hub, or the name of the port."""
    key: str
    """Of the keyboard, for this port."""
    state: PortState = WAITING
    port: str = ""
    """The device or URL; empty where nothing is plugged in."""
    mac: str = ""
    unit: str = ""
    """Key of the unit that the board is."""
    step: str = ""
    share: float | None = None
    """Of the step that is done, 0 to 1; None where that is not known."""
    headline: str = ""
    """One line about the board, for people."""
    cause: str = ""
    """Why it failed, or what is asked."""
    action: str = ""
    """What to do with the board."""
    code: str = ""
    """Of the failure; empty where there is none."""
    seconds: float = 0.0
    """Of the last try."""


@dataclass(frozen=True, slots=True)
class StationView:
    """All of a station, at one moment."""

    batch: str
    profile: str
    image: str
    """Which firmware, for people."""
    ports: tuple[PortView, ...] = ()
    counts: Counts = Counts()
    halted: str = ""
    """Why no further board is begun; empty where the next one is welcome."""
    notes: tuple[str, ...] = ()
    """The last lines that a person should read."""
    paused: bool = False
    """The operator ends the shift: what is under way is finished, nothing new is begun."""


Show = Callable[[StationView], None]
"""Draws a view; called whenever something has changed, by one thread at a time."""
