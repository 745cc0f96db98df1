"""From a profile and its images to a plan, with every refusal that needs no board."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from flashpipe.errors import KeepError, PlanAlignmentError, PlanBoundsError, PlanOverlapError, SwappedSplitError
from flashpipe.firmware.flash_map import VolatileRegion, areas, volatile
from flashpipe.firmware.header_size import HeaderSize, header_size
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image, check_layout, check_mode, with_settings
from flashpipe.firmware.overrides import Overrides
from flashpipe.firmware.placement import place_lfs, place_spiffs, spiffs_of
from flashpipe.firmware.spiffs_image import SpiffsFiles
from flashpipe.flash import ANY_CHIP, SECTOR_SIZE, FlashSettings, decode_size, size_name
from flashpipe.next_steps import Advice, setting
from flashpipe.plan.model import KEPT_AREAS, NO_HEADER, FlashPlan, Part, Segment

AUTO_SIZE: Final = "16MB"
"""What `size: auto` is planned with until the board is asked: nothing is refused for its size too early."""


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
    parts: Mapping[str, Part] | None = None,
) -> FlashPlan:
    """Plan for `images` (flash address to image). `settings` None means: the size comes from the board.

    `parts` are LFS and SPIFFS images by area, or files to make one of: where they go is the firmware's to say.

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
    check_layout(images, flash_size=settings.capacity, chip="esp8266" if chip == ANY_CHIP else chip, allow=allow)
    segments = tuple(_segment(address, image, settings) for address, image in sorted(images.items()))
    contents = {segment.address: segment.data for segment in segments}
    firmware = identify_firmware(contents)
    header = HeaderSize(settings.size)  # that of the flash where the user overrides a refusal of it
    with allow.over():
        header = header_size(firmware, contents, settings.size, is_measured=not from_board)
    if header.name != settings.size:
        sized = replace(settings, size=header.name)
        segments = tuple(_segment(address, image, sized) for address, image in sorted(images.items()))
    # Where the size is still unknown, so is the place: it is looked for when the board has been asked.
    placed = () if from_board else tuple(_placed(parts or {}, firmware, header.capacity, allow))
    segments = tuple(sorted((*segments, *placed), key=lambda segment: segment.address))
    _check_regions(segments, settings)
    owned = [segment.region for segment in segments]
    moving = tuple(
        replace(part, region=common)
        for part in volatile(firmware, header.capacity)
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
        volatile=(*moving, *(VolatileRegion(part.region, _OWNED) for part in placed)),
        areas=areas(firmware, header.capacity),
        header=header if 0 in images else NO_HEADER,
        erase_all=erase_all,
        overridden=tuple(allow.used),
    )


def check_kept(plan: FlashPlan, keep: Sequence[str]) -> None:
    """Refuse a plan whose own bytes stand where its firmware has what should be kept.

    FF there, the gap of an aggregated file, is nothing to write: the image is split around it.

    Raises:
        KeepError: naming the area and the image.
    """
    for word in keep:
        for area in plan.areas:
            for segment in plan.segments:
                part = segment.region.common(area.region)
                if segment.area:  # the profile names what should be there
                    continue
                if area.name not in KEPT_AREAS[word] or part.size <= 0:
                    continue
                data = segment.data[part.start - segment.address : part.end - segment.address]
                if data.strip(b"\xff"):
                    raise KeepError(
                        f"{segment.name} at {segment.region} would overwrite {area.what} at {area.region}"
                        f" (keep: {word})",
                        Advice(f"take {word} out of `keep:`, or say ", setting(allow="would-lose-data")),
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


def _declared_size(image: Image | None) -> str:
    code = image.data[3] >> 4 if image is not None and len(image.data) > 3 else -1  # noqa: PLR2004  header byte 3
    return decode_size(code) or ""


def _check_names(images: Mapping[int, Image]) -> None:
    # NodeMCU names files after their address; 10000 for 0x10000 is the commonest slip, and reads as decimal.
    for address, image in images.items():
        match = re.fullmatch(r"0x([0-9a-fA-F]{4,6})\.bin", Path(image.name).name)
        named = int(match[1], 16) if match else 0
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


def _placed(parts: Mapping[str, Part], firmware: Firmware, flash_size: int, allow: Overrides) -> Iterator[Segment]:
    for area, part in parts.items():
        image = spiffs_of(part, firmware, flash_size) if isinstance(part, SpiffsFiles) else part
        place = {"lfs": place_lfs, "spiffs": place_spiffs}[area]
        address = place(image, firmware, flash_size, allow)
        data = image.data + b"\xff" * (-len(image.data) % SECTOR_SIZE)
        yield Segment(address, data, image.name, len(image.data), area)


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
