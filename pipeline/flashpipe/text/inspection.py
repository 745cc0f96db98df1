"""What an inspection found: lines and a picture for people, plain data for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flashpipe.firmware.boot_image import BootImage
from flashpipe.firmware.flash_map import areas
from flashpipe.firmware.inspection import FileReport, Inspection, memory_name
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_BYTES, SIZE_CODES
from flashpipe.text.to_scale import AREA_MARKS, WIDTH, drawn
from flashpipe.units import format_address, format_size

MARKS: Final = {"checked": "#", "table": "T", "code": "=", "data": "=", "blank": "."}
"""Kinds of stretches, the one first that shows where several share a character."""
DEFAULT_SIZE: Final = 0x400000
_LABEL: Final = 11


def describe(inspection: Inspection, flash_size: int = 0) -> str:
    """All of it, for people; `flash_size` in bytes for the picture, 0: what the header says, or what holds the file."""
    lines = [f"{' + '.join(file.image.name for file in inspection.files)}: {inspection.title}"]
    for file in inspection.files:
        lines += _file_lines(file, named=len(inspection.files) > 1)
    lines += _labelled("firmware", [", ".join(words) for words in _firmware_words(inspection) if words])
    lines += _labelled("modules", _wrapped(inspection.firmware.modules))
    stretches = [stretch for file in inspection.files for stretch in file.stretches]
    lines += _labelled("map", [f"{one.region}  {_size(one.region.size):>11}  {one.what}" for one in stretches])
    if stretches:
        lines += ["", picture(inspection, flash_size or drawn_size(inspection)), ""]
    lines += _labelled("problem", [f"{problem.message} [code: {problem.code}]" for problem in inspection.problems])
    lines += _labelled("next", dict.fromkeys(problem.next for problem in inspection.problems if problem.next))
    lines += _labelled("note", inspection.notes)
    return "\n".join(lines).rstrip()


def _labelled(label: str, values: Any) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"  {'' if number else label:<{_LABEL}}{value}"


def _wrapped(words: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _size(size: int) -> str:
    return f"{size:,} B"


def _file_lines(file: FileReport, *, named: bool) -> Iterator[str]:
    place = f" for {format_address(file.address)}" if file.address is not None else ""
    whole = ", a whole firmware" if file.whole else ""
    if named:
        yield f"  {file.image.name}"
    yield from _labelled("format", [f"{file.format}{whole}{place}"])
    yield from _labelled("size", [f"{_size(len(file.image.data))}, sha256 {file.image.sha256}"])
    for part in file.parts:
        image = part.image
        at = f" at {format_address(part.offset)}" if part.offset else ""
        yield from _labelled("header", [f"{', '.join(header_words(image))}; entry {image.entry:#010x}{at}"])
        yield from _labelled(
            "segments",
            [
                f"{segment.offset:#08x}  {_size(segment.size):>11}  to {segment.address:#010x}, "
                f"{memory_name(segment.address)}"
                for segment in image.segments
            ],
        )
        yield from _labelled("checksum", [f"{image.checksum:#04x}, right"])
    if file.crc:
        yield from _labelled("CRC-32", [file.crc])
    if file.parts:
        size = len(file.image.data)
        yield from _labelled("proven", [f"{_size(file.covered())} of {_size(size)} ({file.covered() / size:.1%})"])


def header_words(image: BootImage) -> tuple[str, str, str]:
    """Mode, size and frequency of an image's header, or their numbers where those have no names."""
    return (
        _word(MODE_CODES, image.mode_code, "mode"),
        _word(SIZE_CODES, image.size_code, "size"),
        _word(FREQUENCY_CODES, image.frequency_code, "frequency"),
    )


def _word(codes: Any, code: int, what: str) -> str:
    return next((name for name, known in codes.items() if known == code), f"{what} {code:#x}")


def _firmware_words(inspection: Inspection) -> Iterator[list[str]]:
    firmware = inspection.firmware
    for pairs in (
        (("branch", firmware.branch), ("commit", firmware.commit)),
        (("release", firmware.release), ("built", firmware.build_date)),
    ):
        yield [f"{name} {value}" for name, value in pairs if value]
    ssl = {True: "SSL", False: "no SSL", None: ""}[firmware.ssl]
    lfs = f"LFS {format_size(firmware.lfs_size)}" if firmware.lfs_size is not None else ""
    lua = f"Lua {firmware.lua}" if firmware.lua else ""
    numbers = f"{firmware.number_type} numbers" if firmware.number_type else ""
    yield [word for word in (lua, numbers, ssl, lfs) if word]
    sdk = f"SDK {firmware.sdk}" if firmware.sdk else ""
    line = f"SDK line {firmware.sdk_line}" if firmware.sdk_line else ""
    layout = f"flash layout {firmware.layout}" if firmware.layout else ""
    yield [word for word in (sdk, line, layout) if word]


# --- the picture -----------------------------------------------------------------------------------------------------


def drawn_size(inspection: Inspection) -> int:
    """Flash size for the picture, bytes: the header's, but never smaller than the files need."""
    end = max((stretch.region.end for file in inspection.files for stretch in file.stretches), default=0)
    boots = [file.parts[0].image for file in inspection.files if file.parts]
    named = SIZE_BYTES.get(_word(SIZE_CODES, boots[0].size_code, "")) if boots else None
    fitting = [size for size in sorted(set(SIZE_BYTES.values())) if size >= max(end, named or DEFAULT_SIZE)]
    return fitting[0] if fitting else end


def picture(inspection: Inspection, size: int) -> str:
    """Two lines to scale: what the files bring, and what the firmware keeps where on a flash of `size` bytes."""
    brought = [(one.region, MARKS[one.kind]) for file in inspection.files for one in file.stretches]
    known = areas(inspection.firmware, size) if inspection.firmware.family == "nodemcu" else ()
    marks = [(area.region, AREA_MARKS[area.name][0]) for area in known]
    lines = [f"  files      |{drawn(brought, list(MARKS.values()), size)}|"]
    flash = drawn(marks, [mark for mark, _ in AREA_MARKS.values()], size)
    if marks:
        lines.append(f"  flash      |{flash}|")
    half = WIDTH // 2
    lines.append(f"  {'':<{_LABEL}} {format_address(0):<{half}}{format_address(size):>{half}}")
    lines.append(
        f"  {'':<{_LABEL}} # under a checksum  = under none  . FF   (one character: {format_size(size // WIDTH)})"
    )
    legend = "  ".join(f"{mark} {what}" for mark, what in AREA_MARKS.values() if mark in flash)
    return "\n".join([*lines, *([f"  {'':<{_LABEL}} {legend}"] if legend else [])])


# --- for programs ----------------------------------------------------------------------------------------------------


def as_data(inspection: Inspection) -> dict[str, object]:
    """The same as plain data: addresses and sizes are numbers of bytes, what is unknown is empty or null."""
    firmware = inspection.firmware
    return {
        "title": inspection.title,
        "family": inspection.family,
        "version": firmware.version,
        "release": firmware.release,
        "branch": firmware.branch,
        "commit": firmware.commit,
        "built": firmware.build_date,
        "lua": firmware.lua,
        "numbers": firmware.number_type,
        "modules": list(firmware.modules),
        "ssl": firmware.ssl,
        "lfs_size": firmware.lfs_size,
        "sdk": firmware.sdk,
        "sdk_line": firmware.sdk_line,
        "layout": firmware.layout,
        "adjusts_size": firmware.adjusts_size,
        "files": [_file_data(file) for file in inspection.files],
        "problems": [
            {"code": problem.code, "message": problem.message, "next": problem.next} for problem in inspection.problems
        ],
        "notes": list(inspection.notes),
        "missing": inspection.missing,
    }


def _file_data(file: FileReport) -> dict[str, object]:
    return {
        "name": file.image.name,
        "origin": file.image.origin,
        "address": file.address,
        "size": len(file.image.data),
        "sha256": file.image.sha256,
        "format": file.format,
        "chip": file.chip,
        "whole": file.whole,
        "proven_bytes": file.covered(),
        "crc32": file.crc,
        "images": [
            {
                "offset": part.offset,
                **dict(zip(("mode", "size", "frequency"), header_words(part.image), strict=True)),
                "entry": part.image.entry,
                "checksum": part.image.checksum,
                "checksum_covers": part.image.covered(),
                "segments": [
                    {
                        "offset": segment.offset,
                        "size": segment.size,
                        "address": segment.address,
                        "memory": memory_name(segment.address),
                    }
                    for segment in part.image.segments
                ],
            }
            for part in file.parts
        ],
        "map": [
            {"start": one.region.start, "end": one.region.end, "kind": one.kind, "what": one.what}
            for one in file.stretches
        ],
    }
