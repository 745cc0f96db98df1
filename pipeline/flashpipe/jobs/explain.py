"""A boot log alone: read from a file or a pipe, with what is known beside it. No board and no profile."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.board.boot.pasted import read_log
from flashpipe.board.diagnosis.explanation import Explanation, Known, explain_log
from flashpipe.errors import BadValueError, ImageMissingError
from flashpipe.files import read_regular
from flashpipe.firmware.elf import read_elf
from flashpipe.firmware.header_size import right_size
from flashpipe.flash import MODE_CODES, decode_size
from flashpipe.jobs.inspect import inspect
from flashpipe.units import parse_bool

CHIPS: Final = ("esp8266", "esp8285")
ANY_FLASH: Final = "16MB"
"""Flash size where none is known: nothing is refused for it."""


def explain(name: str, given: Mapping[str, str], folder: Path) -> Explanation:
    """Judge the log in a file, or on standard input where `name` is `-`; `given`: what is known beside it.

    Raises:
        BadValueError: a value that cannot be understood.
        SourceError: the log, or the image, cannot be had.
        ImageError: the ELF cannot be read.
    """
    known = read_given(given, folder)
    data = _bytes(name, folder)
    return explain_log(read_log(data), known, received=len(data.strip()))


LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a log that are looked at."""


def _bytes(name: str, folder: Path) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(LARGEST)
    try:
        return read_regular(folder / name, LARGEST)
    except OSError as error:
        hint = "name the file of a boot log, or - for what is piped in"
        raise ImageMissingError(f"{name}: {error.strerror}", hint) from error


def read_given(values: Mapping[str, str], folder: Path) -> Known:
    """What the variables of `flashpipe explain` say of board and firmware.

    Raises:
        BadValueError: a value that cannot be understood.
        SourceError: the image cannot be had.
        ImageError: the ELF cannot be read.
    """
    header = _header(values["image"], folder) if values.get("image") else Known()
    known = replace(
        header,
        mode=_choice(values, "mode", MODE_CODES) or header.mode,
        chip=_choice(values, "chip", CHIPS),
        verified=parse_bool(values.get("verified") or "0"),
    )
    return replace(known, places=read_elf(folder / values["elf"]).explain) if values.get("elf") else known


def _choice(values: Mapping[str, str], name: str, choices: Iterable[str]) -> str:
    value = values.get(name, "").lower()
    if value and value not in choices:
        raise BadValueError(
            f"{name}={value}: not one of {', '.join(choices)}", f"leave out {name}= where it is not known"
        )
    return value


def _header(image: str, folder: Path) -> Known:
    """Flash mode and size that the image's header names, and what its build can live with."""
    inspection = inspect(image, folder)
    first = next((part.image for file in inspection.files for part in file.parts), None)
    if first is None:
        return Known()
    mode = next((name for name, code in MODE_CODES.items() if code == first.mode_code), "")
    named = decode_size(first.size_code) or ""
    parts = {file.address or 0: file.image.data for file in inspection.files}
    return Known(mode=mode, size=named, right_size=right_size(inspection.firmware, parts, ANY_FLASH, named=named))
