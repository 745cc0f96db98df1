"""A boot log alone: read from a file or a pipe, with what is known beside it. No board and no profile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.board.boot.pasted import read_log
from flashpipe.board.diagnosis.explanation import Explanation, Known, explain_log
from flashpipe.errors import BadValueError, ImageMissingError
from flashpipe.files import read_regular
from flashpipe.firmware.content_type import BOOT_MAGIC, CRLF_DAMAGE, DAMAGED, TEXT_BYTES, in_words
from flashpipe.firmware.data_files import describe_data
from flashpipe.firmware.elf_match import elf_of
from flashpipe.firmware.header_size import right_size
from flashpipe.firmware.inspection import Inspection
from flashpipe.flash import MODE_CODES, decode_size
from flashpipe.jobs.inspect import inspect
from flashpipe.next_steps import Advice, command
from flashpipe.units import parse_bool

CHIPS: Final = ("esp8266", "esp8285")
ANY_FLASH: Final = "16MB"
"""Flash size where none is known: nothing is refused for it."""


def explain(name: str, given: Mapping[str, str], folder: Path, notify: Callable[[str], None]) -> Explanation:
    """Judge the log in a file, or on standard input where `name` is `-`.

    Args:
        name: Of the file.
        given: What is known beside it.
        folder: Where files lie that are named without one.
        notify: Is told what of that cannot be used.

    Raises:
        BadValueError: a value that cannot be understood, or a firmware in place of its log.
        SourceError: the log, or the image, cannot be had.
        ImageError: the ELF cannot be read.
    """
    known = read_given(given, folder, notify)
    data = _bytes(name, folder)
    _refuse_other_files(name, data)
    return explain_log(read_log(data), known, received=len(data.strip()))


_TEXT: Final = 0.6
"""So much of a file is text in logs, with noise at their head (the least of 131: 0.86); of 150 firmware files, 0.53."""
_ENTRY: Final = b"\x10\x40"
"""How an entry point in instruction RAM ends, 0x4010xxxx; noise may begin with the magic of an image alone."""
_PERHAPS_NOISE: Final = frozenset({"unknown data", "empty file", "blank", "text", DAMAGED, CRLF_DAMAGE})
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


def _refuse_other_files(name: str, data: bytes) -> None:
    """Refuse a firmware, whose texts would be read as what a board has said, and archives."""
    if len(data.translate(None, TEXT_BYTES)) < (1 - _TEXT) * len(data) or (
        data[:1] == bytes((BOOT_MAGIC,)) and data[6:8] != _ENTRY
    ):
        return
    what = describe_data(data)
    if what not in _PERHAPS_NOISE:
        file = "what is piped in" if name == "-" else name
        raise BadValueError(
            f"explain: {file} is {in_words(what)}, and no boot log",
            Advice("name the file of a log; ", command("inspect", "FILE"), " says what a firmware holds"),
        )


def read_given(values: Mapping[str, str], folder: Path, notify: Callable[[str], None]) -> Known:
    """What the variables of `flashpipe explain` say of board and firmware.

    Raises:
        BadValueError: a value that cannot be understood.
        SourceError: the image cannot be had.
        ImageError: the ELF cannot be read.
    """
    inspection = inspect(values["image"], folder) if values.get("image") else None
    parts = {file.address or 0: file.image.data for file in inspection.files} if inspection else {}
    header = _header(inspection, parts) if inspection else Known()
    known = replace(
        header,
        mode=_choice(values, "mode", MODE_CODES) or header.mode,
        chip=_choice(values, "chip", CHIPS),
        verified=parse_bool(values.get("verified") or "0"),
    )
    return replace(known, places=elf_of(folder / values["elf"], parts, notify).explain) if values.get("elf") else known


def _choice(values: Mapping[str, str], name: str, choices: Iterable[str]) -> str:
    value = values.get(name, "").lower()
    if value and value not in choices:
        raise BadValueError(
            f"{name}={value}: not one of {', '.join(choices)}", f"leave out {name}= where it is not known"
        )
    return value


def _header(inspection: Inspection, parts: Mapping[int, bytes]) -> Known:
    """Flash mode and size that the image's header names, and what its build can live with."""
    first = next((part.image for file in inspection.files for part in file.parts), None)
    if first is None:
        return Known()
    mode = next((name for name, code in MODE_CODES.items() if code == first.mode_code), "")
    named = decode_size(first.size_code) or ""
    return Known(mode=mode, size=named, right_size=right_size(inspection.firmware, parts, ANY_FLASH, named=named))
