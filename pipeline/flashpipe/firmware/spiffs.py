"""NodeMCU's SPIFFS as it stands in flash: where one is, and where which firmware looks for one.

Every block bears a mark: 16 bits near the end of its first page, made of the page size and of the number of blocks from
it to the end of the file system. So any block tells where the end is, and from there the start is found by halving.
NodeMCU has written marks since 1.5.4.1, and the format of what lies between them has not changed from there to 3.0.0
(read from nodemcu-firmware's tags 1.5.4.1-master_20160802 to 3.0.0-release_20240225: spiffs_config.h, spiffs_nucleus.h,
spiffs.c; facts: image-flashmap §5.4).

From October 2016 (commit 0ee1ab68) to August 2017 (tags 1.5.4.1-master_20161201 to 2.1.0-master_20170811) the marks
were made by another rule, and a firmware of one rule formats a file system of the other: seen with executed images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

Read = Callable[[Region], bytes]
"""The flash contents of a region."""

MarkRule = Literal["usual", "early"]
"""How the marks of blocks are made; `early`: as NodeMCU did in 2016 and 2017."""

BLOCK: Final = 0x2000
SMALL_BLOCK: Final = 0x1000
"""Block of a file system that would have fewer than four of 8 KiB."""
MIN_BLOCKS: Final = 4
LARGE_FLASH: Final = 700_000
"""Up to SDK 2.x: above this many usable bytes a file system begins at a multiple of 64 KiB, with 64 KiB to spare."""
ROOMY: Final = 400_000
"""Up to SDK 2.x: unless that leaves less than this."""
WIDE: Final = 0x10000
SEARCH_STEPS: Final = 8
PARAMETERS: Final = 5 * SECTOR_SIZE
"""What the SDK up to 2.x keeps for itself at the end of the flash (facts: image-flashmap §5.1)."""

_MARK: Final = 0x0529 ^ 0x100
_MARK_AT: Final = 0x100 - 4
_UNMARKED: Final = 0xFFFF ^ _MARK
_MOST_BLOCKS: Final = 0x1000000 // SMALL_BLOCK
_LOWEST: Final = 0x10000
_MIB: Final = 0x100000
_HIGHEST_START: Final = 0x180000
"""Above the largest firmware, 1 MiB of mapped flash, and all that a search adds to its end."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A SPIFFS in flash."""

    start: int
    blocks: int
    block: int = BLOCK
    """Bytes of one block."""
    marks: MarkRule = "usual"

    @property
    def region(self) -> Region:
        """Where it stands."""
        return Region(self.start, self.start + self.blocks * self.block)

    def mark(self, index: int) -> int:
        """The mark of one of its blocks."""
        return mark(self.blocks, index, self.marks)

    def seems_to_begin(self, address: int) -> bool:
        """Whether a firmware that looks there would find one: the rest of a file system looks like a smaller one.

        Early marks do not: only the first blocks count down by one.
        """
        index, odd = divmod(address - self.start, self.block)
        return not odd and 0 <= index <= (self.blocks - MIN_BLOCKS if self.marks == "usual" else 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a firmware looks for a file system, and the room that it would give it."""

    start: int
    end: int

    def accepts(self, files: FileSystem) -> bool:
        """Whether it would use that file system as it is: a longer one than its room it formats."""
        return files.start == self.start and files.region.end <= self.end


def file_system_at(read: Read, start: int, *, known: bool = False) -> FileSystem | None:
    """The file system that begins exactly there, by the rules of SPIFFS itself.

    Three marks are read, of which one may be missing: that of a block whose erase was cut short. The first may be
    missing only where it is `known` that one begins there: blank flash before a file system looks the same.
    """
    rules: tuple[tuple[MarkRule, int], ...] = (("usual", 2), ("early", 3))
    for block in (BLOCK, SMALL_BLOCK):
        first, second, third = (_blocks_from(read, start + index * block) for index in range(3))
        for rule, step in rules:
            if (second == _UNMARKED and first == third + step) or (third == _UNMARKED and first == second + 1):
                blocks = first
            elif second == third + step - 1 and (first == second + 1 or (known and first == _UNMARKED)):
                blocks = second + 1
            else:
                continue
            if MIN_BLOCKS <= blocks <= _MOST_BLOCKS:
                return FileSystem(start, blocks, block, _rule_of(read, start, block, blocks) or rule)
    return None


def _rule_of(read: Read, start: int, block: int, blocks: int) -> MarkRule | None:
    """By the fourth block, which no rule marks as another does; None where it has no mark."""
    number = _blocks_from(read, start + 3 * block) & 0xFFFF
    rules: tuple[MarkRule, ...] = ("usual", "early")
    return next((rule for rule in rules if number == mark(blocks, 3, rule) ^ _MARK), None)


def mark(blocks: int, index: int, rule: MarkRule = "usual") -> int:
    """The mark of a block of a file system of so many, 16 bits."""
    if rule == "early":
        index = (1 << index) - 1 if index < 3 else index << 2  # noqa: PLR2004  as spiffs_nucleus.h had it
    return (_MARK ^ (blocks - index)) & 0xFFFF


def mark_of(lookup: bytes) -> int:
    """The mark in the first page of a block, `mark` where it was made so."""
    return int.from_bytes(lookup[_MARK_AT : _MARK_AT + 2], "little")


def find_file_system(read: Read, flash_size: int) -> FileSystem | None:
    """A file system that NodeMCU up to SDK 2.x made on a flash of `flash_size` bytes, wherever it begins.

    Its last block is tried first, then multiples of 64 KiB: some thirty words at most are read.
    """
    usable = flash_size - PARAMETERS
    last = [(usable // block * block - block, block) for block in (BLOCK, SMALL_BLOCK)]
    steps = [(address, BLOCK) for address in range(2 * WIDE, min(_HIGHEST_START, usable), WIDE)]
    for address, block in (*last, *steps):
        blocks = _blocks_from(read, address)
        end = address + blocks * block
        if blocks > 0 and end <= usable:
            first = _first_block(read, end, block, blocks, wide=flash_size > _MIB)
            if first:
                return first
    return None


def surviving_file_system(read: Read, flash_size: int) -> FileSystem | None:
    """One that reaches to where NodeMCU of any line ends it, on a board whose firmware is gone; few words are read."""
    for end in (flash_size - PARAMETERS, flash_size - 3 * SECTOR_SIZE, flash_size):
        for block in (BLOCK, SMALL_BLOCK):
            last = end // block * block - block
            if _blocks_from(read, last) == 1:
                system = _first_block(read, last + block, block, 1, wide=False)
                if system:
                    return system
    return None


def _first_block(read: Read, end: int, block: int, known: int, *, wide: bool) -> FileSystem | None:
    """By halving: the block `count` blocks before the end bears the mark `count`, if it belongs to it.

    `wide`: this flash is so large that it can only begin at a multiple of 64 KiB.
    """
    low, high = known, (end - _LOWEST) // block
    while low < high:
        middle = (low + high + 1) // 2
        # A block that was erased when the power went has no mark: its successor answers for it.
        if any(_blocks_from(read, end - count * block) == count for count in (middle, middle - 1) if count):
            low = middle
        else:
            high = middle - 1
    for start in (end - low * block, end - (low - 1) * block):
        files = file_system_at(read, start, known=wide and not start % WIDE)
        if files and files.block == block:
            return files
    return None


def _blocks_from(read: Read, address: int) -> int:
    """What the mark of a block says; a large number where there is none."""
    at = address + _MARK_AT
    return int.from_bytes(read(Region(at, at + 2)), "little") ^ _MARK


def places_up_to_2x(code_end: int, flash_size: int) -> Iterator[Place]:
    """Where NodeMCU up to SDK 2.x looks for a file system, in its order (app/spiffs/spiffs.c at 2.2.1)."""
    usable = flash_size - PARAMETERS
    for step in [WIDE] * (usable >= LARGE_FLASH) + [BLOCK]:
        for index in range(SEARCH_STEPS):
            start = _up(code_end + index * step, step)
            for block in (SMALL_BLOCK, BLOCK):
                end = start + (usable - start) // block * block
                if end - start >= MIN_BLOCKS * block:
                    yield Place(start, end)


def new_place_up_to_2x(code_end: int, flash_size: int) -> Region:
    """Where NodeMCU up to SDK 2.x makes a new file system; of size 0 or less where there is no room."""
    usable = flash_size - PARAMETERS
    start = _up(code_end, BLOCK)
    if usable >= LARGE_FLASH:
        wide = _up(code_end + WIDE, WIDE)
        start = wide if (usable - wide) // BLOCK * BLOCK >= ROOMY else _up(code_end + 4 * BLOCK, BLOCK)
    return Region(start, usable)


def place_in_partition(partition: Region) -> Place:
    """Where NodeMCU 3.x expects a file system in its SPIFFS partition (app/spiffs/spiffs.c at 3.0.0)."""
    return Place(_up(partition.start, BLOCK), partition.end // BLOCK * BLOCK)


def _up(address: int, step: int) -> int:
    return -(-address // step) * step


# --- by which rule a firmware marks ----------------------------------------------------------------------------------

_MARKING: Final = b"\xa5\x29"
"""Behind a byte that ends in 2: `movi aN, 0x529`, with which SPIFFS begins to make a mark. Two bytes are found fast; a
pattern with the first takes ten times as long."""
_MOVI: Final = 2
_SHIFT: Final = lazy_pattern(rb"\x00[\x10-\x1f]\x40")
"""`ssl aN`: by the early rule a power of two goes into it."""
_BEFORE: Final = 24
_SITES: Final = 3
"""Places in a firmware that make a mark: probing, mounting and erasing."""


def mark_rule(parts: Iterable[bytes]) -> MarkRule | None:
    """By which rule a NodeMCU firmware makes its marks, told by its code; None where that cannot be told.

    In each of nine images at hand, of five versions from 1.5.4.1 to 3.0, three places of the mapped code make a mark;
    in the four that were seen to make early marks a shift by a register comes 16 or 17 bytes before two of them, in the
    others nothing of the kind for 48 bytes.
    """
    shifts = [bool(_SHIFT.search(data, max(0, at - _BEFORE), at)) for data in parts for at in _marking(data)]
    if any(shifts):
        return "early" if sum(shifts) == _SITES - 1 else None
    return "usual" if len(shifts) >= _SITES else None


def _marking(data: bytes) -> Iterator[int]:
    at = data.find(_MARKING)
    while at > 0:
        if data[at - 1] & 0xF == _MOVI:
            yield at - 1
        at = data.find(_MARKING, at + 1)
