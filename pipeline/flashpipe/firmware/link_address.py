"""For which flash address code was linked, which bytes it misses, and whether two files come from one build.

An ESP8266 runs code from flash through a window: flash address 0 is 0x40200000, and a second MiB is mapped over the
first. So code says itself where it belongs: its words hold addresses of its functions, and functions begin with
`addi a1, a1, -N`, the bytes 12 C1, at multiples of 4. Each pair of such a word and such a beginning, a whole number of
sectors apart, is a vote for one place. Measured on 96 files (NodeMCU 0.9 to 3.0, MicroPython, CircuitPython, Espruino,
Arduino, AT 1.0 to 1.7, rBoot): 39 to 945 votes for the right place, at most a quarter as many for any other; with 70 %
of a file cut off 11 to 200.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from flashpipe.firmware.boot_image import BootImage
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

WINDOW: Final = 0x100000
"""Bytes of flash that are mapped at once (facts: image-flashmap §4.4)."""
WINDOW_BASE: Final = 0x40200000
_SECTORS: Final = WINDOW // SECTOR_SIZE
_IN_SECTOR: Final = SECTOR_SIZE - 1
_PROLOGUE: Final = lazy_pattern(rb"\x12\xc1")
_IS_TOP: Final = bytes(byte == 0x40 for byte in range(256))  # noqa: PLR2004  0x402xxxxx
_IS_SECOND: Final = bytes(byte >> 4 == 2 for byte in range(256))  # noqa: PLR2004
_SET: Final = lazy_pattern(rb"\x01")
_VOTES_ENOUGH: Final = 16
_VOTES_AHEAD: Final = 2.5
"""How many times the second best place the best one has at least."""

_POINTERS_ENOUGH: Final = 16
_GONE_SHARE, _GONE_ENOUGH = 0.2, 20
"""Words of whole files that point to a place of code behind their end: at most 12.5 % of 657 (tables of the radio, and
texts with an @, look like some), mostly 1 %; of those that were cut to four fifths 18 % and more, mostly 61 %."""
_NEAR: Final = 0x10000
_NEAR_SHARE, _NEAR_ENOUGH = 0.03, 20
"""Those that point into the next 64 KiB: at most 12 in whole files, mostly 280 where a fifth was cut off."""

_LONGEST_HOLE: Final = 16
"""Sectors: more of them are room between parts."""
_PART: Final = 0x10000
"""Where the second part of a firmware begins, mostly with the code that follows room, or empty sectors of its own."""

_FIT_ENOUGH: Final = 12
_FIT_SUM: Final = 0.85
"""Share of addresses that make sense, the two directions added, less those that cannot be: 0.98 to 1.22 within each of
112 builds. Of 12,821 pairs of halves of two builds 39 have as much, which differ in a module or two."""
_INSIDE_WEIGHT: Final = 4
"""Of the places of the code that the image points to, at most 3 % seem to lie inside a function within a build."""
_FUNCTION: Final = 0x80
"""How far before a place its function's beginning is looked for: further off there are tables between them."""
_BEGINNING: Final = b"\x12\xc1"
_NARROW: Final = 8
"""From this on, the lowest four bits of an instruction say that it has two bytes and not three."""
_RETURNS: Final = (b"\x0d\xf0", b"\x80\x00\x00")
"""`ret.n` and `ret`: what stands before the function after it, but for zeros up to a multiple of 4."""
_ENDS: Final = lazy_pattern(rb"\x0d\xf0|\x80\0\0|\xa0[\0-\x0f]\0")
"""`ret.n`, `ret` and `jx`: behind them another function may begin, or a table."""
_TEXT: Final = lazy_pattern(rb"[\t\n\r -~]{4}")


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """Where the first byte of a file belongs, by the words in it."""

    address: int
    """In the first MiB of flash; the same place of another MiB will do as well."""
    votes: int
    second: int
    """Votes of the next best place."""

    def fits(self, address: int) -> bool:
        """Whether a file that stands at `address` stands where it was linked for."""
        return (address - self.address) % WINDOW == 0


@functools.lru_cache(maxsize=16)
def find_link(data: bytes) -> LinkAddress | None:
    """Where `data` belongs, None where its words do not prove it: too small, no code, or code for several places."""
    beginnings: dict[int, list[int]] = defaultdict(list)  # where in a sector, and in which ones
    for prologue in _PROLOGUE.finditer(data, 0, WINDOW):
        start = prologue.start()
        if not start & 3:
            beginnings[start & _IN_SECTOR].append(start // SECTOR_SIZE)
    votes = [0] * _SECTORS  # for each sector that the first byte may belong to
    for target in {target for target in flash_words(data) if not target & 3}:
        sector = target // SECTOR_SIZE
        for start in beginnings.get(target & _IN_SECTOR, ()):
            votes[(sector - start) % _SECTORS] += 1
    second, count = sorted(votes)[-2:]
    address = votes.index(count) * SECTOR_SIZE
    proven = count >= _VOTES_ENOUGH and count >= _VOTES_AHEAD * second
    return LinkAddress(address, count, second) if proven else None


@functools.lru_cache(maxsize=16)
def flash_words(data: bytes) -> tuple[int, ...]:
    """The aligned words of the first MiB that point into the window, as flash addresses."""
    data = data[: min(len(data), WINDOW) // 4 * 4]
    # Both upper bytes of all words at once, as two long numbers: a loop over the words takes five times as long.
    tops, seconds = data[3::4].translate(_IS_TOP), data[2::4].translate(_IS_SECOND)
    both = int.from_bytes(tops, "little") & int.from_bytes(seconds, "little")
    words = memoryview(data).cast("I") if sys.byteorder == "little" else struct.unpack(f"<{len(data) // 4}I", data)
    return tuple(words[mark.start()] & 0xFFFFF for mark in _SET.finditer(both.to_bytes(len(tops), "little")))


def misses_code(data: bytes, address: int, others: Iterable[Region] = ()) -> int:
    """How many words of a file at `address` point to code behind its end; 0 where that proves nothing.

    Code begins at multiples of 4: what looks like an address of another place is a piece of a table.

    Args:
        data: the file.
        address: where it stands.
        others: what other files bring; what lies there is not missing.
    """
    words = [word for word in flash_words(data) if word % 4 == 0]
    end, others = (address % WINDOW) + len(data), list(others)
    if len(data) > WINDOW or end > WINDOW:
        return 0
    gone = [word for word in words if word >= end and not any(_within(word, other) for other in others)]
    near = sum(word < end + _NEAR for word in gone)
    many = len(gone) >= max(_GONE_ENOUGH, _GONE_SHARE * len(words))
    return len(gone) if many or near >= max(_NEAR_ENOUGH, _NEAR_SHARE * len(words)) else 0


def empty_place(data: bytes, address: int) -> int | None:
    """A place in flash where a file at `address` has empty sectors in the middle of code; None where there is none.

    That is one that its words point to, in an empty sector between two others, or else the beginning of several: in the
    middle of what is packed with code, and where no other part of a firmware begins. None of 1065 whole images has such
    a place (NodeMCU 0.9 to 3.0, MicroPython, CircuitPython, Espruino, AT, rBoot and others); of single sectors that
    were blanked in them two in three have such a word.
    """
    start = address % WINDOW
    full = [not _is_empty(data[at : at + SECTOR_SIZE]) for at in range(0, len(data), SECTOR_SIZE)]
    runs = [run for run in _empty_runs(full) if run.start and run.stop < len(full)]
    single = {run.start for run in runs if len(run) == 1}
    targets = (word for word in flash_words(data) if word % 4 == 0 and (word - start) // SECTOR_SIZE in single)
    pointed = min(targets, default=None) if single else None
    if pointed is not None:
        return pointed
    places = (start + run.start * SECTOR_SIZE for run in runs if len(run) > 1 and _in_code(data, run, start))
    return next(places, None)


def _empty_runs(full: Sequence[bool]) -> Iterator[range]:
    """Numbers of sectors in a row that are empty."""
    begin = 0
    for number, is_full in enumerate((*full, True)):
        if is_full:
            if begin < number:
                yield range(begin, number)
            begin = number + 1


def _in_code(data: bytes, run: range, start: int) -> bool:
    """Whether empty sectors of a file that stands at `start` lie in the middle of what is packed with code."""
    begin, end = start + run.start * SECTOR_SIZE, start + run.stop * SECTOR_SIZE
    if len(run) > _LONGEST_HOLE or end % _PART == 0 or begin < _PART <= end:
        return False
    around = (run.start - 2, run.start - 1, run.stop, run.stop + 1)
    return all(_is_packed(data, number * SECTOR_SIZE) for number in around)


def _is_packed(data: bytes, at: int) -> bool:
    sector = data[at : at + SECTOR_SIZE] if at >= 0 else b""
    return len(sector) == SECTOR_SIZE and max(sector.count(0), sector.count(0xFF)) < SECTOR_SIZE // 2


def _is_empty(data: bytes) -> bool:
    return data.count(data[:1]) == len(data) and data[0] in {0, 0xFF}


def _within(word: int, region: Region) -> bool:
    return region.start % WINDOW <= word < region.start % WINDOW + region.size


def loaded_words(data: bytes, boot: BootImage) -> set[int]:
    """Flash addresses that the words of the image's segments point to."""
    pieces = (data[segment.offset : segment.offset + segment.size] for segment in boot.segments)
    return {target for piece in pieces for target in flash_words(piece)}


def of_one_build(data: bytes, boot: BootImage, code: bytes, address: int) -> bool | None:
    """Whether a boot image and code that stands at `address` were linked together; None where nothing tells.

    The image points to functions and texts of the code, the code to functions that the image loads to RAM. Between two
    builds one direction or the other leads into the middle of something: of two that differ little only some places do.
    """
    start = address % WINDOW
    outward = [word - start for word in loaded_words(data, boot) if start <= word < start + len(code)]
    inward = _ram_targets(data, boot, code)
    if len(outward) < _FIT_ENOUGH or len(inward) < _FIT_ENOUGH:
        return None
    good_outward = sum(_is_entry(code, at) or _is_text(code, at) for at in outward) / len(outward)
    good_inward = sum(piece is not None and _is_entry(piece, at) for piece, at in inward) / len(inward)
    inside = sum(_is_inside(code, at) for at in outward) / len(outward)
    return good_outward + good_inward - _INSIDE_WEIGHT * inside >= _FIT_SUM


def _ram_targets(data: bytes, boot: BootImage, code: bytes) -> Sequence[tuple[bytes | None, int]]:
    """For each address of instruction RAM in the code: the segment that is loaded there, and where in it."""
    pieces = [
        (segment.address, data[segment.offset : segment.offset + segment.size])
        for segment in boot.segments
        if segment.address >> 16 == 0x4010  # noqa: PLR2004  instruction RAM
    ]
    words = struct.unpack_from(f"<{len(code[:WINDOW]) // 4}I", code)
    targets = {word for word in words if word >> 16 == 0x4010}  # noqa: PLR2004
    places = []
    for target in targets:
        piece = next(((piece, target - at) for at, piece in pieces if at <= target < at + len(piece)), (None, 0))
        places.append(piece)
    return places


def _is_entry(data: bytes, at: int) -> bool:
    """Whether a function may begin there."""
    before = data[max(0, at - 4) : at]
    if at % 4 or not before:
        return False
    return data.startswith(_BEGINNING, at) or before.rstrip(b"\0").endswith(_RETURNS[0]) or _RETURNS[1] in before


def _is_inside(data: bytes, at: int) -> bool:
    """Whether a function that begins shortly before goes on there."""
    if at % 4 or _is_entry(data, at) or _is_text(data, at):
        return False
    begin = data.rfind(_BEGINNING, max(0, at - _FUNCTION), at)
    while begin % 4 and begin > 0:
        begin = data.rfind(_BEGINNING, max(0, at - _FUNCTION), begin)
    while 0 <= begin < at and not _ENDS.match(data, begin):
        begin += 2 if data[begin] & 0xF >= _NARROW else 3
    return begin >= at


def _is_text(data: bytes, at: int) -> bool:
    return 0 < at < len(data) and data[at - 1] == 0 and _TEXT.match(data, at) is not None
