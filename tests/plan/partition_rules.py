"""How NodeMCU 3.x fills its partition table in at its first start (facts: image-flashmap §5.3), by itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SECTOR, CHUNK, CODE_START = 0x1000, 0x2000, 0x10000
"""Code and LFS take whole chunks."""
PARAMETERS, IROM, LFS, SPIFFS = 6, 102, 103, 106
REST = 0xFFFFFFFF


@dataclass(frozen=True)
class Partition:
    """One entry; `size` in bytes."""

    kind: int
    address: int
    size: int


def settled(record: bytes, flash_size: int) -> list[Partition]:
    """The final table of a first start. A LookupError names the entry at which NodeMCU would hang."""
    table = [Partition(*item) for item in struct.iter_unpack("<III", record)]
    code_end = table[-1].address
    old = any(part.kind == PARAMETERS and part.address for part in table)  # parameters low, SPIFFS to the end of flash
    top = flash_size if old else flash_size - 3 * SECTOR
    final: list[Partition] = []
    last = 0
    for index, part in enumerate(table[:-1]):
        address, size = _place(part, last, top, code_end, old=old)
        if not size:
            continue  # the SDK refuses empty partitions
        if address % SECTOR or size % SECTOR or address < last or address + size > flash_size:
            raise LookupError(index)
        final.append(Partition(part.kind, address, size))
        last = address + size
    return final


def _place(part: Partition, last: int, top: int, code_end: int, *, old: bool) -> tuple[int, int]:
    address, size = part.address, part.size
    if part.kind == IROM and not size:
        size = _chunks(code_end - 0x40200000 - CODE_START)
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
    return -(-size // CHUNK) * CHUNK
