"""The table of a plan: the whole flash row by row, what is sent together, and what it will cost."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import Final, Literal

from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE
from flashpipe.flash import BOOT_SECTOR, Region, blank_blocks, merge
from flashpipe.plan.cost import joined, stream_s
from flashpipe.plan.model import FlashPlan, Segment
from flashpipe.values import dataclass

CODE_AREAS: Final = frozenset({"boot", "irom"})
"""Areas that hold nothing but what a segment puts there."""
FIRMWARE_OWNS: Final = frozenset({"rf_cal", "phy_init", "system_params", "partition_table"})
"""Areas of which the firmware rewrites the parts that lie inside segments (`flashmap.volatile`)."""

Action = Literal["write", "skip", "erase", "keep", "volatile", "lost"]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of the plan's table."""

    region: Region
    action: Action
    what: str
    wire_bytes: int = 0
    seconds: float = 0.0


def wire_size(data: bytes) -> int:
    """About how many bytes `data` is on the wire; found out once for all boards that get the same."""
    key = hashlib.sha256(data).digest()
    size = _sizes.get(key)
    if size is None:
        if len(_sizes) >= MOST_SIZES:
            _sizes.clear()
        size = _sizes[key] = min(len(zlib.compress(data, 6)), len(data))
    return size


_sizes: Final = dict[bytes, int]()
"""By the SHA-256 of the data."""
MOST_SIZES: Final = 4096


def estimate(data: bytes, baud: int, address: int = 0) -> tuple[int, float]:
    """Bytes on the wire and seconds to write `data` to dirty sectors at `address`, as `cost` has it."""
    parts = wire_parts(address, data, Region(address, address + len(data)))
    return sum(wire for _, wire in parts), sum(stream_s(part, wire, baud) for part, wire in parts)


def wire_parts(address: int, data: bytes, within: Region) -> list[tuple[Region, int]]:
    """What is sent, or erased only, of `data` at `address`: each stretch with its bytes on the wire."""
    blank = blank_blocks(address, data, within)
    sent = [(part, wire_size(data[part.start - address : part.end - address])) for part in within.without(blank)]
    return [*sent, *((part, 0) for part in blank)]


def rows(
    plan: FlashPlan, baud: int, differing: Sequence[Region] | None = None, *, firmware_owned: bool = False
) -> list[PlanRow]:
    """The table of the whole flash, in address order, without gaps or overlaps.

    Args:
        plan: what should be done.
        baud: rate of the write phase.
        differing: sectors that differ on the board, None where no board was asked: then everything is written.
        firmware_owned: the journal says that the volatile parts were verified before: they belong to the firmware.
    """
    dirty = _to_write(plan, differing, baud, firmware_owned=firmware_owned)
    unstable = plan.volatile_regions() if firmware_owned else []
    table: list[PlanRow] = []
    for segment in plan.segments:
        written = clip(dirty, segment.region)
        for region in written:
            wire, seconds = estimate(_cut(segment, region), baud, region.start)
            table.append(PlanRow(region, "write", segment.name, wire, seconds))
        moving = [part for hole in clip(unstable, segment.region) for part in hole.without(written)]
        table += [PlanRow(region, "volatile", _owner(plan, region)) for region in moving]
        table += [PlanRow(region, "skip", segment.name) for region in segment.region.without(written + moving)]
    table += _rest(plan, "erase" if plan.erase_all and dirty else "keep")
    return sorted(table, key=lambda row: row.region)


def _to_write(plan: FlashPlan, differing: Sequence[Region] | None, baud: int, *, firmware_owned: bool) -> list[Region]:
    """The sectors a run writes: what differs, in `streams`, and the boot sector as its guard (`board.writer.write`)."""
    everything = [segment.region for segment in plan.segments]
    if differing is None or (differing and plan.erase_all):
        return everything
    if not differing:
        return []
    guard = [BOOT_SECTOR] if any(segment.address == 0 for segment in plan.segments) else []
    return merge([*streams(plan, differing, plan.volatile_regions() if firmware_owned else [], baud), *guard])


def streams(plan: FlashPlan, dirty: Sequence[Region], left: Sequence[Region], baud: int) -> list[Region]:
    """The dirty sectors as they are sent: some with clean ones between them, none with what is `left` alone."""
    left = [region.sectors() for region in left]
    blank = [part for segment in plan.segments for part in blank_blocks(segment.address, segment.data)]
    room = [part for segment in plan.segments for part in segment.region.without([BOOT_SECTOR, *blank, *left])]

    def content(region: Region) -> bytes:
        return next(_cut(segment, region) for segment in plan.segments if segment.region.contains(region))

    sent = [part for region in dirty for part in region.sectors().without([BOOT_SECTOR, *blank])]
    return merge([*joined(sent, room, content, baud), *(part for region in dirty for part in clip(blank, region))])


def _cut(segment: Segment, region: Region) -> bytes:
    return segment.data[region.start - segment.address : region.end - segment.address]


def _owner(plan: FlashPlan, region: Region) -> str:
    if HEADER_SIZE_BYTE.contains(region):
        return "flash size in the image header"
    return next((area.what for area in plan.areas if area.name in FIRMWARE_OWNS and area.region.contains(region)), "")


def _rest(plan: FlashPlan, action: Action) -> list[PlanRow]:
    """What lies outside the segments; where nothing is known to be of use, `not part of the plan`."""
    table: list[PlanRow] = []
    taken = [segment.region for segment in plan.segments]
    for area in plan.areas:
        if area.name not in CODE_AREAS:  # the end of a segment is the end of its code
            table += [PlanRow(part, action, area.what) for part in area.region.without(merge(taken))]
            taken.append(area.region)
    whole = Region(0, plan.settings.capacity)
    return table + [PlanRow(part, action, "not part of the plan") for part in whole.without(merge(taken))]


def clip(regions: Sequence[Region], within: Region) -> list[Region]:
    """What of the regions lies inside another one."""
    return [part for region in regions if (part := region.common(within)).size > 0]
