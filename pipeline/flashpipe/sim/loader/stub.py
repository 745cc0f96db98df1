"""What both flasher stubs share: how an uploaded stub is recognised, and the helpers of their commands.

The upload is recognised by its content, not by its entry address (esptool's own load-ram uploads other programs).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.chip.nor import BLOCK, SECTOR
from flashpipe.sim.chip.registers import Registers
from flashpipe.sim.loader.main_loop import SerialLoader, Work

BAD_LENGTH, BAD_CHECKSUM, BAD_BLOCK, INVALID, SPI_FAILED, NOT_BEGUN = 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC6
INFLATE, NOT_ENOUGH, TOO_MUCH, NOT_IMPLEMENTED = 0xC7, 0xC8, 0xC9, 0xFF
"""First status byte of the stubs (facts: esp8266-protocol §3.9)."""
WINDOW: Final = 0x8000
"""Bytes of inflated data that are written at once."""
GREETING: Final = b"OHAI"
_ENTRIES: Final = {0x4010D004: (1, 0x4010D000), 0x4010C504: (2, 0x4010C500)}
"""Entry: version and first address of its text, as esptool 5.6 ships them (facts: esp8266-protocol §3.5)."""
_TEXT_SIZES: Final = {1: 8276, 2: 11456}
_SEARCH: Final = 0x4000


def recognise(registers: Registers, entry: int) -> int | None:
    """The version of the stub that stands in RAM around `entry`; None where it is some other program."""
    near = registers.load(max(0x40100000, entry - 16), _SEARCH)
    if GREETING not in near:
        return None
    if entry in _ENTRIES:
        return _ENTRIES[entry][0]
    # A stub linked elsewhere: the longer text is the younger one.
    text = len(near.rstrip(b"\0"))
    return 1 if text < (_TEXT_SIZES[1] + _TEXT_SIZES[2]) // 2 else 2


class Stub(SerialLoader):
    """Flash work that both versions do alike."""

    def write(self, address: int, data: bytes) -> Work:
        """ROM SPIWrite: 32-byte programs, the CPU waits for each (facts: stub-executed §5)."""
        yield from self.flash_idle()
        yield self.costs.spi_write(len(data)) + self.nor.program(address, data)

    def read_time(self, size: int) -> Work:
        """ROM SPIRead takes its time; the bytes themselves are `nor.read`."""
        yield from self.flash_idle()
        yield self.costs.spi_read(size)

    def start_erase(self, address: int, left: int) -> int:
        """Begin the erase of a 64 KB block where aligned and `left` allows it, else of a sector; bytes it covers."""
        if address % BLOCK == 0 and left >= BLOCK:
            self.start_flash(self.nor.erase_block(address))
            return BLOCK
        self.start_flash(self.nor.erase_sector(address))
        return SECTOR
