"""NodeMCU 3.x keeps its partition table in flash sector 0x10000 (facts: image-flashmap §5.2, §5.3).

The sector is a list of records: length in words, id, two zero bytes, data; it ends at a word of FF. Id 0 is a deleted
record, id 1 the partition table: items of type, address, size. The build adds one item of type 0 whose address is where
its code ends in mapped flash; the firmware drops that one when it first boots.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.values import dataclass

TABLE_ADDRESS: Final = 0x10000
"""Flash address of the sector."""
RF_CAL, PHY_DATA, SYSTEM_PARAMETERS = 4, 5, 6
EAGLEROM, IROM, LFS, SPIFFS = 101, 102, 103, 106
"""Partition types of the SDK and of NodeMCU (facts: image-flashmap §5.2)."""
REST_OF_FLASH: Final = 0xFFFFFFFF
"""A SPIFFS size that means: all that is left (facts: image-flashmap §5.3)."""

NAMES: Final = {
    1: "a boot loader",
    RF_CAL: "RF calibration",
    PHY_DATA: "SDK init data",
    SYSTEM_PARAMETERS: "SDK parameters",
    EAGLEROM: "the boot image",
    IROM: "code",
    LFS: "LFS",
    SPIFFS: "SPIFFS",
}
PHY_DONE_ID: Final = 2
"""Record that says: init data was looked at once, never again (facts: image-flashmap §5.3, §5.4)."""

_RECORD: Final = struct.Struct("<BBH")
_ITEM: Final = struct.Struct("<III")
_TABLE_ID: Final = 1
_BLANK: Final = 0xFFFFFFFF
_MAPPED: Final = range(0x40200000, 0x40300001)


@dataclass(frozen=True, slots=True)
class Partition:
    """One item of the table, as it stands there; `address` and `size` in bytes."""

    type: int
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """The partition table of a NodeMCU 3.x image or flash."""

    partitions: tuple[Partition, ...]
    code_end: int
    """Flash address where the code part ends, 0 where the table no longer says."""

    def find(self, type_: int) -> Partition | None:
        """The item of that type, None where there is none."""
        return next((part for part in self.partitions if part.type == type_), None)

    def fits(self, flash_size: int) -> bool:
        """Whether the firmware takes it; one that was cut off while it was written ends in FF.

        "The rest" is a size in a build's table alone: the firmware writes a number (executed 3.0 refuses it there).
        """
        rest = REST_OF_FLASH if self.code_end else None
        return all(
            part.type != _BLANK
            and part.address < flash_size
            and (part.address + part.size <= flash_size or (part.type == SPIFFS and part.size == rest))
            for part in self.partitions
        )


def parse_partitions(sector: bytes) -> PartitionTable | None:
    """The table in the first 4 KiB of `sector`, None where these bytes are no such sector."""
    data = next((data for record, data in _records(sector[:SECTOR_SIZE]) if record == _TABLE_ID), None)
    return None if data is None else _read_table(data)


def may_be_partitions(head: bytes) -> bool:
    """Whether a sector that begins with these bytes, 4 at least, can have a table."""
    words, _, zero = _RECORD.unpack_from(head)
    return not zero and _RECORD.size + 4 * words <= SECTOR_SIZE


def _read_table(data: bytes) -> PartitionTable | None:
    if len(data) % _ITEM.size:
        return None
    items = [Partition(*fields) for fields in _ITEM.iter_unpack(data)]
    parts = tuple(item for item in items if item.type)
    ends = [item.address for item in items if not item.type and item.address in _MAPPED]
    known = {part.type for part in parts}
    if not known >= {RF_CAL, PHY_DATA, SYSTEM_PARAMETERS}:  # the SDK halts without these three
        return None
    return PartitionTable(parts, ends[0] - _MAPPED.start if ends else 0)


def place_partitions(table: PartitionTable, flash_size: int) -> dict[int, Region]:
    """Type to region once the firmware has booted on a flash of `flash_size` bytes: sizes "the rest" and 0 resolved.

    An item of size 0 has no region: the firmware drops it.
    """
    params = flash_size - 3 * SECTOR_SIZE
    kept_low = table.find(SYSTEM_PARAMETERS)
    # The older layout has its parameters below the code and gives the end of the flash to SPIFFS (tags up to
    # 3.0-master_20200610, app/user/user_main.c).
    top = flash_size if table.code_end and kept_low and kept_low.address else params
    code = table.find(IROM)
    code_end = table.code_end or (code.address + code.size if code else 0)
    free = -(-code_end // 0x2000) * 0x2000  # rounded up to 8 KiB, as LFS begins there
    regions: dict[int, Region] = {}
    for part in table.partitions:
        start, size = part.address, part.size
        if part.type == IROM:
            size = size or free - start
        elif part.type == SYSTEM_PARAMETERS:
            start = start or params
        elif part.type == LFS:
            start, size = start or free, -(-size // 0x2000) * 0x2000
            free = max(free, start + size)
        elif part.type == SPIFFS:
            start, size = _settle_spiffs(part, free, top)
        if size > 0:
            regions[part.type] = Region(start, start + size)
    return regions


def named_regions(table: PartitionTable, flash_size: int) -> list[tuple[str, Region]]:
    """As `settle`, with names for people: `LFS`, `type 200`."""
    return [
        (NAMES.get(type_, f"type {type_}"), region) for type_, region in place_partitions(table, flash_size).items()
    ]


def has_record(sector: bytes, record_id: int) -> bool:
    """Whether the sector's records include one of this id that is not deleted."""
    return any(number == record_id for number, _ in _records(sector[:SECTOR_SIZE]))


def _records(page: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and data of each record that is not all zeros; ends where the page is no chain of records any more."""
    at = 0
    while at + _RECORD.size <= len(page):
        words, record, zero = _RECORD.unpack_from(page, at)
        if not words and not record and not zero:  # often a thousand in a row
            at = (len(page) - len(page[at:].lstrip(b"\0"))) // _RECORD.size * _RECORD.size
            continue
        data = page[at + _RECORD.size : at + _RECORD.size + 4 * words]
        if zero or len(data) != 4 * words:
            return
        yield record, data
        at += _RECORD.size + 4 * words


def _settle_spiffs(part: Partition, free: int, top: int) -> tuple[int, int]:
    if part.size == REST_OF_FLASH:
        start = part.address or free
        return start, top - start
    preferred = 0x100000 if 0x100000 + part.size <= top else free  # facts: image-flashmap §5.3
    return part.address or preferred, part.size


def with_places(sector: bytes, places: Mapping[int, Region]) -> bytes | None:
    """The sector of a fresh build with LFS or SPIFFS where `places` (type to region) say; None where it has no table.

    NodeMCU takes an address and a size that are both given as they are (facts: image-flashmap §5.3); its own partition
    tool does the same to an image.
    """
    if parse_partitions(sector) is None or sector[1] != _TABLE_ID:
        return None
    page, end = bytearray(sector), _RECORD.size + 4 * sector[0]
    known = set()
    for at in range(_RECORD.size, end, _ITEM.size):
        type_ = _ITEM.unpack_from(page, at)[0]
        if type_ in places:
            known.add(type_)
            _ITEM.pack_into(page, at, type_, places[type_].start, places[type_].size)
    return bytes(page) if known == set(places) else None
