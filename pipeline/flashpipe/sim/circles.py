"""Time for a program that goes in circles: an idle task that only looks at its lists, an endless loop.

Where all registers and all RAM are as they were some instructions ago, and nothing but instructions was executed in
between, the program does the same again and again until something interrupts it. Whole rounds up to then are counted
as executed. Every state that can be seen later is the one that executing them leads to, cycle and instruction counters
included, so that it does not matter when this is tried.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import Core, CoreState, Stop
from flashpipe.sim.memory import Memory

PATIENCE: Final = 80_000
"""Cycles without anything but instructions after which it is tried: 1 ms."""
_MORE_PATIENCE: Final = 4
"""How much longer it waits after each time that there was no circle,"""
_MOST_PATIENCE: Final = 40_000_000
"""and at most."""
LONGEST: Final = 2000
"""Cycles of a circle."""
_WORTH: Final = 8000
"""Cycles that there must be to pass."""
_LOOK: Final = 16_000
"""Cycles after which a program that went in circles, and was interrupted, is looked at again: most go on as before."""
_COUNTERS: Final = CoreState.cycles.offset  # type: ignore[attr-defined]
_TIMER: Final = slice(CoreState.timer_at.offset, CoreState.timer_at.offset + 8)  # type: ignore[attr-defined]
_BEHIND: Final = CoreState.pause.offset + 8  # type: ignore[attr-defined]
"""The counters and limits of CoreState, of which `timer_at` alone says what will happen."""


class Circles:
    """Watches the runs of a core."""

    def __init__(self, core: Core, memory: Memory) -> None:
        self._core = core
        self._state = core.state
        self._memory = memory
        self._patience = PATIENCE
        self._quiet = 0
        """Cycles executed since anything but an instruction happened."""
        self._length = 0
        """Cycles of the circle found last."""

    def horizon(self, until: int) -> int:
        """How far the core may run before a circle is looked for again."""
        return min(until, self._state.cycles + (_LOOK if self._length else max(_LOOK, self._patience - self._quiet)))

    def ran(self, stop: Stop, clocks: int, instructions: int) -> None:
        """Take note of a run that began with these counters."""
        state = self._state
        passed = state.clocks - clocks >> state.fast
        if stop is Stop.HORIZON and state.clocks - clocks == state.instructions - instructions:
            self._quiet += passed
        else:
            self._quiet, self._patience = 0, max(PATIENCE, self._patience)

    def skip(self, until: int) -> None:
        """Pass whole rounds up to cycle `until`, if the program goes in a circle."""
        if self._quiet < (min(_LOOK, self._patience) if self._length else self._patience):
            return
        state = self._state
        target = min(until, state.timer_at)
        if target - state.cycles < _WORTH:
            return
        length = self._length = self._find()
        if not length:
            return
        self._patience = 0
        rounds = max(0, target - state.cycles) // length
        state.cycles += rounds * length
        state.instructions += rounds * length << state.fast

    def _find(self) -> int:
        """Cycles of the circle that the program is in, one round of it executed; 0 where there is none."""
        before = self._picture()
        if self._length and self._run(self._length) and self._picture() == before:
            return self._length
        if self._quiet < self._patience:
            return 0
        state = self._state
        before, begun, start = self._picture(), state.cycles, state.pc
        for _ in range(LONGEST):
            if not self._run(1):
                break
            if state.pc == start and self._picture() == before:
                return state.cycles - begun
        self._quiet = 0
        self._patience = min(max(PATIENCE, self._patience) * _MORE_PATIENCE, _MOST_PATIENCE)
        return 0

    def _run(self, cycles: int) -> bool:
        """Execute so many cycles; whether they were instructions, all of them."""
        state = self._state
        expected = state.instructions + (cycles << state.fast)
        end = state.horizon = state.cycles + cycles
        stop = self._core.run()
        return stop is Stop.HORIZON and state.cycles == end and state.instructions == expected

    def _picture(self) -> tuple[bytes, bytes, bytes]:
        """All that the program's next steps depend on, while no device takes part."""
        state = bytes(self._state)
        return state[:_COUNTERS] + state[_TIMER] + state[_BEHIND:], bytes(self._memory.dram), bytes(self._memory.iram)
