"""The block at 0x3FF00000: NMI, edges, cache of the flash, core clock, pin swaps, efuses.

Register names: eagle_soc.h of the SDK (DPORT), the rest from pvvx's esp8266.h and esp8266-wiki.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from flashpipe.sim.chip.registers import Efuses
from flashpipe.sim.devices.device import RegisterBlock, Wiring
from flashpipe.sim.register_file import RegisterKind

BASE: Final = 0x3FF00000
_NMI, EDGE_ENABLE, CACHE_CONTROL, _CORE_CLOCK, _SOURCES, _EFUSES = (
    BASE + at for at in (0x00, 0x04, 0x0C, 0x14, 0x20, 0x50)
)
CACHE_ON: Final = 1 << 8
_CACHE_ODD: Final = 1 << 25
_CACHE_TWO_MEGABYTES: Final = 16
"""Position of the field that counts pairs of megabytes."""
_BUSY: Final = 1 << 9
"""Asked by Wait_SPI_Idle; operations are over at once here, in board time that has passed."""
_MEGABYTE: Final = 0x100000
_FLUSH_BITS: Final = 3


class Dport(RegisterBlock):
    """System registers."""

    name = "dport"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x1000),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    saved: ClassVar[tuple[str, ...]] = ("mapped_megabyte",)

    def __init__(self, wiring: Wiring, efuses: Efuses, remap: Callable[[int], None]) -> None:
        """`remap` is called with the flash address that the window at 0x40200000 begins with."""
        super().__init__(wiring)
        self._remap = remap
        self.mapped_megabyte = 0
        self.readers = {
            _SOURCES: self._read_sources,
        }
        for index, word in enumerate(efuses.words):
            self.readers[_EFUSES + 4 * index] = partial(int, word)
        self.writers = {
            _NMI: self._choose_nmi, CACHE_CONTROL: self.control_cache, _CORE_CLOCK: self._choose_core_clock,
        }  # fmt: skip
        wiring.registers.mark(range(CACHE_CONTROL, CACHE_CONTROL + 4), RegisterKind.CACHE)
        self.uart_sources: Callable[[], int] = lambda: 0

    def reset(self) -> None:
        """Cache off, window on the first megabyte."""
        super().reset()
        self.control_cache(0)

    @property
    def edges(self) -> int:
        """EDGE_INT_ENABLE: watchdog, FRC1, FRC2."""
        return self.words.get(EDGE_ENABLE, 0)

    @property
    def fast_core(self) -> bool:
        """Whether the program has asked for 160 MHz."""
        return bool(self.words.get(_CORE_CLOCK, 0) & 1)

    def control_cache(self, value: int) -> None:
        """Bits 16 to 18 and 25 choose the megabyte (Cache_Read_Enable: pvvx, info/libs/bios/SpiFlash.c)."""
        self.words[CACHE_CONTROL] = value & ~_BUSY
        megabyte = (value >> _CACHE_TWO_MEGABYTES & 7) * 2 + bool(value & _CACHE_ODD)
        if megabyte != self.mapped_megabyte:
            self.mapped_megabyte = megabyte
            self._remap(megabyte * _MEGABYTE)

    def _choose_core_clock(self, value: int) -> None:
        """Bit 0: 160 MHz for the core (CPU2X in esp8266_peri.h of the Arduino core). The bus, with timers, UARTs and
        SPI, stays at 80 MHz (eagle_soc.h: APB_CLK_FREQ).
        """
        self.words[_CORE_CLOCK] = value
        self.state.set_fast(self.fast_core)

    def _choose_nmi(self, value: int) -> None:
        self.words[_NMI] = value
        self.interrupts.choose_nmi(value)

    def _read_sources(self) -> int:
        """Which peripherals ask for the shared interrupts: bit 0 UART 0, bit 2 UART 1."""
        return self.uart_sources()
