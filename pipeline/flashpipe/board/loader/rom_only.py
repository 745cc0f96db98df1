"""The flash through the ROM loader alone, where the stub cannot be started or writes wrongly.

The ROM can neither digest nor read nor change its rate (facts: esp8266 trap 10), and its erase takes a sector too many
for most sizes (esp8266-protocol §3.6). But it reads and writes registers, and the SPI controller of the flash is made
of registers (§3.10): sectors are erased one by one through it, and what was written is read back through it, 64 bytes
at a time. At 115200 baud that is about 1 KB a second (17 round trips of 3 to 5 ms: calculated, not yet tried
on a real board).

Blocks are sent with FLASH_DATA after a FLASH_BEGIN that erases nothing; the ROM checks each block's checksum. That a
size of 0 erases nothing follows from esptool, which attaches the flash that way; not yet tried on a real board.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from flashpipe.board.loader.esptool_parts import COMMAND_LIMIT_S
from flashpipe.board.loader.frames import xor_checksum
from flashpipe.board.loader.link import (
    ANSWER_LIMIT_S,
    CHIP_ERASE_LIMIT_S,
    SECTOR_ERASE_LIMIT_S,
    EsptoolLoader,
    OnBytes,
)
from flashpipe.board.loader.spi_command import (
    SPI_ADDRESS,
    SPI_COMMAND,
    SPI_DATA,
    SPI_USER,
    SPI_USER1,
    SPI_USER2,
)
from flashpipe.errors import WireError, WriteError
from flashpipe.flash import SECTOR_SIZE, Region

ROM_BLOCK: Final = 0x400
"""Bytes of one DATA block for the ROM (facts: esp8266-protocol §3.2 `FLASH_WRITE_SIZE`)."""
WINDOW: Final = 64
"""Bytes that the data registers W0 to W15 hold."""
SLICE: Final = 0x400
"""Bytes after which progress is told and a stop is heeded."""
READ, READ_STATUS, WRITE_ENABLE, ERASE_SECTOR, ERASE_CHIP = 0x03, 0x05, 0x06, 0x20, 0xC7
"""Commands that every serial flash has."""
BUSY: Final = 0x01
Tick = Callable[[int, int], None]


class RomLink(EsptoolLoader):
    """A conversation that does without the stub; one that runs already is used all the same."""

    def __init__(self, port: Any, url: str, tick: Tick = lambda _done, _total: None) -> None:
        super().__init__(port, url)
        self._tick = tick

    def start_stub(self) -> None:
        """Connect the ROM to the flash instead."""
        if self.stub_runs:
            super().start_stub()
            return
        with self._translated("attach the flash"):
            self._begin(0, 0)

    def change_baud(self, baud: int, limit_s: float = ANSWER_LIMIT_S) -> None:
        """The ROM stays at the rate that it has measured."""
        if self.stub_runs:
            super().change_baud(baud, limit_s)

    def set_flash_size(self, size: int) -> None:
        """The ROM takes no size, but in its memory, once that is needed."""
        if self.stub_runs:
            super().set_flash_size(size)
        else:
            self._reach.size = size

    # --- reading -----------------------------------------------------------------------------------------------------

    def md5(self, region: Region) -> bytes:
        """Digest of the flash contents, made here from what was read."""
        if self.stub_runs:
            return super().md5(region)
        return hashlib.md5(self.read(region, lambda _done: None), usedforsecurity=False).digest()

    def holds(self, address: int, data: bytes) -> bool:
        """Whether the flash holds `data` there; reads no further than the first difference."""
        if self.stub_runs:
            region = Region(address, address + len(data))
            return super().md5(region) == hashlib.md5(data, usedforsecurity=False).digest()
        with self._translated(f"read {address:#08x}"), self._spi():
            return all(
                part == data[at : at + len(part)] for at, part in self._pieces(Region(address, address + len(data)))
            )

    def read(self, region: Region, on_read: OnBytes) -> bytes:
        """Flash contents, through the data registers."""
        if self.stub_runs:
            return super().read(region, on_read)
        contents = bytearray()
        with self._translated(f"read {region}"), self._spi():
            for _, part in self._pieces(region):
                contents += part
                on_read(len(contents))
        return bytes(contents)

    def _pieces(self, region: Region) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of each slice of a region."""
        for at in range(0, region.size, SLICE):
            end = min(region.size, at + SLICE)
            part = b"".join(
                self._window(region.start + start, min(WINDOW, end - start)) for start in range(at, end, WINDOW)
            )
            self._tick(end, region.size)
            yield at, part

    def _window(self, address: int, size: int) -> bytes:
        self._command(READ, address=address, answer=size)
        words = (self._loader.read_reg(SPI_DATA + 4 * word) for word in range(-(-size // 4)))
        return b"".join(struct.pack("<I", word) for word in words)[:size]

    # --- changing ----------------------------------------------------------------------------------------------------

    def erase(self, region: Region) -> None:
        """Erase whole sectors, one by one."""
        if self.stub_runs:
            super().erase(region)
            return
        with self._translated(f"erase {region}", WriteError), self._spi():
            for address in range(region.start, region.end, SECTOR_SIZE):
                self._change(ERASE_SECTOR, SECTOR_ERASE_LIMIT_S, address)

    def erase_all(self) -> None:
        """Erase the whole chip."""
        if self.stub_runs:
            super().erase_all()
            return
        with self._translated("erase the flash", WriteError), self._spi():
            self._change(ERASE_CHIP, CHIP_ERASE_LIMIT_S)

    def write(self, address: int, data: bytes, on_written: OnBytes) -> None:
        """Erase the touched sectors and write `data`, raw."""
        if self.stub_runs:
            super().write(address, data, on_written)
            return
        region = Region(address, address + len(data))
        self._reach.reach_by_rom(region.end)
        self.erase(region.sectors())
        with self._translated(f"write {region}", WriteError):
            self._begin(address, -(-len(data) // ROM_BLOCK))
            for number, at in enumerate(range(0, len(data), ROM_BLOCK)):
                block = data[at : at + ROM_BLOCK].ljust(ROM_BLOCK, b"\xff")  # FF programs nothing
                head = struct.pack("<IIII", len(block), number, 0, 0)
                self._loader.check_command("write", 0x03, head + block, xor_checksum(block), timeout=COMMAND_LIMIT_S)
                on_written(min(at + ROM_BLOCK, len(data)))

    def _begin(self, address: int, count: int) -> None:
        request = struct.pack("<IIII", 0, count, ROM_BLOCK, address)
        self._loader.check_command("begin", 0x02, request, timeout=COMMAND_LIMIT_S)

    def _change(self, opcode: int, limit_s: float, address: int | None = None) -> None:
        self._command(WRITE_ENABLE)
        self._command(opcode, address=address)
        until = time.monotonic() + limit_s
        while self._status() & BUSY:
            if time.monotonic() >= until:
                raise WireError(f"{self._url}: the flash stays busy after command {opcode:#04x}", "check the supply")
            self._tick(0, 0)

    def _status(self) -> int:
        self._command(READ_STATUS, answer=1)
        return int(self._loader.read_reg(SPI_DATA)) & 0xFF

    # --- the SPI controller ------------------------------------------------------------------------------------------

    @contextmanager
    def _spi(self) -> Iterator[None]:
        """The controller is left as it was found: the ROM's own flash functions use it too."""
        user, user2 = self._loader.read_reg(SPI_USER), self._loader.read_reg(SPI_USER2)
        yield
        self.write_registers((SPI_USER, user), (SPI_USER2, user2))

    def _command(self, opcode: int, *, address: int | None = None, answer: int = 0) -> None:
        """One command of the flash, without dummy cycles; `answer`: bytes that it gives (facts: protocol §3.10)."""
        flags = 1 << 31 | (1 << 30 if address is not None else 0) | (1 << 28 if answer else 0)
        lengths = (23 << 26 if address is not None else 0) | ((answer * 8 - 1) << 8 if answer else 0)
        self.write_registers(
            (SPI_USER, flags),
            (SPI_USER1, lengths),
            (SPI_USER2, 7 << 28 | opcode),
            (SPI_ADDRESS, (address or 0) << 8),
            (SPI_COMMAND, 1 << 18),
        )
