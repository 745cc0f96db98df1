"""A flash in memory in place of a loader, and pieces for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from flashpipe.board.loader import writer
from flashpipe.flash import Region

SIZE = 0x60000


@dataclass
class FakeLoader:
    """A flash in memory that remembers what was asked of it."""

    cells: bytearray = field(default_factory=lambda: bytearray(b"\xff" * SIZE))
    calls: list[tuple[str, Region]] = field(default_factory=list)
    broken: frozenset[int] = frozenset()
    """Addresses that never take a value but 0xFF."""

    def md5(self, region: Region) -> bytes:
        self.calls.append(("md5", region))
        return hashlib.md5(self.cells[region.start : region.end]).digest()

    def erase(self, region: Region) -> None:
        assert region == region.sectors()
        self.calls.append(("erase", region))
        self.cells[region.start : region.end] = b"\xff" * region.size

    def erase_all(self) -> None:
        self.erase(Region(0, SIZE))

    def write(self, address: int, data: bytes, on_written: Callable[[int], None]) -> None:
        region = Region(address, address + len(data))
        self.calls.append(("write", region))
        touched = region.sectors()
        self.cells[touched.start : touched.end] = b"\xff" * touched.size
        self.cells[address : address + len(data)] = data
        for at in self.broken:
            self.cells[at] = 0xFF
        on_written(len(data))

    def read(self, region: Region, on_read: Callable[[int], None]) -> bytes:
        on_read(region.size)
        return bytes(self.cells[region.start : region.end])

    def done(self, what: str) -> list[Region]:
        return [region for name, region in self.calls if name == what]


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def piece(address: int, size: int, seed: int = 1) -> writer.FlashPiece:
    block = b"".join(hashlib.sha256(bytes([seed, n % 256, n // 256])).digest() for n in range(size // 32))
    return writer.FlashPiece(address, block)


def put(loader: FakeLoader, wanted: writer.FlashPiece) -> None:
    loader.cells[wanted.address : wanted.address + len(wanted.data)] = wanted.data
