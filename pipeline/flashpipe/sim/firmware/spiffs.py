"""The file system of the virtual firmware: where SPIFFS stands, whether there is one, and a simple file store in it.

Each 8 KB block carries the real SPIFFS mark (16 bits near the end of its first page: page size and distance from the
last block), so a file system made elsewhere is recognised and not formatted again. Files are kept in a format of our
own, a log of records in the pages after the mark; the files of a real SPIFFS are read, and nothing is written there.
(Mark: nodemcu-firmware 36cbf9f, app/spiffs/spiffs_nucleus.h, SPIFFS_MAGIC.)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

from flashpipe.sim.firmware.program import SECTOR, Machine, Say, Step, Wait
from flashpipe.sim.firmware.spiffs_pages import files_in

BLOCK: Final = 0x2000
SMALL_BLOCK: Final = 0x1000
"""Block size of file systems too small for four blocks of 8 KB."""

PAGE: Final = 256
MARK_AT: Final = PAGE - 4
"""Offset of the mark in a block: the last but one 16-bit entry of the one lookup page."""

_MARK: Final = 0x0529 ^ PAGE
MIN_BLOCKS: Final = 4
DOT_EVERY: Final = 16
"""Sectors per dot while formatting (facts: esp8266 §2.5)."""
NAME_LIMIT: Final = 31
DATA_PER_PAGE: Final = PAGE - 5
"""Bytes of file data in a real SPIFFS page; `file.fsinfo` counts in these."""

_RECORD: Final = struct.Struct("<4sBBHI")
_MAGIC: Final = b"vfs1"
_PENDING, _WRITTEN, _REMOVED = 0xFF, 0x7F, 0x3F
"""States of a record: programmed last, so that a torn write never counts."""


def probe(read: Callable[[int, int], bytes], address: int) -> tuple[int, int]:
    """Number and size of the blocks of the file system that starts at `address`; 0 blocks if none does."""
    for block in (BLOCK, SMALL_BLOCK):
        first, second = (int.from_bytes(read(address + at + MARK_AT, 2), "little") ^ _MARK for at in (0, block))
        if first >= MIN_BLOCKS and first == second + 1:
            return first, block
    return 0, BLOCK


def fitting(start: int, end: int) -> tuple[int, int]:
    """Number and size of the blocks that fit between two addresses; 0 blocks where there is no room."""
    for block in (BLOCK, SMALL_BLOCK):
        blocks = end // block - start // block
        if blocks >= MIN_BLOCKS:
            return blocks, block
    return 0, BLOCK


@dataclass(slots=True)
class Files:
    """A mounted file system: names to contents, kept in step with flash."""

    machine: Machine
    start: int
    """Flash address of the first block."""
    blocks: int
    block: int = BLOCK
    """Bytes of one block."""
    contents: dict[str, bytes] = field(default_factory=dict)
    foreign: bool = False
    """Holds a real SPIFFS: its files can be read, and nothing is written."""
    _end: int = 0

    @classmethod
    def mount(cls, machine: Machine, start: int) -> Files | None:
        """The file system at `start`, or None."""
        blocks, block = probe(machine.read, start)
        if not blocks:
            return None
        files = cls(machine, start, blocks, block)
        files._load()
        return files

    @property
    def size(self) -> int:
        """Bytes of flash."""
        return self.blocks * self.block

    @property
    def _room(self) -> int:
        """Bytes of a block that hold our records."""
        return self.block - PAGE

    @property
    def total(self) -> int:
        """Capacity as SPIFFS counts it: two blocks spare, one page for emergencies."""
        return ((self.blocks - 2) * (self.block // PAGE - 1) + 1) * DATA_PER_PAGE

    @property
    def used(self) -> int:
        """As SPIFFS counts: whole pages, one more for each file's index."""
        return _used(self.contents)

    def has_room(self, name: str, size: int) -> bool:
        """Whether a file may grow to `size` bytes beside all others."""
        others = {other: data for other, data in self.contents.items() if other != name}
        return _used(others) + (-(-size // DATA_PER_PAGE) + 1) * DATA_PER_PAGE <= self.total

    def save(self, name: str, data: bytes) -> float | None:
        """Write a whole file; None if there is no room. Returns seconds."""
        contents = {**self.contents, name: data}
        if self.foreign or _used(contents) > self.total:  # a record is shorter than its file's pages: it fits as well
            return None
        self.contents = contents
        return self._append(_WRITTEN, name, data)

    def remove(self, name: str) -> float | None:
        """Delete a file; None if there is none of that name. Returns seconds."""
        if self.foreign or self.contents.pop(name, None) is None:
            return None
        return self._append(_REMOVED, name, b"")

    def clear(self) -> float:
        """Put the marks into erased flash. Returns seconds."""
        seconds = 0.0
        for index in range(self.blocks):
            mark = (_MARK ^ (self.blocks - index)).to_bytes(2, "little")
            seconds += self.machine.program(self.start + index * self.block + MARK_AT, mark + b"\0\0")
        self.contents, self._end, self.foreign = {}, 0, False
        return seconds

    def _load(self) -> None:
        at = 0
        while at + _RECORD.size < self.blocks * self._room:
            magic, state, length, _, size = _RECORD.unpack(self._read(at, _RECORD.size))
            if magic != _MAGIC or length > NAME_LIMIT or size > self.size:
                self.foreign = at == 0 and not self._blank()
                break
            name = self._read(at + _RECORD.size, length).decode("latin-1")
            if state == _WRITTEN:
                self.contents[name] = self._read(at + _RECORD.size + length, size)
            elif state == _REMOVED:
                self.contents.pop(name, None)
            at += _aligned(_RECORD.size + length + size)
        self._end = at
        if self.foreign:
            self.contents = files_in(self.machine.read, self.start, self.blocks, self.block)

    def _blank(self) -> bool:
        return self._read(0, self._room) == b"\xff" * self._room

    def _append(self, state: int, name: str, data: bytes) -> float:
        raw = name.encode("latin-1", "replace")
        length = _aligned(_RECORD.size + len(raw) + len(data))
        if self._end + length + _RECORD.size > self.blocks * self._room:
            return self._compact()
        at, self._end = self._end, self._end + length
        seconds = self._program(at, _RECORD.pack(_MAGIC, _PENDING, len(raw), 0xFFFF, len(data)) + raw + data)
        return seconds + self._program(at + len(_MAGIC), bytes((state,)))

    def _compact(self) -> float:
        seconds = sum(self.machine.erase(self.start + at) for at in range(0, self.size, SECTOR))
        kept = self.contents
        seconds += self.clear()
        for name, data in kept.items():
            self.contents[name] = data
            seconds += self._append(_WRITTEN, name, data)
        return seconds

    def _pieces(self, at: int, length: int) -> list[tuple[int, int]]:
        """Flash addresses and lengths of a stretch of the record log: it runs around the marked pages."""
        pieces = []
        while length:
            block, offset = divmod(at, self._room)
            take = min(length, self._room - offset)
            pieces.append((self.start + block * self.block + PAGE + offset, take))
            at, length = at + take, length - take
        return pieces

    def _read(self, at: int, length: int) -> bytes:
        return b"".join(self.machine.read(address, size) for address, size in self._pieces(at, length))

    def _program(self, at: int, data: bytes) -> float:
        seconds = 0.0
        for address, size in self._pieces(at, len(data)):
            seconds += self.machine.program(address, data[:size])
            data = data[size:]
        return seconds


def _used(contents: dict[str, bytes]) -> int:
    return sum((-(-len(data) // DATA_PER_PAGE) + 1) * DATA_PER_PAGE for data in contents.values())


def _aligned(length: int) -> int:
    return -(-length // 4) * 4


def format_blocks(files: Files, *, dots: bool) -> Generator[Step, None, Files | None]:
    """Erase every sector, then put the marks in.

    None where that erased the running program: a header that claims more flash than there is lets addresses wrap.
    """
    program = files.machine.read(0, 16)
    for index in range(files.size // SECTOR):
        if dots and index % DOT_EVERY == 0:
            yield Say(b".")
        seconds = files.machine.erase(files.start + index * SECTOR)
        yield Wait(files.machine.settings.format_sector_s or seconds)
        if files.machine.read(0, 16) != program:
            return None
    yield Wait(files.clear())
    return files
