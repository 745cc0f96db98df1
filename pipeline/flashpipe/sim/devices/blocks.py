"""Blocks of which nobody outside sees anything: they remember what was written, each for a reason.

The SDK's PHY and MAC libraries run unmodified and set up a radio that is not there. What they read back must be what
they wrote; the few registers that they wait for answer as a finished calibration would (shared emulator notes: which
they are was seen on 76 published images).
"""

from __future__ import annotations

from typing import ClassVar, Final

from flashpipe.sim.devices.device import RegisterBlock, Wiring

_ONES: Final = 0xFFFFFFFF


class Radio(RegisterBlock):
    """Baseband, RF front end, and their clocks."""

    name = "radio"
    pages: ClassVar[tuple[range, ...]] = (
        range(0x60000400, 0x60000600),
        range(0x60009600, 0x6000A000),
    )
    kept: ClassVar[tuple[range, ...]] = pages

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        done, busy = 0x6000057C, 0x60009B60
        self.readers = {
            done: lambda: self.words.get(done, 0) | 1 << 31,
            busy: lambda: self.words.get(busy, 0) & ~2,
        }
        self.writers = {
            done: lambda value: self.words.__setitem__(done, value),
            busy: lambda value: self.words.__setitem__(busy, value),
        }


class SdioSlave(RegisterBlock):
    """SLC and the SDIO slave at 0x60000A00 and 0x60000B00: no host is connected, and I2S plays to nobody."""

    name = "slc"
    pages: ClassVar[tuple[range, ...]] = (range(0x60000A00, 0x60000C00),)
    kept: ClassVar[tuple[range, ...]] = pages


class I2s(RegisterBlock):
    """I2S at 0x60000E00: its pins go nowhere."""

    name = "i2s"
    pages: ClassVar[tuple[range, ...]] = (range(0x60000E00, 0x60000F00),)
    kept: ClassVar[tuple[range, ...]] = pages


class UserSpi(RegisterBlock):
    """The second SPI controller (HSPI) at 0x60000100: no part is connected, so that it reads ones."""

    name = "hspi"
    _BASE: Final = 0x60000100
    pages: ClassVar[tuple[range, ...]] = (range(_BASE, _BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(_BASE, _BASE + 0x100),)
    _MISO: Final = 1 << 28
    _USER: Final = _BASE + 0x1C
    _DATA: Final = range(_BASE + 0x40, _BASE + 0x80, 4)

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self.readers = {self._BASE: lambda: 0}
        self.writers = {self._BASE: self._command}

    def _command(self, value: int) -> None:
        """Commands are over at once."""
        if value and self.words.get(self._USER, 0) & self._MISO:
            for address in self._DATA:
                self.words[address] = _ONES
