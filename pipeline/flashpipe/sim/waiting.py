"""Waiting for a board: of a host for bytes, and of whoever serves it for the next look."""

from __future__ import annotations

from typing import Final

from flashpipe.values import dataclass

LONGEST_NAP_S: Final = 1.0
SHORTEST_NAP_S: Final = 0.0005
LONGEST_WATCH_S: Final = 0.25
"""The same where more than the firmware goes by the clock, or the board's time is faster than that on the wall."""
CALM_SHARE: Final = 1 / 8
"""After a silence of some length, what the firmware says next is handed over late by at most this share of it, and
never by more than the longest nap. A firmware at its prompt has some 80 timers and beacons in a second that nobody
hears of; to wake up for each of them was most of what a board at its prompt cost, and the less often a sleeping
processor is woken up, the less each of them costs. What it says has its own board time all the same, and what is sent
to the board, or done to it, is done at once."""


@dataclass(slots=True)
class HostWait:
    """A host waits for bytes."""

    until: float
    """Board time."""
    hears: bool = False
    """Some have come: the adapter gathers more."""


class Naps:
    """How long a board may be left alone. Times are seconds on the wall."""

    def __init__(self, wall: float) -> None:
        self._stirred_at = wall

    def stir(self, wall: float) -> None:
        """Somebody has sent something, or pulled at a pin."""
        self._stirred_at = wall

    def until(self, due_s: float, wall: float, *, calm: bool, watched: bool = False) -> float:
        """Seconds to leave the board alone, where something is due in `due_s`.

        Args:
            due_s: seconds to the next thing that happens on the board, heard or not.
            wall: now.
            calm: that is a thing of the firmware's own, and not known to be heard.
            watched: it shall not be long.
        """
        longest = LONGEST_WATCH_S if watched else LONGEST_NAP_S
        nap = min(due_s, longest)
        if calm:
            nap = max(nap, min(longest, CALM_SHARE * (wall - self._stirred_at)))
        return max(SHORTEST_NAP_S, nap)
