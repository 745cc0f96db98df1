"""Which function and line an address of the running firmware belongs to, read from its ELF.

Formats: the System V ABI (ELF32, little-endian) and DWARF 2 to 4 `.debug_line`, which the ESP8266 toolchains write
(gcc 4.8 to 10); later line tables are passed over, and the function is named alone.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashpipe.errors import ImageMissingError, NotAnImageError
from flashpipe.files import read_regular
from flashpipe.values import dataclass

XTENSA: Final = 94
"""`e_machine` of Tensilica Xtensa."""
CODE: Final = ((0x40000000, 0x40010000), (0x40100000, 0x40110000), (0x40200000, 0x40300000))
"""ROM, instruction RAM and mapped flash (facts: esp8266 §2.5; the map of the SDK's linker scripts)."""
_WORD: Final = re.compile(r"\b(?:0x)?(40[0-2][0-9a-fA-F]{5})\b")
_CRASH: Final = re.compile(
    r"\b(?:epc[123]|excvaddr|depc)\s*[=:]\s*0x|^[0-9a-f]{8}:\s+(?:[0-9a-f]{8}\s*){2,}|>>>stack>>>"
)
"""Lines of a crash: the registers, and the words of its stack."""
_SECTION: Final = struct.Struct("<IIIIIIIIII")
_SYMBOL: Final = struct.Struct("<IIIBBH")
_PROGBITS: Final = 1
_SYMTAB: Final = 2
_ALLOC: Final = 2
"""Flag of sections that the program has in memory."""
_FUNCTION: Final = 2
_NEWEST: Final = 4
"""Newest version of line tables that is read."""


@dataclass(frozen=True, slots=True)
class Elf:
    """Functions and lines, sorted by address."""

    functions: tuple[tuple[int, int, str], ...]
    """Address, size in bytes (0 where the ELF has none), name; an empty one names nothing there."""
    lines: tuple[tuple[int, str], ...]
    """First address of a run of code, and `file:line`; an empty text ends one."""
    code: tuple[tuple[int, bytes], ...] = ()
    """Address and bytes of each section that is code or stands beside it."""
    entry: int = 0
    """Where the program starts."""

    def where(self, address: int) -> str:
        """`user_init+0x12 (user_main.c:123)`; empty where nothing is known."""
        at = bisect_right(self.functions, (address, 1 << 32, "")) - 1
        if at < 0:
            return ""
        start, size, name = self.functions[at]
        if size and address >= start + size:
            return ""
        line = bisect_right(self.lines, (address, "\x7f" * 8)) - 1
        place = self.lines[line][1] if line >= 0 else ""
        return f"{name}+{address - start:#x}" + (f" ({place})" if place else "") if name else ""

    def explain(self, line: str) -> list[str]:
        """One line for each address of code in a line of a crash; none for any other line."""
        if not _CRASH.search(line):
            return []
        words = dict.fromkeys(int(word, 16) for word in _WORD.findall(line))
        known = ((word, self.where(word)) for word in words if any(low <= word < high for low, high in CODE))
        return [f"  {word:#010x} is in {place}" for word, place in known if place]


LARGEST: Final = 256 * 1024 * 1024
"""Bytes of an ELF, its debugging information included."""


def read_elf(path: Path) -> Elf:
    """The functions and lines of a firmware's ELF.

    Raises:
        ImageMissingError: there is no such file.
        NotAnImageError: it is no ELF of this chip, a damaged one, or one without names.
    """
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        raise ImageMissingError(
            f"{path}: {error.strerror}", "name the .elf file of the build in firmware.elf"
        ) from None
    if data[:6] != b"\x7fELF\x01\x01" or data[18:20] != struct.pack("<H", XTENSA):
        raise NotAnImageError(f"{path}: no ELF of an ESP8266", "firmware.elf is the .elf file that the linker wrote")
    try:
        sections = _sections(data)
        functions = tuple(sorted(_functions(data, sections)))
        if not functions:
            raise NotAnImageError(f"{path}: has no names of functions", "name the .elf file as it was before `strip`")
        table = next((data[s[4] : s[4] + s[5]] for name, s in sections if name == ".debug_line"), b"")
        (entry,) = struct.unpack_from("<I", data, 0x18)
        return Elf(functions, tuple(sorted(_lines(table))), tuple(_code(data, sections)), entry)
    except (struct.error, IndexError, ValueError) as error:
        raise NotAnImageError(f"{path}: a damaged ELF ({error})", "build it again") from None


def _sections(data: bytes) -> list[tuple[str, tuple[int, ...]]]:
    (start,) = struct.unpack_from("<I", data, 0x20)
    size, count, names = struct.unpack_from("<HHH", data, 0x2E)
    headers = [_SECTION.unpack_from(data, start + size * number) for number in range(count)]
    return [(_text(data, headers[names][4] + header[0]), header) for header in headers]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode("utf-8", "replace")


def _code(data: bytes, sections: list[tuple[str, tuple[int, ...]]]) -> Iterator[tuple[int, bytes]]:
    for _, (_, kind, flags, address, at, size, *_) in sections:
        if kind == _PROGBITS and flags & _ALLOC and any(low <= address < high for low, high in CODE):
            yield address, data[at : at + size]


def _functions(data: bytes, sections: list[tuple[str, tuple[int, ...]]]) -> Iterator[tuple[int, int, str]]:
    for _, header in sections:
        if header[1] != _SYMTAB:
            continue
        strings = sections[header[6]][1][4]
        for at in range(header[4], header[4] + header[5], _SYMBOL.size):
            name, value, size, info, _, section = _SYMBOL.unpack_from(data, at)
            if info & 15 == _FUNCTION and section:
                yield value, size, _text(data, strings + name)


# --- line tables -----------------------------------------------------------------------------------------------------


class _Reader:
    """Numbers of a line table."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def number(self, size: int) -> int:
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "little")

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def signed(self) -> int:
        start = self.at
        value = self.unsigned()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def text(self) -> str:
        text = _text(self.data, self.at)
        self.at = self.data.index(b"\0", self.at) + 1
        return text


def _lines(table: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at + 10 < len(table):
        (length,) = struct.unpack_from("<I", table, at)
        end = at + 4 + length
        (version,) = struct.unpack_from("<H", table, at + 4)
        if 2 <= version <= _NEWEST:  # noqa: PLR2004  DWARF 2
            yield from _unit(_Reader(table, at + 6, end), version)
        at = end


def _unit(read: _Reader, version: int) -> Iterator[tuple[int, str]]:
    program = read.number(4) + read.at
    step = read.number(1)
    read.at += 2 if version == _NEWEST else 1  # operations per instruction; default_is_stmt
    base, span, first = read.number(1), read.number(1), read.number(1)
    base -= 256 if base > 127 else 0  # noqa: PLR2004  a signed byte
    lengths = [read.number(1) for _ in range(first - 1)]
    while read.data[read.at]:
        read.text()  # folders: the file's name says enough
    read.at += 1
    files = [""]
    while read.data[read.at]:
        files.append(read.text())
        for _ in range(3):
            read.unsigned()
    read.at = program
    yield from _run(read, files, step, (base, span, first), lengths)


def _run(  # noqa: C901, PLR0912  the opcodes of DWARF, one branch each
    read: _Reader, files: list[str], step: int, special: tuple[int, int, int], lengths: list[int]
) -> Iterator[tuple[int, str]]:
    base, span, first = special
    address, file, line = 0, 1, 1

    def row() -> tuple[int, str]:
        name = files[file] if file < len(files) else "?"
        return address, f"{name}:{line}"

    while read.at < read.end:
        opcode = read.number(1)
        if opcode >= first:
            address += (opcode - first) // span * step
            line += base + (opcode - first) % span
            yield row()
        elif opcode == 0:
            size = read.unsigned()
            after, kind = read.at + size, read.number(1)
            if kind == 1:
                yield address, ""
                address, file, line = 0, 1, 1
            elif kind == 2:  # noqa: PLR2004  set_address
                address = read.number(size - 1)
            read.at = after
        elif opcode == 1:
            yield row()
        elif opcode == 2:  # noqa: PLR2004  advance_pc
            address += read.unsigned() * step
        elif opcode == 3:  # noqa: PLR2004  advance_line
            line += read.signed()
        elif opcode == 4:  # noqa: PLR2004  set_file
            file = read.unsigned()
        elif opcode == 8:  # noqa: PLR2004  const_add_pc
            address += (255 - first) // span * step
        elif opcode == 9:  # noqa: PLR2004  fixed_advance_pc
            address += read.number(2)
        else:
            for _ in range(lengths[opcode - 1]):
                read.unsigned()
