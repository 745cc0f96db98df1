"""What a board holds after a run, as digests: what its receipt vouches for, and `audit` asks for later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from flashpipe.board.loader.writer import FlashPiece
from flashpipe.digests import digest_index
from flashpipe.firmware.code_extent import code_on
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE, Area
from flashpipe.firmware.partition_table import TABLE_ADDRESS
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge
from flashpipe.flasher.board_layout import Boots, areas_on, kind_of
from flashpipe.flasher.model import Probe, VerifiedRegion
from flashpipe.flasher.restore_source import RestoreSelection, RestoreSource, entry_of

FIRMWARE: Final = "firmware"
DATA: Final = "data"
"""Of which nobody can tell what it is for."""
BLANK: Final = "blank"
_BOOT: Final = Region(0, TABLE_ADDRESS)
"""Of a firmware whose end nobody knows, what is certainly code (facts: image-flashmap §5)."""


def of_plan(probe: Probe) -> tuple[VerifiedRegion, ...]:
    """After a flash: the segments by blocks, without what the firmware changes, and the areas it keeps things in.

    Those have no digest: the firmware writes them as soon as it runs. Of size and clock in the header is known what it
    may make of them: that byte is a row of its own.
    """
    plan = probe.plan
    loose = merge([*plan.volatile_regions(), *probe.ignored])
    header = [part for part in plan.volatile_regions() if part == HEADER_SIZE_BYTE]
    rows = [
        VerifiedRegion(part, _kind(part, plan.areas), segment.name, _md5(piece.cut(part)))
        for segment in plan.segments
        for piece in [FlashPiece(segment.address, segment.data)]
        for stretch in (*segment.region.without(loose), *(part for part in header if segment.region.contains(part)))
        for part in stretch.split(BLOCK_SIZE)
    ]  # fmt: skip
    rows += _areas(plan.areas, [row.region for row in rows])
    return tuple(sorted(rows, key=lambda row: row.region))


def of_restore(source: RestoreSource, selection: RestoreSelection) -> tuple[VerifiedRegion, ...]:
    """After a restore: all that was put back. What nobody can tell the use of counts as data, which may change."""
    areas = areas_on(source.read, source.flash_size) if source.whole else ()
    boot = [_BOOT] if source.whole and Boots.of(source.read(Region(0, _BOOT.end))).image else []
    told = code_on(source.read, source.flash_size) if source.whole else []
    boot = merge([*boot, *told, *_image_sectors(source)])
    rows: list[VerifiedRegion] = []
    for region in selection.taken:
        named = [(part, kind_of(area), area.what) for area in areas if (part := area.region.common(region)).size > 0]
        free = list(region.without(part for part, _, _ in named))
        code = [part for hole in free for start in boot if (part := hole.common(start)).size > 0]
        named += [(part, FIRMWARE, "code") for part in code]
        named += [(part, DATA, "not known") for hole in free for part in hole.without(code)]
        rows += [
            VerifiedRegion(part, kind, what, _md5(source.read(part)))
            for stretch, kind, what in named
            for part in stretch.split(BLOCK_SIZE)
        ]
    return tuple(sorted(rows, key=lambda row: row.region))


def _image_sectors(source: RestoreSource) -> Iterator[Region]:
    """Sectors that still hold the image which the board had been given when the backup was taken."""
    entry = entry_of(source)
    if entry is None:
        return
    placed = {int(text.split()[0], 16) for text in entry.placed.values()}  # the firmware's since
    for stretch in entry.held:
        if stretch.start in placed:
            continue
        digests = digest_index([stretch])
        for kept in source.regions:
            for part in kept.common(stretch.region).split(SECTOR_SIZE):
                if _md5(source.read(part)) == digests[part].hex():
                    yield part


def of_blank(size: int) -> tuple[VerifiedRegion, ...]:
    """After an erase."""
    whole = Region(0, size)
    return tuple(VerifiedRegion(part, FIRMWARE, BLANK, _md5(b"\xff" * part.size)) for part in whole.split(BLOCK_SIZE))


def of_blank_parts(regions: Sequence[Region], areas: Sequence[Area]) -> tuple[VerifiedRegion, ...]:
    """After parts of a flash were erased: what the firmware keeps there, it will write again."""
    return tuple(
        VerifiedRegion(part, _kind(part, areas) if areas else "data", BLANK, _md5(b"\xff" * part.size))
        for region in regions
        for part in region.split(BLOCK_SIZE)
    )


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _kind(part: Region, areas: Sequence[Area]) -> str:
    area = next((area for area in areas if area.region.overlaps(part)), None)
    return kind_of(area) if area else FIRMWARE


def _areas(areas: Sequence[Area], covered: Sequence[Region]) -> Iterator[VerifiedRegion]:
    for area in areas:
        if kind_of(area) != FIRMWARE:
            yield from (VerifiedRegion(part, kind_of(area), area.what, "") for part in area.region.without(covered))
