"""A core that somebody looks at while it runs: the run is the same, to the cycle.

An onlooker stands before a core and pauses it (`CoreState.pause`); it is a core itself. Without one nothing is slower.
"""

from __future__ import annotations

from flashpipe.sim.cpu.contract import NEVER, Core, CoreState, Devices, Stop
from flashpipe.sim.memory import Memory


class Onlooker:
    """Passes everything on to the core behind it, and pauses it at cycles of its choice."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.name = core.name
        self.state: CoreState = core.state
        self.memory: Memory = core.memory
        self.devices: Devices = core.devices

    def next_look(self) -> int:
        """The clock at which to pause."""
        raise NotImplementedError

    def look(self, stop: Stop) -> None:
        """The core stands still: paused, or for a reason of its own."""
        raise NotImplementedError

    def run(self) -> Stop:
        """Execute until one of the core's own reasons to stop."""
        try:
            while True:
                self.state.pause = self.next_look()
                stop = self._core.run()
                self.look(stop)
                if stop is not Stop.PAUSE:
                    return stop
        finally:
            self.state.pause = NEVER

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        self._core.set_hooks(addresses)

    def flush(self, start: int, length: int) -> None:
        """Forget what was decoded of these addresses."""
        self._core.flush(start, length)

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was decoded of the flash window."""
        self._core.flash_changed(start, length)
