"""What clocks the flash: SPI_CTRL at 0x60000208, for ROM and stub as for firmware.

What the ROM's functions and the cache use are the controller's own commands (SPI_USER bit 2, SPI_FLASH_MODE). Their
clock comes from bits 12 to 0 of SPI_CTRL: bit 12 is the bus clock undivided; else bits 11:8 are N, 7:4 H and 3:0 L, and
the bus clock is divided by N + 1: 0x101 is a half, 0x202 a third, 0x313 a quarter. Sources: ESP8266_RTOS_SDK of
Espressif, components/spi_flash/src/spi_flash.c (esp_spi_flash_init) and esp8266/spi_register.h; the mask ROM's
SPIFlashCnfig (0x40004568) as trebisky/esp8266 and pvvx list it; and what published NodeMCU images write as they start.

SPI_CLOCK at 0x60000218 is the clock of user commands outside of that mode, and of nothing else (spi_flash_raw.c of the
same SDK: spi_user_cmd_raw). Bit 8 of the IO-MUX's first register has to agree with bit 12; it is not looked at here.
"""

from __future__ import annotations

from typing import Final

BASE: Final = 0x60000200
CTRL: Final = BASE + 0x08
CLOCK: Final = BASE + 0x18
SPEED_BITS: Final = 0x1FFF
"""Those of SPI_CTRL that are the clock; the others are modes."""
_UNDIVIDED: Final = 1 << 12
AFTER_RESET: Final = {
    CTRL: 0x0028B313,
    CLOCK: 0x80003043,
    BASE + 0x1C: 0x80000044,
    BASE + 0x20: 0x5C000000,
    BASE + 0x24: 0x70000000,
}
"""SPI_CTRL, SPI_CLOCK, SPI_USER, SPI_USER1 and SPI_USER2 as pvvx's spi_register.h notes them in its first column, which
is taken to be the state after a reset (unconfirmed)."""
ATTACHED: Final = 0x00288313
"""SPI_CTRL once the ROM's spi_flash_attach has run: SPIFlashCnfig(5, 4) and SPIReadModeCnfig(5), a quarter."""


def divider(ctrl: int) -> int:
    """By how much SPI_CTRL divides the bus clock."""
    return 1 if ctrl & _UNDIVIDED else (ctrl >> 8 & 15) + 1


def speed_bits(division: int) -> int:
    """Bits 12 to 0 of SPI_CTRL for a division, as SPIFlashCnfig makes them."""
    if division <= 1:
        return _UNDIVIDED
    return (division - 1) << 8 | (division // 2 - 1) << 4 | (division - 1)
