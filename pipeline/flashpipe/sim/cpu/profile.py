"""Where a program spends its cycles: a sample every so many of them."""

from __future__ import annotations

from collections import Counter

from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.cpu.onlooker import Onlooker


class Profiler(Onlooker):
    """Counts samples by address; time that a function of the mask ROM takes counts for the function's own address.

    Waiting for an interrupt is no work: `waited` has those samples.
    """

    def __init__(self, core: Core, every: int) -> None:
        """Look at `core` every `every` cycles."""
        super().__init__(core)
        self.every = every
        self.samples: Counter[int] = Counter()
        self.waited = 0
        self._next = self.state.cycles + every
        self._stopped: Stop | None = None
        self._stopped_at = 0

    def run(self) -> Stop:
        """Execute until one of the core's own reasons to stop."""
        if self._stopped is not None:
            self._take(self._stopped_at, waiting=self._stopped is Stop.WAITI)
            self._stopped = None
        return super().run()

    def next_look(self) -> int:
        """The cycle of the next sample."""
        return self._next << self.state.fast

    def look(self, stop: Stop) -> None:
        """Take the samples that are due."""
        self._take(self.state.pc, waiting=False)
        if stop in {Stop.HOOK, Stop.WAITI}:  # what passes until the next run is the ROM's, or nobody's
            self._stopped, self._stopped_at = stop, self.state.pc

    def _take(self, address: int, *, waiting: bool) -> None:
        late = self.state.cycles - self._next
        if late < 0:
            return
        count = late // self.every + 1
        self._next += count * self.every
        if waiting:
            self.waited += count
        else:
            self.samples[address] += count
