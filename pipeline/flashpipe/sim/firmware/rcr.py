"""The first code sector of NodeMCU 3.x, flash 0x10000: boot records, the partition table among them.

A record is `length in words, id, 0, 0`, then its words; an FF id ends the chain. Records are never changed: a new one
is appended and the old one's id is programmed to 0; only a full page is erased (facts: image-flashmap §5.3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from flashpipe.sim.firmware.program import SECTOR, Machine

PAGE: Final = 0x10000
"""Flash address of the record page."""

DELETED, PARTITIONS, PHY_DONE, FREE = 0, 1, 2, 0xFF

BOOTLOADER_TYPES: Final = range(1, 4)
RF_CAL, PHY_DATA, PARAMETERS = 4, 5, 6
EAGLEROM, IROM, LFS, SPIFFS = 101, 102, 103, 106
"""Partition types (facts: image-flashmap §5.2)."""

REST: Final = 0xFFFFFFFF
"""Size of a SPIFFS partition that takes all that is left."""

_ITEM: Final = struct.Struct("<III")
_WORD: Final = 4
_CHUNK: Final = 0x2000
"""LFS and code sizes are rounded up to this."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record and where it stands."""

    address: int
    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Partition:
    """One entry of the partition table; `size` in bytes."""

    kind: int
    address: int
    size: int


class LayoutError(Exception):
    """The partition at this index is misaligned, overlaps or ends past the flash."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def records(machine: Machine) -> list[Record]:
    """All records of the page, deleted ones included."""
    page = machine.read(PAGE, SECTOR)
    found, at = [], 0
    while at < SECTOR and page[at + 1] != FREE:
        end = at + _WORD * (1 + page[at])
        found.append(Record(PAGE + at, page[at + 1], page[at + _WORD : end]))
        at = end
    return found


def find(machine: Machine, kind: int) -> Record | None:
    """The first record of this kind."""
    return next((record for record in records(machine) if record.kind == kind), None)


def write(machine: Machine, kind: int, data: bytes) -> float:
    """Append a record and delete its predecessor; erases the page only when it is full. Returns seconds."""
    chain = records(machine)
    old = next((record for record in chain if record.kind == kind), None)
    if old and old.data == data:
        return 0.0
    entry = _header(kind, data) + data
    free = sum(_WORD + len(record.data) for record in chain)
    if free + len(entry) >= SECTOR:  # one erased word must remain as the end mark
        kept = [record for record in chain if record.kind not in {DELETED, kind}]
        page = b"".join(_header(record.kind, record.data) + record.data for record in kept) + entry
        return machine.replace_sector(PAGE, page)
    seconds = machine.program(PAGE + free, entry)
    return seconds + (machine.program(old.address, _header(DELETED, old.data)) if old else 0.0)


def _header(kind: int, data: bytes) -> bytes:
    return bytes((len(data) // _WORD, kind, 0, 0))


def parse_table(data: bytes) -> list[Partition]:
    """Entries of a partition table record."""
    return [Partition(*item) for item in _ITEM.iter_unpack(data[: len(data) // _ITEM.size * _ITEM.size])]


def pack_table(table: list[Partition]) -> bytes:
    """A partition table record's data."""
    return b"".join(_ITEM.pack(part.kind, part.address, part.size) for part in table)


def is_fresh(table: list[Partition]) -> bool:
    """Whether the table is the compiled-in one, which ends in `{0, end of code, 0}` and needs the first setup."""
    return bool(table) and table[-1].kind == 0


def settle(table: list[Partition], flash_size: int) -> list[Partition]:
    """The final table of a first boot, sizes and addresses filled in as NodeMCU does (facts: image-flashmap §5.3).

    Raises:
        LayoutError: NodeMCU would print `Partition N invalid alignment` and hang.
    """
    code_end = table[-1].address
    # The older layout keeps its parameters low and lets SPIFFS run to the end of flash.
    old = any(part.kind == PARAMETERS and part.address for part in table)
    top = flash_size if old else flash_size - 3 * SECTOR
    settled: list[Partition] = []
    last = 0
    for index, part in enumerate(table[:-1]):
        address, size = _place(part, last, top, code_end, old=old)
        if not size:
            continue  # the SDK refuses empty partitions
        if address % SECTOR or size % SECTOR or address < last or address + size > flash_size:
            raise LayoutError(index)
        settled.append(Partition(part.kind, address, size))
        last = address + size
    return settled


def _place(part: Partition, last: int, top: int, code_end: int, *, old: bool) -> tuple[int, int]:
    address, size = part.address, part.size
    if part.kind == IROM and not size:
        size = _chunks(code_end - 0x40200000 - PAGE)
    elif part.kind == LFS:
        address, size = address or last, _chunks(size)
    elif part.kind == PARAMETERS and not old:
        address = top
    elif part.kind == SPIFFS and size == REST:
        address = address or last
        size = top - (address if old else last)
    elif part.kind == SPIFFS and size:
        address = 0 if address < last else address
        address = address or (0x100000 if size <= top - 0x100000 else last)
    return address, size


def _chunks(size: int) -> int:
    return -(-size // _CHUNK) * _CHUNK
