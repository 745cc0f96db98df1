"""The clock that a loader reads, erases and programs the flash with: a field of one register of its SPI controller.

The commands that the controller knows by itself, which ROM and stub use for the flash, are clocked by SPI_CTRL, bits 0
to 12; SPI_CLOCK, sixteen bytes further, only those that are put together by hand (Espressif, ESP8266_RTOS_SDK:
`esp_spi_flash_init` in components/spi_flash/src/spi_flash.c writes the field, components/esp8266/include/esp8266/
spi_register.h names its bits). Bit 12 takes the bus's own clock; else bits 8 to 11 are the divider less one. The mask
ROM sets a quarter when the flash is attached, which both stubs do when they start: 13 MHz of a 26 MHz crystal's 52. The
other bits of the register are the read mode's and the cache's, and stay.
"""

from __future__ import annotations

from typing import Final

from flashpipe.board.loader.spi_command import RegisterAccess

SPI_CONTROL: Final = 0x60000208
FIELD: Final = 0x1FFF
"""Bits of the register that are the clock."""
_WHOLE: Final = 1 << 12
QUARTER: Final = 0x313
"""What a loader sets by itself: divider less one, half of it less one, divider less one."""
HALF: Final = 0x101


def divider(bits: int) -> int:
    """What the bus's clock is divided by.

    >>> divider(QUARTER), divider(HALF), divider(0x1000)
    (4, 2, 1)
    """
    return 1 if bits & _WHOLE else (bits >> 8 & 0xF) + 1


def clock_bits(chip: RegisterAccess) -> int:
    """The field as it is now."""
    return chip.read_register(SPI_CONTROL) & FIELD


def set_clock(chip: RegisterAccess, bits: int) -> None:
    """Clock the flash by other bits of the field; a reset or a stub that starts sets a quarter again."""
    word = chip.read_register(SPI_CONTROL)
    chip.write_registers((SPI_CONTROL, word & ~FIELD | bits))
