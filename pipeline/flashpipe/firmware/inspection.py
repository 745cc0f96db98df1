"""Everything that the bytes of firmware files tell, for `doit image` and `flashpipe inspect`.

Nothing is refused here: a damaged or foreign file is described too, with what the gate says of it. A name is given only
where the bytes prove it; the rest is "unknown".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Final

from flashpipe.errors import HeaderlessError, ImageError, IncompleteSplitError, NotBootableError, PlanError
from flashpipe.firmware.arduino import SKETCH_ADDRESS, read_sketch
from flashpipe.firmware.boot_image import (
    IMAGE_HEADER,
    SEGMENT_HEADER,
    SPLIT_ADDRESS,
    BootImage,
    Image,
    is_aggregated,
    read_image,
)
from flashpipe.firmware.content_type import (
    BOOT_MAGIC,
    OTA_MAGIC,
    describe_content,
    foreign_content,
    in_words,
    other_chip,
)
from flashpipe.firmware.gate import check_layout
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.parse import parse_boot_image
from flashpipe.firmware.partition_table import TABLE_ADDRESS, parse_partitions
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.values import dataclass

LARGEST: Final = 0x1000000
"""A flash on which no file is refused for its size."""
BLANK: Final = (0x00, 0xFF)
INIT_DATA: Final = {bytes.fromhex("0500"): "v05", bytes.fromhex("0508"): "v08"}
"""By their first bytes (facts: image-flashmap §5.5)."""
ADC_BYTE: Final = 107
"""Of init data: FF where the ADC measures the supply, else its pin (facts: image-flashmap §5.5)."""
_CRC: Final = struct.Struct("<I")
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
class Stretch:
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
    whole: bool
    """A whole NodeMCU firmware: boot image, FF, code from 0x10000."""
    parts: tuple[BootPart, ...]
    crc: str
    """CRC-32 of the whole file, in 0xEA images and newer sketches: `right`, `wrong` or `none`; else empty."""
    proven: int
    """Bytes from the start of the file that this CRC proves."""
    stretches: tuple[Stretch, ...]

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


def inspect_images(images: Iterable[tuple[int | None, Image]]) -> Inspection:
    """Describe files at their flash addresses; None stands for an address that nobody named."""
    problems: list[Problem] = []
    notes: list[str] = []
    files = tuple(_report(image, address, problems) for address, image in images)
    _ask_gate(files, problems, notes)
    firmware = _firmware(files)
    family, title = _named(files, firmware)
    notes += _notes(files)
    return Inspection(files, firmware, family, title, tuple(problems), tuple(notes))


def _firmware(files: tuple[FileReport, ...]) -> Firmware:
    """Identified at the right addresses; where none is known, code is looked at as what follows a boot image."""
    default = SPLIT_ADDRESS
    return identify_firmware(
        {
            default if file.address is None else file.address: file.image.data
            for file in files
            if not (_is_other(file) or file.format.endswith(" archive"))
        }
    )


def _is_other(file: FileReport) -> bool:
    return bool(file.chip) and file.chip != "ESP8266"


def _named(files: tuple[FileReport, ...], firmware: Firmware) -> tuple[str, str]:
    if firmware.family != "unknown":
        return firmware.family, firmware.title()
    if len(files) == 1:
        (file,) = files
        if _is_other(file):
            known = file.chip.startswith("ESP32")
            return (file.chip.lower() if known else "other-chip"), f"firmware for {file.chip}"
        if file.format == "blank":
            return "blank", f"blank ({file.image.data[0]:02X} throughout)"
        if file.format == "SDK init data":
            version = INIT_DATA.get(file.image.data[:2], "")
            return "init-data", f"SDK init data {version}".rstrip()
        if not file.parts and file.format not in ("0xEA image", "ESP8266 code without a header"):
            return "unknown", file.format
    return "unknown", firmware.title()


def _notes(files: tuple[FileReport, ...]) -> Iterator[str]:
    for file in files:
        if file.format == "SDK init data":
            ADC = file.image.data[ADC_BYTE]  # noqa: N806
            yield f"ADC measures {'the supply voltage' if ADC == 0xFF else 'its pin'} (byte 107 is {ADC:02X})"  # noqa: PLR2004
        if file.address is None and file.parts:
            yield f"{file.image.name}: only a second boot loader can start it, at the address it was linked for"
        if file.crc == "none":
            yield f"{file.image.name}: no CRC-32 at its end, as older tools made it"


def _ask_gate(files: tuple[FileReport, ...], problems: list[Problem], notes: list[str]) -> None:
    layout = {file.address: file.image for file in files if file.address is not None and not _is_quiet(file)}
    if not layout or problems:
        return
    try:
        check_layout(layout, flash_size=LARGEST, chip="esp8266")
    except (IncompleteSplitError, HeaderlessError, NotBootableError) as error:
        notes.append(error.message)
    except (ImageError, PlanError) as error:
        problems.append(Problem(error.code, error.message))


def _is_quiet(file: FileReport) -> bool:
    return file.format in ("blank", "SDK init data")


def _report(image: Image, address: int | None, problems: list[Problem]) -> FileReport:
    data, what = image.data, describe_content(image.data)
    other = other_chip(data)
    if other:
        problems.append(Problem("image-other-chip", f"{image.name}: is firmware for {other}, not for the ESP8266"))
        return FileReport(image, address, what, other, False, (), "", 0, ())  # noqa: FBT003
    foreign = foreign_content(data)
    if foreign:
        code = "image-line-endings" if "CR-LF" in foreign else "image-format"
        problems.append(Problem(code, f"{image.name}: is no firmware but {in_words(foreign)}"))
        return FileReport(image, address, foreign, "", False, (), "", 0, ())  # noqa: FBT003
    if data[:1] == bytes((BOOT_MAGIC,)):
        return _boot_report(image, address, problems)
    if data[:2] == bytes((OTA_MAGIC, 4)):
        return _ota_report(image, address, problems)
    return _plain_report(image, address, what)


def _boot_report(image: Image, address: int | None, problems: list[Problem]) -> FileReport:
    at, what = address or 0, "ESP8266 image"
    try:
        boot = parse_boot_image(image)
    except ImageError as error:
        mapped = _try_mapped(image, 0)
        if mapped is None:
            # Without a sound header nothing says that this was ever made for an ESP8266.
            problems.append(Problem(error.code, error.message))
            return FileReport(image, address, "damaged or foreign image", "", False, (), "", 0, ())  # noqa: FBT003
        boot, what = mapped, "ESP8266 image for a second boot loader"
        return FileReport(
            image, address, what, "ESP8266", False, (BootPart(0, boot),), "", 0,  # noqa: FBT003
            tuple(_stretches(image.data, at, (BootPart(0, boot),))),
        )  # fmt: skip
    parts, proven = [BootPart(0, boot)], 0
    if image.data[SKETCH_ADDRESS : SKETCH_ADDRESS + 1] == bytes((BOOT_MAGIC,)) and boot.end <= SKETCH_ADDRESS:
        try:
            sketch = read_sketch(image.data, name=image.name)
        except ImageError as error:
            problems.append(Problem(error.code, error.message))
        else:
            parts, proven = [*parts, BootPart(SKETCH_ADDRESS, sketch.image)], sketch.proven
    whole = is_aggregated(image, boot)
    stretches = tuple(_stretches(image.data, at, parts, proven=proven))
    return FileReport(image, at, what, "ESP8266", whole, tuple(parts), "right" if proven else "", proven, stretches)


def _try_mapped(image: Image, base: int) -> BootImage | None:
    try:
        return read_image(image.data, name=image.name, base=base, mapped=True)
    except ImageError:
        return None


def _ota_report(image: Image, address: int | None, problems: list[Problem]) -> FileReport:
    data = image.data
    mapped = Region(0, IMAGE_HEADER.size + SEGMENT_HEADER.size)
    if len(data) > mapped.end:
        mapped = Region(mapped.end, mapped.end + SEGMENT_HEADER.unpack_from(data, IMAGE_HEADER.size)[1])
    parts: tuple[BootPart, ...] = ()
    crc = ""
    try:
        boot = read_image(data, name=image.name, base=mapped.end)
        parts, crc = (BootPart(mapped.end, boot),), _crc(data, boot.end)
        if crc == "wrong":
            problems.append(Problem("image-checksum", f"{image.name}: the CRC-32 at its end is wrong: bytes changed"))
    except ImageError as error:
        problems.append(Problem(error.code, error.message))
    proven = parts[0].image.end + _CRC.size if crc == "right" else 0
    stretches = tuple(_stretches(data, address or 0, parts, code_first=True, proven=proven))
    return FileReport(image, address, "0xEA image", "ESP8266", False, parts, crc, proven, stretches)  # noqa: FBT003


def _crc(data: bytes, end: int) -> str:
    """The CRC-32 that follows the checksum (facts: image-flashmap §4.2); files of older tools have none."""
    if len(data) < end + _CRC.size:
        return "none"
    plain = zlib.crc32(data[:end])
    expected = ~plain & 0xFFFFFFFF if plain >> 31 else plain + 1
    return "right" if _CRC.unpack_from(data, end)[0] == expected else "wrong"


def _plain_report(image: Image, address: int | None, what: str) -> FileReport:
    if what.startswith("NodeMCU IROM"):
        address = SPLIT_ADDRESS if address is None else address
    chip = "ESP8266" if "IROM" in what or "ESP8266" in what or what == "SDK init data" else ""
    stretches = tuple(_rest(image.data, 0, address or 0)) if address is not None else ()
    return FileReport(image, address, what, chip, False, (), "", 0, stretches)  # noqa: FBT003


# --- the map ---------------------------------------------------------------------------------------------------------


def _stretches(
    data: bytes, at: int, parts: Sequence[BootPart], *, code_first: bool = False, proven: int = 0
) -> Iterator[Stretch]:
    """The file in pieces, in the order of addresses; a CRC has proven the first `proven` bytes."""
    done = 0
    for part in parts:
        if code_first and part.offset:
            kind = "checked" if proven else "code"
            yield Stretch(Region(at, at + part.offset), kind, "code that runs from flash")
        else:
            yield from _rest(data[: part.offset], done, at, "checked" if proven > done else "")
        mapped = any(segment.address in _MEMORY[2][0] for segment in part.image.segments)
        what = "sketch" if mapped else "code and data loaded to RAM"
        yield Stretch(Region(at + part.offset, at + part.image.end), "checked", f"{what}, under a checksum")
        done = part.image.end
    if done < proven:
        yield Stretch(Region(at + done, at + proven), "checked", "CRC-32")
    yield from _rest(data, max(done, proven), at)


def _rest(data: bytes, start: int, at: int, checked: str = "") -> Iterator[Stretch]:
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
        yield Stretch(Region(at + done, at + end), checked if kind == "code" and checked else kind, what)
        done = end


def _kind(data: bytes, start: int, end: int, *, is_table: bool = False) -> str:
    piece = data[start:end]
    if piece.count(0xFF) == len(piece):
        return "blank"
    return "table" if is_table and parse_partitions(piece) else "code"


def memory_name(address: int) -> str:
    """What a load address of the ESP8266 is: `data RAM`, `instruction RAM`, `mapped flash`."""
    return next((name for where, name in _MEMORY if address in where), "unknown memory")
