"""The time for which somebody has listened to a board: what limits on its silence count in.

What a board says while nobody listens waits to be read. So a gap in which this process was stopped, was given no CPU or
slept with its machine is no silence: it counts as the short pause that a busy program makes between two reads.
"""

from __future__ import annotations

from typing import Final

LONGEST_GAP_S: Final = 0.25
"""What the time between two reads counts at most: more than any work in between takes on an idle machine."""


class ListeningClock:
    """Counts from what the line's own clock says, in seconds; it never goes back."""

    def __init__(self) -> None:
        self._counted_s = 0.0
        self._since_s: float | None = None
        """When nobody listened any more, by the line's clock."""

    def now(self, at_s: float) -> float:
        """The time that counts, now that it is `at_s` by the line's clock."""
        if self._since_s is None:
            self._since_s = at_s
        return self._counted_s + _within(at_s - self._since_s, LONGEST_GAP_S)

    def listened(self, begun_s: float, ended_s: float, limit_s: float) -> None:
        """Somebody has listened, for `limit_s` at most: who was away longer has not waited longer for the board."""
        self._counted_s = self.now(begun_s) + _within(ended_s - begun_s, limit_s)
        self._since_s = ended_s


def _within(seconds: float, most_s: float) -> float:
    """Another board, or another clock, may be behind the same line since."""
    return min(max(seconds, 0.0), most_s)
