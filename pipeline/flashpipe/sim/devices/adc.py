"""The SAR converter at 0x60000D00: eight samples of the pin's voltage, and the bus to the analog registers.

How a sample is packed: the SDK averages `top + (low - 21) * 279 / 256` of the inverted value over eight samples
(pvvx, info/libs/phy/sar_read_fast.c); packing is that formula turned round.
"""

from __future__ import annotations

from typing import ClassVar, Final

from flashpipe.sim.devices.device import WORD_MASK, Device, Wiring

BASE: Final = 0x60000D00
_CONFIG: Final = BASE + 0x50
_BUSY: Final = 7 << 24
_SAMPLES: Final = range(BASE + 0x80, BASE + 0xA0, 4)
FULL_SCALE: Final = 1023


class Adc(Device):
    """`value` is what the program measures, 0 to 1023."""

    name = "adc"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x80),)
    saved: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, wiring: Wiring, value: int = 0) -> None:
        super().__init__(wiring)
        self.value = value
        self.readers = {_CONFIG: lambda: self.words.get(_CONFIG, 0) & ~_BUSY}
        for address in _SAMPLES:
            self.readers[address] = self._sample

    def _sample(self) -> int:
        return packed(self.value)


def packed(value: int) -> int:
    """A sample that the SDK reads as `value` of 1023."""
    doubled = min(max(0, value), FULL_SCALE) * 2
    low = doubled & 0xFF
    part = -(-low * 256 // 279) + 21 if low else 0
    return ~(doubled & 0x700 | min(part, 0xFF)) & WORD_MASK
