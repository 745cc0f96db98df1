"""Everything that the bytes of firmware files tell, for `doit image` and `flashpipe inspect`.

Nothing is refused here: a damaged or foreign file is described too, with what the gate says of it. A name is given only
where the bytes prove it; the rest is "unknown".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Final

from flashpipe.errors import HeaderlessError, ImageError, IncompleteSplitError, NotBootableError, PipelineError
from flashpipe.firmware.arduino import SKETCH_ADDRESS, read_sketch
from flashpipe.firmware.boot_image import (
    IMAGE_HEADER,
    SEGMENT_HEADER,
    SPLIT_ADDRESS,
    BootImage,
    Image,
    describe_address,
    is_aggregated,
)
from flashpipe.firmware.chain import behind_loader
from flashpipe.firmware.content_type import BOOT_MAGIC, foreign_content, other_chip
from flashpipe.firmware.data_files import BLANK as BLANK_FILE
from flashpipe.firmware.data_files import FAMILIES, PURPOSES, describe_data, purpose_of
from flashpipe.firmware.gate import find_problems
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.partition_table import TABLE_ADDRESS, parse_partitions
from flashpipe.firmware.parts import Part, PartKind, read_part
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.values import dataclass

LARGEST: Final = 0x1000000
"""A flash on which no file is refused for its size."""
BLANK: Final = (0x00, 0xFF)
INIT_DATA: Final = {bytes.fromhex("0500"): "v05", bytes.fromhex("0508"): "v08"}
"""By their first bytes (facts: image-flashmap §5.5)."""
ADC_BYTE: Final = 107
"""Of init data: FF where the ADC measures the supply, else its pin (facts: image-flashmap §5.5)."""
OTA_DEFAULT: Final = 0x1000
"""Where a 0xEA image is put for which nothing proves another place."""
_MEMORY: Final = (
    (range(0x3FFE8000, 0x40000000), "data RAM"),
    (range(0x40100000, 0x40110000), "instruction RAM"),
    (range(0x40200000, 0x40300000), "mapped flash"),
)


@dataclass(frozen=True, slots=True)
class BootPart:
    """One image with header, segments and checksum, somewhere in a file."""

    offset: int
    """Of its header in the file."""
    image: BootImage


@dataclass(frozen=True, slots=True)
class FilledRegion:
    """A piece of the flash that the file fills, for people and pictures."""

    region: Region
    kind: str
    """`checked` (under a checksum), `code` (under none), `table` (partition table), `blank`, `data`."""
    what: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What the gate says of a file."""

    code: str
    message: str
    next: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file."""

    image: Image = field(repr=False)
    address: int | None
    """Where it belongs in flash; None where the bytes do not tell."""
    format: str
    """For people: `ESP8266 image`, `0xEA image`, `blank`, `HTML page` …"""
    chip: str
    """`ESP8266`, `ESP32-C3` …; empty where the bytes do not tell."""
    kind: PartKind = "other"
    whole: bool = False
    """A whole NodeMCU firmware: boot image, FF, code from 0x10000."""
    parts: tuple[BootPart, ...] = ()
    crc: str = ""
    """CRC-32 of the whole file, in 0xEA images and newer sketches: `right`, `wrong` or `none`; else empty."""
    proven: int = 0
    """Bytes from the start of the file that this CRC proves."""
    stretches: tuple[FilledRegion, ...] = ()

    def covered(self) -> int:
        """Bytes of the file that a checksum proves."""
        return self.proven or sum(part.image.covered() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Files that are flashed together, one or a pair."""

    files: tuple[FileReport, ...]
    firmware: Firmware
    family: str
    """Of the firmware; else `blank`, `init-data`, the chip's name in lower case, or `unknown`."""
    title: str
    """One line for people."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What to know though nothing is wrong."""
    missing: str = ""
    """What to do where something that belongs to them is missing; empty where they can be flashed as they are."""
    flashable: bool = False
    """Whether a plan of these files at these addresses would be accepted, on a flash with room for them."""


def inspect_images(images: Iterable[tuple[int | None, Image]]) -> Inspection:
    """Describe files at their flash addresses; None stands for an address that nobody named.

    What is wrong with them says the gate: the same as a plan of these files at these addresses would be refused with.
    """
    files = tuple(_report(image, address) for address, image in images)
    firmware = _firmware(files)
    family, title = _named(files, firmware)
    layout = {_assumed(file): file.image for file in files if not _is_quiet(file) or len(files) > 1}
    errors = find_problems(layout, flash_size=LARGEST, chip="esp8266") if layout else []
    problems = [Problem(error.code, error.message, error.hint) for error in errors if not _is_partner(error)]
    missing = [error for error in errors if _is_partner(error)] if not problems else []
    notes = [error.message for error in missing]
    hint = next((error.hint for error in missing), "")
    if _is_alone(files) and not problems:  # a plan may hold it alone, for a board that has the rest
        hint = hint or f"give both: {_with_its_start(files[0])}"
    flashable = bool(layout) and not errors and not hint
    return Inspection(files, firmware, family, title, tuple(problems), (*notes, *_notes(files)), hint, flashable)


def _is_partner(error: PipelineError) -> bool:
    """Whether the file is sound, and something that belongs to it is missing."""
    return isinstance(error, (IncompleteSplitError, HeaderlessError, NotBootableError))


def _assumed(file: FileReport) -> int:
    """Where a file of which nobody named, and nothing proves, the address would be put."""
    if file.address is not None:
        return file.address
    return {"ota": OTA_DEFAULT, "code": SPLIT_ADDRESS}.get(file.kind, 0)


def _firmware(files: tuple[FileReport, ...]) -> Firmware:
    known = (file for file in files if not (_is_other(file) or file.format.endswith(" archive")))
    return identify_firmware({_assumed(file): file.image.data for file in known})


def _is_other(file: FileReport) -> bool:
    return bool(file.chip) and file.chip != "ESP8266"


def _named(files: tuple[FileReport, ...], firmware: Firmware) -> tuple[str, str]:
    if firmware.family != "unknown" or len(files) != 1:
        return firmware.family, firmware.title()
    (file,) = files
    if _is_other(file):
        known = file.chip.startswith("ESP32")
        return (file.chip.lower() if known else "other-chip"), f"firmware for {file.chip}"
    if file.format in FAMILIES:
        return FAMILIES[file.format], _data_title(file)
    if not file.parts and file.kind not in {"ota", "code"}:
        return "unknown", file.format
    return "unknown", firmware.title()


def _data_title(file: FileReport) -> str:
    if file.format == BLANK_FILE:
        return f"blank ({file.image.data[0]:02X} throughout)"
    version = INIT_DATA.get(file.image.data[:2], "") if file.format == "SDK init data" else ""
    return f"{file.format} {version}".rstrip()


def _notes(files: tuple[FileReport, ...]) -> Iterator[str]:
    for file in files:
        name = file.image.name
        if file.format == "SDK init data":
            ADC = file.image.data[ADC_BYTE]  # noqa: N806
            yield f"ADC measures {'the supply voltage' if ADC == 0xFF else 'its pin'} (byte 107 is {ADC:02X})"  # noqa: PLR2004
        if purpose := purpose_of(file.format, file.image):
            yield f"{name}: {purpose}"
        place = describe_address(file.address or 0)
        if _is_alone(files) and file.kind == "code":
            yield f"{name}: runs from flash at {place}; its first half at 0x00000 starts it"
        elif _is_alone(files):
            yield f"{name}: belongs to {place}; a boot loader at 0x00000 starts it"
        if file.crc == "none":
            yield f"{name}: no CRC-32 at its end, as older tools made it"


def _is_alone(files: Sequence[FileReport]) -> bool:
    """Whether it is one file that something else at 0x00000 has to start."""
    return len(files) == 1 and (files[0].kind == "code" or (files[0].kind == "boot" and bool(files[0].address)))


def _with_its_start(file: FileReport) -> str:
    if file.kind == "boot":
        return behind_loader(read_part(file.image))
    return f"image=0x00000:FILE,{describe_address(file.address or 0)}:{file.image.origin}"


def _is_quiet(file: FileReport) -> bool:
    """Whether it is sound data that belongs somewhere, though not at 0x00000."""
    return file.format in PURPOSES


def _report(image: Image, address: int | None) -> FileReport:
    data, what = image.data, describe_data(image.data)
    other, foreign = other_chip(data), foreign_content(data)
    if other or foreign:
        return FileReport(image, address, what if other else foreign or what, other or "")
    part = read_part(image)
    if part.kind == "boot":
        return _boot_report(part, part.home or 0 if address is None else address)
    if address is None:
        address = part.home
    if part.kind == "mapped":
        return _mapped_report(part, address)
    if part.kind == "ota":
        return _ota_report(part, address)
    if part.kind == "code" and address is None:
        address = SPLIT_ADDRESS
    chip = "ESP8266" if part.kind == "code" or (what in PURPOSES and what != BLANK_FILE) else ""
    stretches = tuple(_rest(data, 0, address)) if address is not None else ()
    return FileReport(image, address, what, chip, part.kind, stretches=stretches)


def _boot_report(part: Part, at: int) -> FileReport:
    image, boot = part.image, part.boot
    if boot is None or part.problem is not None:
        # Without a sound header nothing says that this was ever made for an ESP8266.
        return FileReport(image, at, "damaged or foreign image", "")
    parts, proven = [BootPart(0, boot)], 0
    if image.data[SKETCH_ADDRESS : SKETCH_ADDRESS + 1] == bytes((BOOT_MAGIC,)) and boot.end <= SKETCH_ADDRESS:
        with suppress(ImageError):
            sketch = read_sketch(image.data, name=image.name)
            parts, proven = [*parts, BootPart(SKETCH_ADDRESS, sketch.image)], sketch.proven
    stretches = tuple(_stretches(image.data, at, parts, proven=proven))
    return FileReport(
        image, at, "ESP8266 image", "ESP8266", part.kind, is_aggregated(image, boot), tuple(parts),
        "right" if proven else "", proven, stretches,
    )  # fmt: skip


def _mapped_report(part: Part, address: int | None) -> FileReport:
    if part.boot is None or part.problem is not None:
        return FileReport(part.image, address, "damaged or foreign image", "")
    parts = (BootPart(0, part.boot),)
    return FileReport(
        part.image, address, "ESP8266 image for a second boot loader", "ESP8266", part.kind, parts=parts,
        stretches=tuple(_stretches(part.image.data, address or 0, parts)),
    )  # fmt: skip


def _ota_report(part: Part, address: int | None) -> FileReport:
    data, parts = part.image.data, tuple[BootPart, ...]()
    if part.boot is not None:
        parts = (BootPart(part.boot.segments[0].offset - IMAGE_HEADER.size - SEGMENT_HEADER.size, part.boot),)
    stretches = tuple(_stretches(data, address or 0, parts, code_first=True, proven=part.proven))
    return FileReport(
        part.image, address, "0xEA image", "ESP8266", part.kind, parts=parts, crc=part.crc, proven=part.proven,
        stretches=stretches,
    )  # fmt: skip


# --- the map ---------------------------------------------------------------------------------------------------------


def _stretches(
    data: bytes, at: int, parts: Sequence[BootPart], *, code_first: bool = False, proven: int = 0
) -> Iterator[FilledRegion]:
    """The file in pieces, in the order of addresses; a CRC has proven the first `proven` bytes."""
    done = 0
    for part in parts:
        if code_first and part.offset:
            kind = "checked" if proven else "code"
            yield FilledRegion(Region(at, at + part.offset), kind, "code that runs from flash")
        else:
            yield from _rest(data[: part.offset], done, at, "checked" if proven > done else "")
        mapped = any(segment.address in _MEMORY[2][0] for segment in part.image.segments)
        what = "sketch" if mapped else "code and data loaded to RAM"
        yield FilledRegion(Region(at + part.offset, at + part.image.end), "checked", f"{what}, under a checksum")
        done = part.image.end
    if done < proven:
        yield FilledRegion(Region(at + done, at + proven), "checked", "CRC-32")
    yield from _rest(data, max(done, proven), at)


def _rest(data: bytes, start: int, at: int, checked: str = "") -> Iterator[FilledRegion]:
    """What stands outside the images, from offset `start`: FF by sectors, the partition table, code or data."""
    done, proof = start, "under a checksum" if checked else "under no checksum"
    table = TABLE_ADDRESS - at
    while done < len(data):
        end = min(len(data), (at + done) // SECTOR_SIZE * SECTOR_SIZE + SECTOR_SIZE - at)
        kind = _kind(data, done, end, is_table=done == table)
        while end < len(data) and end != table and kind != "table":
            following = min(len(data), end + SECTOR_SIZE)
            if _kind(data, end, following) != kind:
                break
            end = following
        what = {"blank": "FF", "table": "NodeMCU partition table"}.get(kind, f"code or data, {proof}")
        yield FilledRegion(Region(at + done, at + end), checked if kind == "code" and checked else kind, what)
        done = end


def _kind(data: bytes, start: int, end: int, *, is_table: bool = False) -> str:
    piece = data[start:end]
    if piece.count(0xFF) == len(piece):
        return "blank"
    return "table" if is_table and parse_partitions(piece) else "code"


def memory_name(address: int) -> str:
    """What a load address of the ESP8266 is: `data RAM`, `instruction RAM`, `mapped flash`."""
    return next((name for where, name in _MEMORY if address in where), "unknown memory")
