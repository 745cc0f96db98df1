"""The gate: what a whole layout must satisfy before any port is opened.

Each refusal names the file, what it is and what to do. What the bytes cannot prove wrong passes: flash code carries no
checksum, so an exact copy of a bad file can only be told by a pinned hash.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from pipeline.errors import (
    AggregatedInSplitError,
    HeaderlessError,
    ImageError,
    ImageSizeError,
    ImageTruncatedError,
    IncompleteSplitError,
    NotAnImageError,
    PlanBoundsError,
    SwappedSplitError,
)
from pipeline.firmware.bootimage import (
    SPLIT_ADDRESS,
    BootImage,
    Image,
    describe_address,
    is_aggregated,
)
from pipeline.firmware.content import BOOT_MAGIC, IROM_BASE, foreign_content
from pipeline.firmware.nodemcu import identify_firmware
from pipeline.firmware.partitions import TABLE_ADDRESS, parse_partitions
from pipeline.firmware.recognise import parse_boot_image, refuse_line_endings, refuse_other_chip
from pipeline.firmware.sketch import SKETCH_ADDRESS, read_sketch
from pipeline.units import format_size

_EBOOT: Final = 0x4010F000
"""Load address of that boot loader."""
_POINTERS_ENOUGH: Final = 16
"""Fewer distinct words that point into mapped flash prove nothing; NodeMCU and MicroPython images have 70 to 160."""
_MISSING_SHARE: Final = 0.2
"""Part of those words that may point past the data: at most 4 % in intact images, 27 % or more in ones cut in half."""
_MAPPED: Final = range(IROM_BASE + SPLIT_ADDRESS, IROM_BASE + 0x100000)
PARAMETERS_SIZE: Final = 0x5000
"""What SDK 1.5.4.1 to 2.x keep to themselves at the end of flash (facts: image-flashmap §5.1)."""
SMALLEST_3X: Final = 0x100000
"""NodeMCU 3.x refuses to run on less than 1 MiB (facts: image-flashmap §5.3)."""


def check_layout(parts: Mapping[int, Image], *, flash_size: int, chip: str) -> None:
    """Refuse what cannot work: `parts` at their flash addresses, on a `chip` with `flash_size` bytes of flash.

    Without a part at address 0 there is nothing to boot from, so only the single parts are checked.

    Raises:
        ImageError: a subclass with its own code for each cause.
        PlanBoundsError: a part does not fit the flash.
    """
    for address, image in sorted(parts.items()):
        if address:
            _check_part(image, address, chip)
    if 0 in parts:
        _check_not_swapped(parts)
        boot = parse_boot_image(parts[0])
        if b"\n" not in parts[0].data[: boot.end]:  # what is under the checksum is proven; here the rest must tell
            refuse_line_endings(parts[0])
        _check_split(parts, boot)
        _check_sketch(parts[0], boot)
        _check_whole(parts, boot)
    _check_bounds(parts, flash_size)
    _check_parameters(parts, flash_size)


def _check_part(image: Image, address: int, chip: str) -> None:
    place = describe_address(address)
    if not image.data:
        raise NotAnImageError(f"{image.name}: is empty, nothing for {place}", "build or download it again")
    refuse_other_chip(image, chip.upper())
    boot = _try_parse(image)
    if not boot:
        refuse_line_endings(image)
    foreign = foreign_content(image.data)
    if foreign and not boot:
        raise NotAnImageError(
            f"{image.name}: is no flash content for {place} but {foreign}", "name the .bin file itself"
        )
    if address < SMALLEST_3X and boot and is_aggregated(image, boot):
        raise AggregatedInSplitError(
            f"{image.name}: is a whole firmware for 0x00000 ({format_size(len(image.data))}), not the part for {place}",
            f"flash it alone: image={image.origin}",
        )


def _try_parse(image: Image) -> BootImage | None:
    if image.data[0] != BOOT_MAGIC:
        return None
    try:
        return parse_boot_image(image)
    except ImageError:
        return None


def _check_not_swapped(parts: Mapping[int, Image]) -> None:
    first = parts[0]
    for address, image in parts.items():
        if not address or not image.data or not _try_parse(image):
            continue
        if image.data == first.data:
            raise IncompleteSplitError(
                f"{first.name}: the same file is given for 0x00000 and {describe_address(address)}",
                "give the pair: image=0x00000:FILE,0x10000:OTHER_FILE",
            )
        try:
            parse_boot_image(first)
        except HeaderlessError:
            place = describe_address(address)
            raise SwappedSplitError(
                f"{first.name} (no header) is at 0x00000 and {image.name} (a boot image) at {place}: exchanged",
                f"image=0x00000:{image.origin},{place}:{first.origin}",
            ) from None


def _check_split(parts: Mapping[int, Image], boot: BootImage) -> None:
    first = parts[0]
    others = [address for address in parts if 0 < address < len(first.data)]
    if others and is_aggregated(first, boot):
        raise AggregatedInSplitError(
            f"{first.name}: is a whole firmware of {format_size(len(first.data))} that already holds what "
            f"{parts[min(others)].name} shall bring to {describe_address(min(others))}",
            f"flash it alone: image={first.origin}",
        )


def _check_sketch(image: Image, boot: BootImage) -> None:
    """An Arduino file holds a second image, under a checksum of its own, for its boot loader to start."""
    data = image.data
    if boot.segments[0].address != _EBOOT or data[SKETCH_ADDRESS : SKETCH_ADDRESS + 1] != bytes((BOOT_MAGIC,)):
        return
    read_sketch(data, name=image.name)


def _check_whole(parts: Mapping[int, Image], boot: BootImage) -> None:
    """See that the code running from flash is there: its own note of its end, else the words pointing into it."""
    holder = next((at for at, image in parts.items() if at <= TABLE_ADDRESS < at + len(image.data)), None)
    if holder is not None:
        table = parse_partitions(parts[holder].data[TABLE_ADDRESS - holder :])
        end = holder + len(parts[holder].data)
        if table and table.code_end > end:
            raise ImageTruncatedError(
                f"{parts[holder].name}: its code ends at {describe_address(table.code_end)} by its own table, the file "
                f"at {describe_address(end)}: {table.code_end - end:,} bytes are missing",
                "download or build it again and compare the size with the one at its source",
            )
    pointed = _flash_pointers(parts[0].data, boot)
    missing = [at for at in pointed if not any(start <= at < start + len(parts[start].data) for start in parts)]
    if len(pointed) < _POINTERS_ENOUGH or len(missing) < _MISSING_SHARE * len(pointed):
        return
    share = f"{len(missing)} of the {len(pointed)} places in flash that its start code refers to"
    if len(parts) == 1 and len(parts[0].data) <= SPLIT_ADDRESS:
        raise IncompleteSplitError(
            f"{parts[0].name}: is the first file of a pair: {share} are in the other one",
            f"give both: image=0x00000:{parts[0].origin},0x10000:FILE",
        )
    last = parts[max(parts)]
    raise ImageTruncatedError(
        f"{last.name}: {share} are missing: the file is cut short, or belongs to another address or build",
        "download or build it again and compare the size with the one at its source",
    )


def _flash_pointers(data: bytes, boot: BootImage) -> set[int]:
    """Flash addresses from 0x10000 on that the segments' words point to, through the mapping of the first MiB."""
    found: set[int] = set()
    for segment in boot.segments:
        words = struct.unpack_from(f"<{segment.size // 4}I", data, segment.offset)
        found.update(word - IROM_BASE for word in words if word in _MAPPED)
    return found


def _check_bounds(parts: Mapping[int, Image], flash_size: int) -> None:
    holder = next((at for at, image in parts.items() if at <= TABLE_ADDRESS < at + len(image.data)), None)
    if flash_size < SMALLEST_3X and holder is not None:
        image = parts[holder]
        if parse_partitions(image.data[TABLE_ADDRESS - holder :]):
            raise ImageSizeError(
                f"{image.name}: is NodeMCU 3.x, which needs 1 MB of flash; this board has {format_size(flash_size)}",
                "build branch 1.5.4.1-final, which runs on 512 KB",
            )
    for address, image in sorted(parts.items()):
        end = address + len(image.data)
        if end > flash_size:
            raise PlanBoundsError(
                f"{image.name}: {format_size(len(image.data))} at {describe_address(address)} end at {end:#x}, "
                f"{end - flash_size:,} bytes past the {format_size(flash_size)} flash",
                "choose a smaller image, or the profile of the board's real flash size",
            )


def _check_parameters(parts: Mapping[int, Image], flash_size: int) -> None:
    """Refuse NodeMCU 2.x code where the SDK will write its parameters; a dump of a whole flash holds them itself."""
    kept = flash_size - PARAMETERS_SIZE
    reaching = [(at, image) for at, image in parts.items() if at < kept < at + len(image.data) < flash_size]
    for address, image in reaching:
        if not image.data[kept - address :].strip(b"\xff"):
            continue
        if identify_firmware({at: part.data for at, part in parts.items()}).layout == "2.x":
            raise ImageSizeError(
                f"{image.name}: its code ends at {address + len(image.data):#x}, but in "
                f"{format_size(flash_size)} of flash the SDK writes its parameters from {kept:#x} on, over it",
                "build it with fewer modules, or use a board with more flash",
            )
