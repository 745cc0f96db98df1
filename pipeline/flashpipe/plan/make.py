"""A plan: everything decided, nothing done. Which bytes shall stand where, what is kept, and what it will cost.

A plan is pure data, made from a profile and images before any port is opened; it can be shown, compared and refused.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from flashpipe.errors import KeepError, PlanAlignmentError, PlanBoundsError, PlanOverlapError, SwappedSplitError
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE, Area, Volatile, areas, volatile
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image, check_layout, check_mode, with_settings
from flashpipe.firmware.overrides import Override, Overrides
from flashpipe.firmware.placement import place_lfs, place_spiffs
from flashpipe.flash import BOOT_SECTOR, SECTOR_SIZE, FlashSettings, Region, decode_size, merge, size_name
from flashpipe.plan.cost import joined, stream_s
from flashpipe.values import dataclass

AUTO_SIZE: Final = "16MB"
"""What `size: auto` is planned with until the board is asked: nothing is refused for its size too early."""

KEPT_AREAS: Final = {
    "spiffs": frozenset({"spiffs"}),
    "lfs": frozenset({"lfs"}),
    "wifi": frozenset({"system_params"}),
    "rf": frozenset({"rf_cal", "phy_init"}),
}
"""Word of a profile's `keep` to the areas of the flash map it means."""

CODE_AREAS: Final = frozenset({"boot", "irom"})
"""Areas that hold nothing but what a segment puts there."""
FIRMWARE_OWNS: Final = frozenset({"rf_cal", "phy_init", "system_params", "partition_table"})
"""Areas of which the firmware rewrites the parts that lie inside segments (`flashmap.volatile`)."""

Action = Literal["write", "skip", "erase", "keep", "volatile", "lost"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at a flash address, exactly as they shall stand in flash: header set, padded with FF to whole sectors."""

    address: int
    data: bytes = field(repr=False)
    name: str
    """The image they came from, for people."""
    size: int
    """Bytes of the image itself, before the padding."""
    area: str = ""
    """`lfs` or `spiffs`: placed by the firmware's layout, and the firmware's own once it has booted."""

    @property
    def region(self) -> Region:
        """The sectors the segment owns."""
        return Region(self.address, self.address + len(self.data))

    @property
    def md5(self) -> str:
        """Digest of the padded bytes, hex: what the stub reports for the region."""
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class FlashPlan:
    """Segments to write and what is known about the rest of the flash."""

    profile: str
    chip: str
    settings: FlashSettings
    size_from_board: bool
    """`flash.size: auto`: the plan is made again with the real size once the board is known."""
    parts: Mapping[str, Image]
    """LFS and SPIFFS images by area; their segments may be missing where the board has them already."""
    images: Mapping[int, Image]
    """Only where the size comes from the board: then the plan has to be made again."""
    declared_size: str
    """Flash size that the image's own header names, for people; empty where it names none."""
    segments: tuple[Segment, ...]
    firmware: Firmware
    volatile: tuple[Volatile, ...]
    """Parts of segments that the firmware changes once it runs: verified before the first boot, then left alone."""
    areas: tuple[Area, ...]
    erase_all: bool = False
    overridden: tuple[Override, ...] = ()
    """Refusals that the user overrode (`allow=`)."""
    wish: str = ""
    """Fingerprint of the plan that this one was fitted to a board from; empty where it is as it was made."""

    @cached_property
    def fingerprint(self) -> str:
        """sha256, hex, of all that decides what the flash shall hold; names and paths do not count.

        What a plan is fitted to a board by does not count either: it is still the same wish.
        """
        if self.wish:
            return self.wish
        digest = hashlib.sha256(b"flashpipe plan 1")
        for segment in self.segments:
            digest.update(f"|{segment.address:#x}:{len(segment.data):#x}:".encode())
            digest.update(hashlib.sha256(segment.data).digest())
        for part in self.volatile:
            digest.update(f"|volatile {part.region}".encode())
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(len(segment.data) for segment in self.segments)

    def volatile_regions(self) -> list[Region]:
        """The volatile parts that lie inside segments."""
        return [part.region for part in self.volatile]


def make_plan(
    profile: str,
    chip: str,
    settings: FlashSettings | None,
    images: Mapping[int, Image],
    *,
    mode: str = "dio",
    frequency: str = "40m",
    erase_all: bool = False,
    allow: Overrides | None = None,
    parts: Mapping[str, Image] | None = None,
) -> FlashPlan:
    """Plan for `images` (flash address to image). `settings` None means: the size comes from the board.

    `parts` are LFS and SPIFFS images by area: where they go is the firmware's to say.

    What `allow` overrides is noted in it and in the plan.

    Raises:
        ImageError: an image that cannot run there.
        PlanError: segments that overlap, are not aligned or run past the flash.
    """
    from_board = settings is None
    settings, allow = settings or FlashSettings(mode, AUTO_SIZE, frequency), allow or Overrides()
    with allow.over():
        check_mode(settings.mode, chip=chip)
    with allow.over():
        _check_names(images)
    check_layout(images, flash_size=settings.capacity, chip=chip, allow=allow)
    segments = tuple(_segment(address, image, settings) for address, image in sorted(images.items()))
    firmware = identify_firmware({segment.address: segment.data for segment in segments})
    # Where the size is still unknown, so is the place: it is looked for when the board has been asked.
    placed = () if from_board else tuple(_placed(parts or {}, firmware, settings.capacity, allow))
    segments = tuple(sorted((*segments, *placed), key=lambda segment: segment.address))
    _check_regions(segments, settings)
    owned = [segment.region for segment in segments]
    moving = tuple(
        replace(part, region=common)
        for part in volatile(firmware, settings.capacity)
        for region in owned
        if (common := part.region.common(region)).size > 0
    )
    return FlashPlan(
        profile=profile,
        chip=chip,
        settings=settings,
        size_from_board=from_board,
        parts=dict(parts or {}),
        images=dict(images) if from_board else {},
        declared_size=_declared_size(images.get(0)),
        segments=segments,
        firmware=firmware,
        volatile=(*moving, *(Volatile(part.region, _OWNED) for part in placed)),
        areas=areas(firmware, settings.capacity),
        erase_all=erase_all,
        overridden=tuple(allow.used),
    )


def check_kept(plan: FlashPlan, keep: Sequence[str]) -> None:
    """Refuse a plan whose own bytes stand where its firmware has what shall be kept.

    FF there, the gap of an aggregated file, is nothing to write: the image is split around it.

    Raises:
        KeepError: naming the area and the image.
    """
    for word in keep:
        for area in plan.areas:
            for segment in plan.segments:
                part = segment.region.common(area.region)
                if segment.area:  # the profile names what shall be there
                    continue
                if area.name not in KEPT_AREAS[word] or part.size <= 0:
                    continue
                data = segment.data[part.start - segment.address : part.end - segment.address]
                if data.strip(b"\xff"):
                    raise KeepError(
                        f"{segment.name} at {segment.region} would overwrite {area.what} at {area.region}"
                        f" (keep: {word})",
                        f"take {word} out of `keep:`, or say allow=would-lose-data",
                    )


def with_real_size(plan: FlashPlan, real_size: int, allow: Overrides | None = None) -> FlashPlan:
    """The plan for a board of `real_size` bytes, where the profile leaves the size to the board.

    Raises:
        ImageError, PlanError: the images do not fit that size.
        PlanBoundsError: the image header has no code for that size.
    """
    if not plan.size_from_board:
        return plan
    try:
        size = size_name(real_size)
    except KeyError:
        raise PlanBoundsError(
            f"the image header has no code for a flash of {real_size} bytes", "name `flash.size`"
        ) from None
    settings = replace(plan.settings, size=size)
    made = make_plan(
        plan.profile, plan.chip, settings, plan.images, erase_all=plan.erase_all, allow=allow, parts=plan.parts
    )
    overridden = tuple(dict.fromkeys((*plan.overridden, *made.overridden)))
    return replace(made, overridden=overridden)


def fitted(plan: FlashPlan, parts: Iterable[tuple[int, bytes, str]]) -> FlashPlan:
    """The plan with some bytes replaced or added: address, whole sectors, and what they are, for people.

    It remains the same wish: its fingerprint does not change.
    """
    segments = list(plan.segments)
    for address, data, name in parts:
        region = Region(address, address + len(data))
        segments = [_patched(segment, address, data) for segment in segments]
        for hole in region.without([segment.region for segment in segments]):
            piece = data[hole.start - address : hole.end - address]
            segments.append(Segment(hole.start, piece, name, len(piece)))
    return replace(plan, segments=tuple(sorted(segments, key=lambda item: item.address)), wish=plan.fingerprint)


def _patched(segment: Segment, address: int, data: bytes) -> Segment:
    part = segment.region.common(Region(address, address + len(data)))
    if part.size <= 0:
        return segment
    at = part.start - segment.address
    new = segment.data[:at] + data[part.start - address : part.end - address] + segment.data[at + part.size :]
    return replace(segment, data=new)


def _declared_size(image: Image | None) -> str:
    code = image.data[3] >> 4 if image is not None and len(image.data) > 3 else -1  # noqa: PLR2004  header byte 3
    return decode_size(code) or ""


def _check_names(images: Mapping[int, Image]) -> None:
    # NodeMCU names files after their address; 10000 for 0x10000 is the commonest slip, and reads as decimal.
    for address, image in images.items():
        found = re.fullmatch(r"0x([0-9a-fA-F]{4,6})\.bin", Path(image.name).name)
        named = int(found[1], 16) if found else 0
        if named and address and named != address:
            raise SwappedSplitError(
                f"{image.name} is placed at {address:#08x}, its name says {named:#08x}",
                f"write {named:#07x}:{image.name}; or rename the file if it does belong there",
            )


def _segment(address: int, image: Image, settings: FlashSettings) -> Segment:
    if address % SECTOR_SIZE:
        below = address // SECTOR_SIZE * SECTOR_SIZE
        raise PlanAlignmentError(
            f"{image.name}: {address:#08x} is not the start of a sector",
            f"the nearest are {below:#08x} and {below + SECTOR_SIZE:#08x}",
        )
    data = with_settings(image.data, settings) if address == 0 else image.data
    return Segment(address, data + b"\xff" * (-len(data) % SECTOR_SIZE), image.name, len(image.data))


_OWNED: Final = "the firmware changes it once it runs"


def _placed(parts: Mapping[str, Image], firmware: Firmware, flash_size: int, allow: Overrides) -> Iterator[Segment]:
    for area, image in parts.items():
        place = {"lfs": place_lfs, "spiffs": place_spiffs}[area]
        address = place(image, firmware, flash_size, allow)
        data = image.data + b"\xff" * (-len(image.data) % SECTOR_SIZE)
        yield Segment(address, data, image.name, len(image.data), area)


def without_placed(plan: FlashPlan, areas: Collection[str]) -> FlashPlan:
    """The plan without LFS or SPIFFS images that the board was given before; it remains the same wish."""
    kept = tuple(segment for segment in plan.segments if segment.area not in areas or not segment.area)
    return replace(plan, segments=kept, wish=plan.fingerprint) if len(kept) < len(plan.segments) else plan


def _check_regions(segments: Sequence[Segment], settings: FlashSettings) -> None:
    # Disjoint images may still share a sector: erasing for one would wipe the other.
    for left, right in pairwise(segments):
        if right.address < left.region.end:
            raise PlanOverlapError(
                f"{left.name} at {left.region} and {right.name} at {right.address:#08x} share a sector",
                f"the next free sector is {left.region.end:#08x}",
            )
    for segment in segments:
        if segment.region.end > settings.capacity:
            raise PlanBoundsError(
                f"{segment.name} at {segment.address:#08x} ends at {segment.region.end:#08x},"
                f" past the {settings.size} of profile flash",
                "choose a smaller image, or the profile of the board's real size",
            )


# --- what it will cost, and the table ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of the plan's table."""

    region: Region
    action: Action
    what: str
    wire_bytes: int = 0
    seconds: float = 0.0


def estimate(data: bytes, baud: int, address: int = 0) -> tuple[int, float]:
    """Bytes on the wire and seconds to write `data` to dirty sectors at `address`, as `cost` has it."""
    wire = min(len(zlib.compress(data, 6)), len(data))
    return wire, stream_s(Region(address, address + len(data)), wire, baud)


def rows(
    plan: FlashPlan, baud: int, differing: Sequence[Region] | None = None, *, settled: bool = False
) -> list[PlanRow]:
    """The table of the whole flash, in address order, without gaps or overlaps.

    Args:
        plan: what shall be done.
        baud: rate of the write phase.
        differing: sectors that differ on the board, None where no board was asked: then everything is written.
        settled: the board's journal says that the volatile parts were verified before and belong to the firmware.
    """
    dirty = _to_write(plan, differing, baud, settled=settled)
    unstable = plan.volatile_regions() if settled else []
    table: list[PlanRow] = []
    for segment in plan.segments:
        written = _clip(dirty, segment.region)
        for region in written:
            wire, seconds = estimate(_cut(segment, region), baud, region.start)
            table.append(PlanRow(region, "write", segment.name, wire, seconds))
        moving = [part for hole in _clip(unstable, segment.region) for part in hole.without(written)]
        table += [PlanRow(region, "volatile", _owner(plan, region)) for region in moving]
        table += [PlanRow(region, "skip", segment.name) for region in segment.region.without(written + moving)]
    table += _rest(plan, "erase" if plan.erase_all and dirty else "keep")
    return sorted(table, key=lambda row: row.region)


def _to_write(plan: FlashPlan, differing: Sequence[Region] | None, baud: int, *, settled: bool) -> list[Region]:
    """The sectors a run writes: what differs, in `streams`, and the boot sector as its guard (`board.writer.write`)."""
    everything = [segment.region for segment in plan.segments]
    if differing is None or (differing and plan.erase_all):
        return everything
    guard = [BOOT_SECTOR] if any(segment.address == 0 for segment in plan.segments) else []
    return merge(
        [*streams(plan, differing, plan.volatile_regions() if settled else [], baud), *guard] if differing else []
    )


def streams(plan: FlashPlan, dirty: Sequence[Region], left: Sequence[Region], baud: int) -> list[Region]:
    """The dirty sectors as they are sent: some with clean ones between them, none with what is `left` alone."""
    left = [region.sectors() for region in left]
    room = [part for segment in plan.segments for part in segment.region.without([BOOT_SECTOR, *left])]

    def content(region: Region) -> bytes:
        return next(_cut(segment, region) for segment in plan.segments if segment.region.contains(region))

    return joined([part for region in dirty for part in region.sectors().without([BOOT_SECTOR])], room, content, baud)


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


def _clip(regions: Sequence[Region], within: Region) -> list[Region]:
    return [part for region in regions if (part := region.common(within)).size > 0]
