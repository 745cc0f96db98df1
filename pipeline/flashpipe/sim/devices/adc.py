"""The block at 0x60000D00: the bus to the analog registers, and the SAR converter.

A word of the bus: bits 0 to 7 block, 8 to 15 register, 16 to 23 data, 24 write, 25 busy; one word for each of five
hosts (seen in what esp-open-rtos's PHY library does instead of the ROM's functions). How a sample of the converter is
packed: the SDK averages `top + (low - 21) * 279 / 256` of the inverted value over eight samples (pvvx,
info/libs/phy/sar_read_fast.c), halves that, and from SDK 1.x on multiplies it with 12 / 11, 1024 at most (code of
system_adc_read in NodeMCU 1.5.4.1, 2.2 and 3.0); packing is that turned round.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from flashpipe.sim.devices.device import WORD_MASK, RegisterBlock, Wiring

BASE: Final = 0x60000D00
_HOSTS: Final = range(BASE, BASE + 0x14, 4)
_WRITE: Final = 1 << 24
_ANALOG_BUSY: Final = 1 << 25
_CONFIG: Final = BASE + 0x50
_BUSY: Final = 7 << 24
_SAMPLES: Final = range(BASE + 0x80, BASE + 0xA0, 4)
FULL_SCALE: Final = 1024
"""The most that system_adc_read gives."""
PLL: Final = (0x67, 1)
"""Block and register that set the PLL: 0x88 for a 26 MHz crystal (cores/esp8266/mmu_iram.cpp of the Arduino core)."""
PLL_FOR_40_MHZ: Final = 8
"""What it holds after a reset (the same source)."""
CALIBRATED: Final = (0x62, 7)
"""Its highest bit tells the PHY that the PLL's calibration has ended; else it says `pll_cal exceeds 2ms!!!`."""


class AnalogRegisters:
    """The registers behind the chip's internal I2C bus, by block and register number."""

    def __init__(self, pll: Callable[[bool], None]) -> None:
        """`pll` is told whether the PLL is set for the crystal that is there."""
        self._pll = pll
        self.values: dict[tuple[int, int], int] = {}

    def read(self, block: int, register: int) -> int:
        """The byte that was written, else 0; one bit is always set."""
        place = (block & 0xFF, register & 0xFF)
        value = self.values.get(place, PLL_FOR_40_MHZ if place == PLL else 0)
        return value | 0x80 if place == CALIBRATED else value

    def write(self, block: int, register: int, value: int) -> None:
        """Store a byte."""
        place = (block & 0xFF, register & 0xFF)
        self.values[place] = value & 0xFF
        if place == PLL:
            self._pll(value & 0xFF != PLL_FOR_40_MHZ)

    def reset(self) -> None:
        """As after power-on or a reset by pin."""
        self.values.clear()
        self._pll(False)  # noqa: FBT003  the one thing it is told

    def snapshot(self) -> list[list[int]]:
        """All that were written."""
        return [[*key, value] for key, value in self.values.items()]

    def restore(self, saved: list[list[int]]) -> None:
        """Put back what `snapshot` gave."""
        self.values = {(block, register): value for block, register, value in saved}


class Adc(RegisterBlock):
    """`value` is what the program measures, 0 to 1024."""

    name = "adc"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x80),)
    saved: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, wiring: Wiring, analog: AnalogRegisters, value: int = 0) -> None:
        super().__init__(wiring)
        self._analog = analog
        self.value = value
        self.readers = {_CONFIG: lambda: self.words.get(_CONFIG, 0) & ~_BUSY}
        self.writers = {}
        for address in _SAMPLES:
            self.readers[address] = self._sample
        for address in _HOSTS:
            self.writers[address] = partial(self._access, address)

    def _access(self, address: int, value: int) -> None:
        """A transfer on the analog bus; it is over at once."""
        block, register = value & 0xFF, value >> 8 & 0xFF
        if value & _WRITE:
            self._analog.write(block, register, value >> 16 & 0xFF)
        data = self._analog.read(block, register)
        self.words[address] = value & ~(_ANALOG_BUSY | 0xFF0000) | data << 16

    def _sample(self) -> int:
        return packed(self.value)


def packed(value: int) -> int:
    """A sample that the SDK reads as `value` of 1024; as one more where it cannot, at 11, 23, 35 and so on.

    Of the two numbers that the SDK halves to the same one at least one can be packed.
    """
    half = -(-min(max(0, value), FULL_SCALE) * 11 // 12)
    part = doubled = 0
    for doubled in (2 * half, 2 * half - 1):
        part = -(-(doubled & 0xFF) * 256 // 279)
        if part * 279 >> 8 == doubled & 0xFF:
            break
    return ~(doubled & 0x700 | (part + 21 if part else 0)) & WORD_MASK
