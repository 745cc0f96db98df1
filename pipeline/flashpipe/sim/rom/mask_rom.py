"""The mask ROM as a whole: calls what stands at an address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.cpu.contract import Cause, Stop
from flashpipe.sim.devices.device import NotThereError
from flashpipe.sim.memory import BusError
from flashpipe.sim.rom import (  # noqa: F401  loading a module puts its functions into the table
    aes,
    arithmetic,
    cache,
    digests,
    exceptions,
    flash,
    floats,
    gpio,
    interrupts,
    links,
    phy,
    printf,
    rtc,
    strings,
    tasks,
    timers,
    uart,
)
from flashpipe.sim.rom.code import CODE, install
from flashpipe.sim.rom.guest import Guest, StoreError
from flashpipe.sim.rom.names import describe
from flashpipe.sim.rom.table import FUNCTIONS, bind

FAULT_PLACES: Final = {0x4000E190: 0x4000E1B2}
"""Where inside a function an access fails: crash logs of null pointers show 0x4000e1b2 for memset. Other functions name
their first byte."""


class MaskRom:
    """The ROM of one board. `tolerant`: a function that is not there returns 0, and `missing` lists it."""

    def __init__(self, guest: Guest, *, tolerant: bool = False) -> None:
        self.guest = guest
        self.tolerant = tolerant
        self.missing: list[str] = []
        self._watcher: Callable[[int], None] | None = None
        self._calls: dict[int, Callable[[], None]] = {
            address: bind(function, guest) for address, function in FUNCTIONS.items()
        }
        self._calls |= dict.fromkeys((code.address for code in CODE), self._go_on)
        install(guest.memory)

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Call `watcher` with the address before each call of a function; for traces."""
        self._watcher = watcher
        self.guest.core.set_hooks(frozenset(code.address for code in CODE))

    def _go_on(self) -> None:
        """Execute the instructions that stand there."""
        self.guest.state.past_hook = 1

    def serve(self) -> Stop:
        """Do what stands at the program counter, and go on until the core stops for another reason than a hook.

        Raises:
            NotThereError: nothing is known to stand there.
        """
        state, run, calls = self.guest.core.state, self.guest.core.run, self._calls
        while True:
            address = state.pc
            function = calls.get(address)
            if self._watcher is not None:
                self._watcher(address)
            try:
                if function is not None:
                    function()
                else:
                    self._missing(address)
            except StoreError as error:
                self._fault(Cause.STORE_PROHIBITED, address, error.address)
            except BusError as error:
                self._fault(Cause.LOAD_PROHIBITED, address, error.address)
            if state.cycles >= state.horizon:
                return Stop.HORIZON
            stop = run()
            if stop != Stop.HOOK:
                return stop

    def _fault(self, cause: Cause, function: int, address: int) -> None:
        exceptions.raise_exception(self.guest, cause, address, FAULT_PLACES.get(function, function))

    def _missing(self, address: int) -> None:
        state = self.guest.state
        text = f"ROM function {describe(address)} is not there"
        if not self.tolerant:
            raise NotThereError(f"{text}; called from 0x{state.a[0]:08x}")
        if text not in self.missing:
            self.missing.append(text)
        state.a[2] = 0
        self.guest.back()
