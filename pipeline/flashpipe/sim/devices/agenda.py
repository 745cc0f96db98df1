"""What devices will do by themselves, in order of board cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.cpu.contract import CoreState

CYCLES_PER_S: Final = 80_000_000
"""Board cycles in a second: the bus clock, and the core's clock after start."""
CYCLES_PER_US: Final = 80
NEVER: Final = 1 << 62


class DueEvent:
    """One thing that may become due; `at` is its cycle, or NEVER."""

    __slots__ = ("_agenda", "action", "at")

    def __init__(self, agenda: Agenda, action: Callable[[int], None]) -> None:
        self._agenda = agenda
        self.action = action
        self.at = NEVER

    def schedule(self, cycle: int) -> None:
        """Make it due at `cycle`, in place of when it was due; a running core stops there."""
        agenda, before, self.at = self._agenda, self.at, cycle
        if agenda.first is not None:
            if cycle <= agenda.first:
                agenda.first = cycle
            elif before == agenda.first:
                agenda.first = None
        state = agenda.state
        state.horizon = min(state.horizon, cycle)

    def cancel(self) -> None:
        """Let it never happen."""
        if self.at == self._agenda.first:
            self._agenda.first = None
        self.at = NEVER


class Agenda:
    """The events of one board."""

    def __init__(self, state: CoreState) -> None:
        self.state = state
        self.events: list[DueEvent] = []
        self.first: int | None = None
        """Cycle of the first event, or NEVER; None where that has to be looked for: it is asked for at every stop of
        the core."""

    def event(self, action: Callable[[int], None]) -> DueEvent:
        """A new event; `action` is called with the cycle at which it was due."""
        event = DueEvent(self, action)
        self.events.append(event)
        return event

    def next(self) -> int:
        """Cycle of the first event, or NEVER."""
        first = self.first
        if first is None:
            first = self.first = min([event.at for event in self.events], default=NEVER)
        return first

    def run_due(self) -> None:
        """Let everything happen that is due by now, first things first."""
        now = self.state.cycles
        while (due := self.next()) <= now:
            first = next(event for event in self.events if event.at == due)
            first.cancel()
            first.action(due)

    def snapshot(self) -> list[int]:
        """When each event is due."""
        return [event.at for event in self.events]

    def restore(self, saved: list[int]) -> None:
        """Put back what `snapshot` gave."""
        for event, at in zip(self.events, saved, strict=True):
            event.at = at
        self.first = None
