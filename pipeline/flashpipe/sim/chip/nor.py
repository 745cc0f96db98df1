"""The serial NOR flash: cells that programming can only clear, erase units, status bits, identification.

Laws (facts: esp8266-flash-timing §6.3): an erased byte is FF; programming clears bits and never sets one; a page
program wraps inside its 256 bytes; nothing is changed without write-enable; protected areas ignore programs and erases
without a word, as does a part that is too small for the address, which wraps.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Final, Protocol

from flashpipe.sim.chip.parts import NorPart, Times
from flashpipe.values import dataclass

PAGE: Final = 0x100
SECTOR: Final = 0x1000
BLOCK: Final = 0x10000
_BLANK: Final = b"\xff"

WIP, WEL = 0x01, 0x02
"""Status bits: work in progress, write-enable latch (common to the parts of facts: esp8266-flash-timing §6.1)."""
BLOCK_PROTECT: Final = 0x1C
"""Status bits BP0 to BP2. Which area each value covers differs by part; here: the top 1/64 … the whole."""
STATUS_WRITE_S: Final = 5e-3
"""Status register write (datasheets: 5 to 15 ms typical; unconfirmed per part)."""


class Cells(Protocol):
    """Storage of the flash: a bytearray or a mapped file."""

    def __getitem__(self, key: slice, /) -> bytes | bytearray:
        """A range of the cells."""
        ...

    def __setitem__(self, key: slice, value: bytes, /) -> None:
        """Replace a range of the cells."""
        ...

    def __len__(self) -> int:
        """Bytes of flash."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of the cells, shown to the hook before it happens."""

    kind: str
    """program, erase-sector, erase-block, erase-chip."""
    address: int
    data: bytes = b""
    size: int = 0


Hook = Callable[["Nor", Operation], "bool"]
"""Faults: returns True where it has dealt with the operation itself, so that the cells are left alone."""


class Nor:
    """A flash part over `cells`. Durations are returned in seconds of board time; waiting is the caller's affair."""

    def __init__(self, cells: Cells, part: NorPart, times: Times | None = None) -> None:
        self.cells = cells
        self.part = part
        self.times = times or part.times
        self.size = len(cells)
        """Cells there are; less than the part's own size on a counterfeit, whose addresses wrap."""
        self.status = 0
        self.status2 = 0
        self.write_enabled = False
        self.powered_down = False
        self.busy_until = 0.0
        """Board time at which the erase or program under way ends."""
        self.stuck_busy = False
        self.absent = False
        """Nothing answers on the bus: reads give ones, changes are lost."""
        self.hook: Hook | None = None
        self.damage: Callable[[bytes], bytes] | None = None
        """What the bus makes of bytes where it is clocked faster than part or wiring can follow."""
        self.erased_sectors = 0
        """Sectors erased so far; `programs` likewise. Tests and transcripts look at them."""
        self.programs = 0

    # --- what firmware and loaders use -------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        """Bytes as a linear read gives them; past the last cell the address wraps."""
        if self.absent:
            return _BLANK * length
        return self._passed(self._cells_at(address, length))

    def _passed(self, data: bytes) -> bytes:
        """What arrives of bytes that pass the bus."""
        return data if self.damage is None else self.damage(data)

    def _cells_at(self, address: int, length: int) -> bytes:
        at = address % self.size
        if at + length <= self.size:
            return bytes(self.cells[at : at + length])
        laps = -(-(at + length) // self.size)
        return (bytes(self.cells[0 : self.size]) * laps)[at : at + length]

    def digest(self, address: int, length: int) -> bytes:
        """MD5 of a range, in pieces: a large copy would stay in the process's memory."""
        md5 = hashlib.md5(usedforsecurity=False)
        for at in range(0, length, BLOCK):
            md5.update(self.read(address + at, min(BLOCK, length - at)))
        return md5.digest()

    def is_blank(self, address: int, length: int) -> bool:
        """Whether the range reads all FF."""
        return self.read(address, length).count(_BLANK) == length

    def program(self, address: int, data: bytes) -> float:
        """Clear bits, page after page, as a driver does it that keeps to the page borders; seconds it takes."""
        at = 0
        data = self._passed(data)
        while at < len(data):
            # Runs of pages that lie in erased flash are one copy; the law only matters where bits are clear.
            start = (address + at) % self.size
            length = min(len(data) - at, self.size - start)
            self._change(Operation("program", start, bytes(data[at : at + length]), length))
            at += length
        return len(data) / PAGE * self.times.page_program_s

    def program_page(self, address: int, data: bytes) -> float:
        """One page program command: the address wraps inside the 256-byte page, the last 256 bytes count."""
        page = address % self.size // PAGE * PAGE
        staged = bytearray(_BLANK * PAGE)
        for offset, byte in enumerate(self._passed(data), start=address % PAGE):
            staged[offset % PAGE] = byte
        self._change(Operation("program", page, bytes(staged), PAGE))
        return min(len(data), PAGE) / PAGE * self.times.page_program_s

    def erase_sector(self, address: int) -> float:
        """Erase the 4 KB sector that contains `address`; seconds it takes."""
        self._change(Operation("erase-sector", address % self.size // SECTOR * SECTOR, size=SECTOR))
        return self.times.sector_erase_s

    def erase_block(self, address: int) -> float:
        """Erase the 64 KB block that contains `address`; seconds it takes."""
        self._change(Operation("erase-block", address % self.size // BLOCK * BLOCK, size=BLOCK))
        return self.times.block64_erase_s

    def erase_chip(self) -> float:
        """Erase everything, unless any part is protected; seconds it takes."""
        if not self.status & BLOCK_PROTECT:
            self._change(Operation("erase-chip", 0, size=self.size))
        return self.times.chip_erase_s

    # --- laws --------------------------------------------------------------------------------------------------------

    def protected_from(self) -> int:
        """First protected address; `size` where nothing is.

        The usual scheme (BP=1: the top 1/64 … BP=7: all) on the common parts; real parts differ in detail.
        """
        level = (self.status & BLOCK_PROTECT) >> 2
        if not level:
            return self.size
        return self.size - min(self.size, self.size >> max(0, 7 - level))

    def _change(self, operation: Operation) -> None:
        if self.absent or (self.hook is not None and self.hook(self, operation)):
            return
        self.apply(operation)

    def apply(self, operation: Operation) -> None:
        """Do it to the cells, protection respected."""
        limit = self.protected_from()
        if operation.address >= limit:
            return
        if operation.kind == "program":
            self.programs += 1
            self.clear_bits(operation.address, operation.data[: limit - operation.address])
            return
        end = min(operation.address + operation.size, self.size)
        if end > limit:
            return  # an erase unit that reaches into a protected area is refused whole
        self.erased_sectors += (end - operation.address) // SECTOR
        for at in range(operation.address, end, BLOCK):
            self.cells[at : min(at + BLOCK, end)] = _BLANK * (min(at + BLOCK, end) - at)

    def clear_bits(self, address: int, data: bytes) -> None:
        """Programming: each cell becomes itself AND the datum."""
        old = self.cells[address : address + len(data)]
        if old.count(_BLANK) != len(data):
            both = int.from_bytes(old, "little") & int.from_bytes(data, "little")
            data = both.to_bytes(len(data), "little")
        self.cells[address : address + len(data)] = data

    # --- what the SPI controller sends -------------------------------------------------------------------------------

    def transact(self, opcode: int, address: int, sent: bytes, want: int, now: float) -> bytes:  # noqa: PLR0911  a table
        """One SPI command; `want` bytes come back. An absent answer reads as ones, as a pulled-up line does.

        Facts: esp8266-protocol §3.10, §3.11; esptool.md-listed opcodes: 9F 5A 05 35 15 01 31 11 06 50 04 66 99 AB B9.
        """
        ones = _BLANK * want
        if opcode == 0xAB and not self.absent:  # noqa: PLR2004  opcodes are numbers
            self.powered_down = False
            return bytes([self.part.jedec[2]]) * want
        if self.powered_down or self.absent:
            return ones
        busy = self.stuck_busy or now < self.busy_until
        if opcode in (0x05, 0x35, 0x15):
            value = {0x05: self.status | WIP * busy | WEL * self.write_enabled, 0x35: self.status2}.get(opcode, 0)
            return bytes([value]) * want
        if busy:
            return ones
        if opcode == 0x9F:  # noqa: PLR2004
            return (self.part.jedec + ones)[:want]
        if opcode == 0x5A:  # noqa: PLR2004
            return self.sfdp()[address : address + want].ljust(want, _BLANK) if self.part.has_sfdp else ones
        if opcode in (0x03, 0x0B, 0x3B, 0xBB, 0x6B, 0xEB):
            return self.read(address, want)
        self._command(opcode, address, sent, now)
        return ones

    def _command(self, opcode: int, address: int, sent: bytes, now: float) -> None:
        """Commands that change something."""
        if opcode in (0x06, 0x50):
            self.write_enabled = True
        elif opcode == 0x04:  # noqa: PLR2004
            self.write_enabled = False
        elif opcode == 0xB9:  # noqa: PLR2004
            self.powered_down = True
        elif opcode == 0x99:  # noqa: PLR2004
            self.write_enabled = False
        elif self.write_enabled:
            seconds = self._write_command(opcode, address, sent)
            if seconds is not None:
                self.busy_until = now + seconds
                self.write_enabled = False

    def _write_command(self, opcode: int, address: int, sent: bytes) -> float | None:
        if opcode in (0x01, 0x31, 0x11):
            values = sent or b"\x00"
            if opcode == 0x31:  # noqa: PLR2004
                self.status2 = values[0]
            elif opcode == 0x01:
                self.status = values[0] & ~(WIP | WEL) & 0xFF
                self.status2 = values[1] if len(values) > 1 else self.status2
            return STATUS_WRITE_S
        if opcode == 0x02:  # noqa: PLR2004
            return self.program_page(address, sent)
        if opcode == 0x20:  # noqa: PLR2004
            return self.erase_sector(address)
        if opcode == 0xD8:  # noqa: PLR2004
            return self.erase_block(address)
        if opcode in (0x60, 0xC7):
            return self.erase_chip()
        return None

    def sfdp(self) -> bytes:
        """JESD216 header and basic table, made from size and erase types."""
        table = bytearray(_BLANK * 36)
        struct.pack_into("<II", table, 0, 0xFFF120E5, self.part.size * 8 - 1)
        # Words 8 and 9: erase types as exponent and opcode; 4 KB 0x20, 64 KB 0xD8, the others unused.
        table[28:36] = bytes((12, 0x20, 16, 0xD8, 0, 0xFF, 0, 0xFF))
        header = b"SFDP" + bytes((0, 1, 0, 0xFF)) + bytes((0, 0, 1, 9, 0x30, 0, 0, 0xFF))
        return header.ljust(0x30, _BLANK) + bytes(table)
