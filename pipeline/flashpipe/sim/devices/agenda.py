"""What devices will do by themselves, in order of board cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.cpu.contract import CoreState

CYCLES_PER_S: Final = 80_000_000
"""Board cycles in a second: the bus clock, and the core's clock after start."""
CYCLES_PER_US: Final = 80
NEVER: Final = 1 << 62


class Event:
    """One thing that may become due; `at` is its cycle, or NEVER."""

    __slots__ = ("_state", "action", "at")

    def __init__(self, state: CoreState, action: Callable[[int], None]) -> None:
        self._state = state
        self.action = action
        self.at = NEVER

    def schedule(self, cycle: int) -> None:
        """Make it due at `cycle`, in place of when it was due; a running core stops there."""
        self.at = cycle
        self._state.horizon = min(self._state.horizon, cycle)

    def cancel(self) -> None:
        """Let it never happen."""
        self.at = NEVER


class Agenda:
    """The events of one board."""

    def __init__(self, state: CoreState) -> None:
        self.state = state
        self.events: list[Event] = []

    def event(self, action: Callable[[int], None]) -> Event:
        """A new event; `action` is called with the cycle at which it was due."""
        event = Event(self.state, action)
        self.events.append(event)
        return event

    def next(self) -> int:
        """Cycle of the first event, or NEVER."""
        return min(event.at for event in self.events)

    def run_due(self) -> None:
        """Let everything happen that is due by now, first things first."""
        now = self.state.cycles
        while (first := min(self.events, key=lambda event: event.at)).at <= now:
            due, first.at = first.at, NEVER
            first.action(due)
