"""What a board holds now: which firmware, by which layout, and what of it is worth keeping.

Read from the flash itself, as little as possible: the first sector, the sector of NodeMCU's partition table, a few
words at places that may hold a file system or parameters. Only where these do not name the firmware are digests of the
code area asked for and its last 48 KiB read, in which NodeMCU keeps its names; where they are of something longer
that stood there before, and a file system shows that it is worth it, up to 128 KiB more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final, Literal, Protocol

from flashpipe.firmware.content_type import BOOT_MAGIC, OTA_MAGIC
from flashpipe.firmware.flash_map import parameters_3x
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.partition_table import (
    IROM,
    LFS,
    PHY_DATA,
    RF_CAL,
    SPIFFS,
    SYSTEM_PARAMETERS,
    TABLE_ADDRESS,
    PartitionTable,
    may_be_partitions,
    parse_partitions,
    place_partitions,
)
from flashpipe.firmware.spiffs import (
    FileSystem,
    file_system_at,
    find_file_system,
    place_in_partition,
    places_up_to_2x,
    surviving_file_system,
)
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, SIZE_BYTES, Region, decode_size
from flashpipe.values import dataclass

Kind = Literal["blank", "factory", "foreign", "nodemcu"]

_TAIL: Final = 0xC000
"""How much of the code's end is read: the names stand in the last 30 KiB of every NodeMCU image at hand."""
_REST: Final = 0x20000
"""How far below the end of the bytes the names are looked for, where something longer stood there before."""
_PARAMETERS_SIZE: Final = 0x5000
"""What every SDK keeps at the end of flash: no code stands there."""
_CODE_LIMIT: Final = 0x110000
_APART: Final = 0x200000
"""Flash on which every NodeMCU leaves an empty 64 KiB between its code and its files: on smaller ones only files that
are found show where the code ends."""
_BOOTS: Final = frozenset({BOOT_MAGIC, OTA_MAGIC})
"""First byte of what the ROM starts (facts: image-flashmap §4). A blank boot sector is another matter: that is what an
interrupted write leaves."""
_HEAD: Final = 16
"""Bytes that tell a sector of no use from others: reading a whole one takes twenty times as long."""
NOTHING: Final = "no firmware, only bytes that start nothing"
_EBOOT: Final = b"\x00\xf0\x10\x40"
"""Load address of the Arduino core's boot loader."""
_INIT_MARK: Final = 5
"""First byte of valid SDK init data (facts: image-flashmap §5.5)."""
_MARKED: Final = frozenset({"1.5.4.1", "2.x", "3.x"})
"""SDK lines whose NodeMCU marks the blocks of its file system; older ones leave nothing to know it by."""
_PARAMETERS: Final = {RF_CAL: "rf_cal", PHY_DATA: "phy_init", SYSTEM_PARAMETERS: "system_params"}


class FlashReader(Protocol):
    """A board's flash, read-only."""

    def read(self, region: Region) -> bytes:
        """The bytes of a region."""

    def is_blank(self, region: Region) -> bool:
        """Whether every byte of it is FF."""


@dataclass(frozen=True, slots=True)
class ResidentArea:
    """A region on the board with something in it."""

    name: str
    """`spiffs`, `lfs`, `system_params`, `rf_cal` or `phy_init`, as in the flash map."""
    region: Region
    blank: bool = False
    """A partition with nothing in it: only its place is worth keeping."""


@dataclass(frozen=True, slots=True)
class BoardContents:
    """What is on a board."""

    kind: Kind
    title: str = ""
    """For people; empty where the board holds no firmware."""
    version: str = ""
    sdk_line: str = ""
    """`1.5.4.1`, `2.x`, `3.x`; empty where nothing on the board tells."""
    layout: str = ""
    """`2.x`, `3.x-old`, `3.x-new`."""
    areas: tuple[ResidentArea, ...] = ()
    files: FileSystem | None = None

    def area(self, name: str) -> ResidentArea | None:
        """The area of that name."""
        return next((area for area in self.areas if area.name == name), None)

    def to_json(self) -> dict[str, object]:
        """For the journal: an interrupted run must be continued by the same decision."""
        fields = asdict(self)
        fields[_STORED_AREAS] = fields.pop("areas")
        if self.files is not None and self.files.marks == "usual":
            del fields["files"]["marks"]  # as journals had it before there were others
        return fields


_STORED_AREAS: Final = "holdings"
"""What journals call `areas`."""


def from_json(stored: Mapping[str, Any]) -> BoardContents:
    """What `to_json` gave.

    Raises:
        KeyError, TypeError: it gave something else.
    """
    fields = dict(stored)
    areas = tuple(
        ResidentArea(item["name"], Region(**item["region"]), bool(item["blank"])) for item in fields.pop(_STORED_AREAS)
    )
    files = fields.pop("files")
    return BoardContents(**fields, areas=areas, files=FileSystem(**files) if files else None)


def survey(peek: FlashReader, flash_size: int, known: Firmware | None = None) -> BoardContents:
    """Say what the board of `flash_size` bytes holds; `known`: its firmware, where the caller has proof of it."""
    head, mark = (peek.read(Region(at, at + _HEAD)) for at in (0, TABLE_ADDRESS))
    if head[0] not in _BOOTS and not _uniform(head) and not may_be_partitions(mark):
        return without_firmware(peek, flash_size, NOTHING)
    start = peek.read(Region(0, SECTOR_SIZE))
    page = peek.read(Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE))
    table = parse_partitions(page)
    if table is not None and table.find(IROM):
        return _with_table(peek, table, _size_in_header(start, flash_size), known)
    if _uniform(start) and _uniform(page):
        return without_firmware(peek, flash_size)
    return _that_starts(peek, start, flash_size, known)


def code_end(peek: FlashReader, flash_size: int) -> int:
    """Flash address behind the code of a NodeMCU that has no partition table, all of which is read; 0 where none is."""
    start = peek.read(Region(0, SECTOR_SIZE))
    size = _size_in_header(start, flash_size)
    files = find_file_system(peek.read, size)
    if start[0] != BOOT_MAGIC or (files is None and size < _APART):
        return 0
    end = _end_below(peek, files, flash_size)
    firmware = identify_firmware({0: peek.read(Region(0, end))})
    return end if _certain(firmware) and firmware.sdk_line in _MARKED else 0


def without_firmware(peek: FlashReader, flash_size: int, title: str = "") -> BoardContents:
    """A board that starts nothing: blank, unless files have survived, as after a write that somebody else broke off."""
    files = surviving_file_system(peek.read, flash_size)
    if files is None:
        return BoardContents("blank", title)
    return BoardContents(
        "nodemcu", "no firmware, but files", areas=(ResidentArea("spiffs", files.region),), files=files
    )


def _that_starts(peek: FlashReader, start: bytes, flash_size: int, known: Firmware | None) -> BoardContents:
    """By its boot sector, which is no NodeMCU 3.x's; a blank one may have been left by an interrupted write."""
    if start[0] not in _BOOTS and not _uniform(start):
        return without_firmware(peek, flash_size, NOTHING)
    if start[:1] == bytes((BOOT_MAGIC,)) and start[8:12] == _EBOOT:
        return BoardContents("foreign", "Arduino sketch")
    firmware = known or _identify(peek, start, flash_size)
    if firmware.family == "at":
        return BoardContents("factory", firmware.title())
    if firmware.family != "nodemcu":
        return BoardContents("foreign", firmware.title())
    return _without_table(peek, firmware, _size_in_header(start, flash_size))


def _uniform(data: bytes) -> bool:
    return data.count(data[0]) == len(data)


def _size_in_header(start: bytes, flash_size: int) -> int:
    """What the firmware itself takes for the flash size: its parameters stand by that."""
    name = decode_size(start[3] >> 4) if start[0] == BOOT_MAGIC else None
    return min(SIZE_BYTES[name], flash_size) if name else flash_size


def _identify(peek: FlashReader, start: bytes, flash_size: int) -> Firmware:
    firmware = identify_firmware({0: start})
    if firmware.family == "bootloader":
        region = _behind_loader(peek, flash_size)
        code = identify_firmware({region.start: peek.read(region)}) if region else firmware
        return code if code.family != "unknown" else firmware
    if firmware.family != "unknown":
        return firmware
    files = find_file_system(peek.read, _size_in_header(start, flash_size))
    end = _end_below(peek, files, flash_size)
    firmware = _named_in(peek, end)
    if files and not _certain(firmware):
        return _below_a_rest(peek, end, firmware)
    # The part for RAM comes last: it is large, and only firmware that is not NodeMCU has its names there.
    if firmware.family == "unknown":
        region = Region(SECTOR_SIZE, TABLE_ADDRESS)
        firmware = identify_firmware({region.start: peek.read(region)})
    return replace(firmware, code_end=end) if firmware.family != "unknown" else firmware


def _end_below(peek: FlashReader, files: FileSystem | None, flash_size: int) -> int:
    """End of the code that stands below a file system, or anything else that is never code."""
    return _code_end(peek, min(_CODE_LIMIT, flash_size - _PARAMETERS_SIZE, files.start if files else flash_size))


def _named_in(peek: FlashReader, end: int) -> Firmware:
    """What the names before `end` say."""
    pieces = list(Region(max(TABLE_ADDRESS, end - _TAIL), end).split(SECTOR_SIZE)) if end > TABLE_ADDRESS else []
    return identify_firmware({pieces[0].start: b"".join(map(peek.read, pieces))}) if pieces else Firmware("unknown")


def _certain(firmware: Firmware) -> bool:
    """Whether this is what runs: NodeMCU 3.x it cannot be, without a partition table."""
    return firmware.family == "nodemcu" and firmware.sdk_line not in {"", "3.x"}


def _below_a_rest(peek: FlashReader, end: int, first: Firmware) -> Firmware:
    """A NodeMCU that left a file system may stand below the end of a longer firmware, of which only that is left."""
    for top in range(end - SECTOR_SIZE, max(TABLE_ADDRESS, end - _REST), -SECTOR_SIZE):
        named = _named_in(peek, top)
        if _certain(named):
            return replace(named, code_end=top)
    return Firmware("nodemcu") if first.family == "nodemcu" else replace(first, code_end=end)


def _behind_loader(peek: FlashReader, flash_size: int) -> Region | None:
    """Where Espressif's boot loader starts a program from 0x1000: the end of its code and what is loaded to RAM."""
    head = peek.read(Region(SECTOR_SIZE, SECTOR_SIZE + 16))
    if head[:2] != bytes((OTA_MAGIC, 4)):
        return None
    end = SECTOR_SIZE + 16 + int.from_bytes(head[12:16], "little")  # facts: image-flashmap §4.2
    region = Region(max(SECTOR_SIZE, end - _TAIL), min(flash_size, end + _TAIL))
    return region if region.size > 0 else None


def _code_end(peek: FlashReader, limit: int) -> int:
    """End of the last sector with something in it, before the first blank 64 KiB."""
    blocks = list(Region(TABLE_ADDRESS, limit).split(BLOCK_SIZE))
    last = next((block.start for block in blocks if peek.is_blank(block)), limit)
    for start in range(last - SECTOR_SIZE, max(TABLE_ADDRESS, last - BLOCK_SIZE) - 1, -SECTOR_SIZE):
        if not peek.is_blank(Region(start, start + SECTOR_SIZE)):
            return start + SECTOR_SIZE
    return last


def _without_table(peek: FlashReader, firmware: Firmware, flash_size: int) -> BoardContents:
    end = flash_size
    places = {
        "rf_cal": Region(end - 0x5000, end - 0x4000),
        "phy_init": Region(end - 0x4000, end - 0x3000),
        "system_params": Region(end - 0x3000, end),
    }
    files = find_file_system(peek.read, flash_size)
    if files and firmware.code_end:
        files = _as_found(files, firmware.code_end, flash_size)
    elif firmware.code_end and firmware.sdk_line in _MARKED:
        files = _at_a_place(peek, firmware, flash_size)  # early marks do not lead to where they begin
    areas = list(_areas(peek, places, files))
    if files is None and firmware.code_end and firmware.sdk_line not in _MARKED:
        areas.append(ResidentArea("spiffs", Region(firmware.code_end, end - 0x4000)))
    return BoardContents(
        "nodemcu",
        firmware.title(),
        firmware.version,
        firmware.sdk_line,
        firmware.layout or "2.x",
        tuple(areas),
        files,
    )


def _at_a_place(peek: FlashReader, firmware: Firmware, flash_size: int) -> FileSystem | None:
    starts = dict.fromkeys(place.start for place in places_up_to_2x(firmware.code_end, flash_size))
    return next((files for start in starts if (files := file_system_at(peek.read, start))), None)


def _as_found(files: FileSystem, code_end: int, flash_size: int) -> FileSystem:
    """The file system that the firmware itself uses: where the marks go on, the first block that its search hits."""
    start = next(
        (place.start for place in places_up_to_2x(code_end, flash_size) if files.seems_to_begin(place.start)),
        files.start,
    )
    return replace(files, start=start, blocks=files.blocks - (start - files.start) // files.block)


def _with_table(peek: FlashReader, table: PartitionTable, flash_size: int, known: Firmware | None) -> BoardContents:
    regions = place_partitions(table, flash_size)
    cal = regions.get(RF_CAL)
    layout = {0xB000: "3.x-old", 0xD000: "3.x-new"}.get(cal.start if cal else 0, "")
    files = None
    if SPIFFS in regions:
        place = place_in_partition(regions[SPIFFS])
        files = file_system_at(peek.read, place.start, known=True) if place.end > place.start else None
    places = {name: regions[type_] for type_, name in _PARAMETERS.items() if type_ in regions}
    if not _holds_something(peek, places.get("system_params")):  # seen at 0x0d000 nowhere yet
        places["system_params"] = parameters_3x(flash_size)
    areas = list(_areas(peek, places, files))
    if LFS in regions:
        areas.append(ResidentArea("lfs", regions[LFS], blank=_is_blank(peek, regions[LFS].start)))
    contents = BoardContents(
        "nodemcu", "NodeMCU 3.x", "", "3.x", layout, tuple(sorted(areas, key=lambda item: item.region)), files
    )
    return replace(contents, title=known.title(), version=known.version) if known else contents


def _areas(peek: FlashReader, places: Mapping[str, Region], files: FileSystem | None) -> Iterator[ResidentArea]:
    for name, region in places.items():
        if name == "phy_init":
            # What does not begin like init data the firmware or `init_data` replaces: nothing to keep.
            if peek.read(Region(region.start, region.start + 4))[0] == _INIT_MARK:
                yield ResidentArea(name, region)
        elif _holds_something(peek, region):
            yield ResidentArea(name, region)
    if files:
        yield ResidentArea("spiffs", files.region)


def _holds_something(peek: FlashReader, region: Region | None) -> bool:
    return region is not None and any(not _is_blank(peek, sector.start) for sector in region.split(SECTOR_SIZE))


def _is_blank(peek: FlashReader, address: int) -> bool:
    return peek.read(Region(address, address + 4)) == b"\xff" * 4
