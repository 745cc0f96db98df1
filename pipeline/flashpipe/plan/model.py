"""A plan: everything decided, nothing done. Which bytes should stand where, and what is known of the rest of the flash.

A plan is pure data, made from a profile and images before any port is opened (`make`); it can be shown (`table`),
compared, refused, and fitted to one board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Final, TypeAlias

from flashpipe.firmware.flash_map import Area, VolatileRegion
from flashpipe.firmware.header_size import HeaderSize
from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.image import Image
from flashpipe.firmware.overrides import Override
from flashpipe.firmware.spiffs_image import SpiffsFiles
from flashpipe.flash import FlashSettings, Region
from flashpipe.values import dataclass

KEPT_AREAS: Final = {
    "spiffs": frozenset({"spiffs"}),
    "lfs": frozenset({"lfs"}),
    "wifi": frozenset({"system_params"}),
    "rf": frozenset({"rf_cal", "phy_init"}),
}
"""Word of a profile's `keep` to the areas of the flash map it means."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at a flash address, exactly as they should stand in flash: header set, padded with FF to whole sectors."""

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


Part: TypeAlias = "Image | SpiffsFiles"
"""What an area gets: an image, or files to make one of once its size is known."""
NO_HEADER: Final = HeaderSize("")
"""Of a plan without an image at 0."""


@dataclass(frozen=True)
class FlashPlan:
    """Segments to write and what is known about the rest of the flash."""

    profile: str
    chip: str
    settings: FlashSettings
    size_from_board: bool
    """`flash.size: auto`: the plan is made again with the real size once the board is known."""
    parts: Mapping[str, Part]
    """LFS and SPIFFS images by area; their segments may be missing where the board has them already."""
    images: Mapping[int, Image]
    """Only where the size comes from the board: then the plan has to be made again."""
    declared_size: str
    """Flash size that the image's own header names, for people; empty where it names none."""
    segments: tuple[Segment, ...]
    firmware: Firmware
    volatile: tuple[VolatileRegion, ...]
    """Parts of segments that the firmware changes once it runs: verified before the first boot, then left alone."""
    areas: tuple[Area, ...]
    header: HeaderSize = NO_HEADER
    """Flash size in the header of the image at 0, and why it is not that of `settings`."""
    erase_all: bool = False
    overridden: tuple[Override, ...] = ()
    """Refusals that the user overrode (`allow=`)."""
    base_fingerprint: str = ""
    """Fingerprint of the plan that this one was fitted to a board from; empty where it is as it was made."""

    @cached_property
    def fingerprint(self) -> str:
        """sha256, hex, of all that decides what the flash should hold; names and paths do not count.

        What a plan is fitted to a board by does not count either: it is still the same plan.
        """
        if self.base_fingerprint:
            return self.base_fingerprint
        digest = hashlib.sha256(b"flashpipe plan 1")
        for segment in self.segments:
            digest.update(f"|{segment.address:#x}:{len(segment.data):#x}:".encode())
            digest.update(hashlib.sha256(segment.data).digest())
        for part in self.volatile:
            digest.update(f"|volatile {part.region}".encode())
        return digest.hexdigest()

    @property
    def believed_capacity(self) -> int:
        """Bytes of flash that the firmware goes by: what its header says."""
        return self.header.capacity if self.header.name else self.settings.capacity

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(len(segment.data) for segment in self.segments)

    def volatile_regions(self) -> list[Region]:
        """The volatile parts that lie inside segments."""
        return [part.region for part in self.volatile]


def fitted(plan: FlashPlan, parts: Iterable[tuple[int, bytes, str]]) -> FlashPlan:
    """The plan with some bytes replaced or added: address, whole sectors, and what they are, for people.

    Its fingerprint does not change: a board holds it as it would hold the plan it was fitted from.
    """
    segments = list(plan.segments)
    for address, data, name in parts:
        region = Region(address, address + len(data))
        segments = [_patched(segment, address, data) for segment in segments]
        for hole in region.without([segment.region for segment in segments]):
            piece = data[hole.start - address : hole.end - address]
            segments.append(Segment(hole.start, piece, name, len(piece)))
    segments.sort(key=lambda item: item.address)
    return replace(plan, segments=tuple(segments), base_fingerprint=plan.fingerprint)


def _patched(segment: Segment, address: int, data: bytes) -> Segment:
    part = segment.region.common(Region(address, address + len(data)))
    if part.size <= 0:
        return segment
    at = part.start - segment.address
    new = segment.data[:at] + data[part.start - address : part.end - address] + segment.data[at + part.size :]
    return replace(segment, data=new)


def without_placed(plan: FlashPlan, areas: Collection[str]) -> FlashPlan:
    """The plan without LFS or SPIFFS images that the board was given before; its fingerprint does not change."""
    segments = tuple(segment for segment in plan.segments if segment.area not in areas or not segment.area)
    return (
        replace(plan, segments=segments, base_fingerprint=plan.fingerprint)
        if len(segments) < len(plan.segments)
        else plan
    )
