"""Reading the image at flash address 0 the way the ROM does. Own code: the virtual board never asks the host side.

Layout (facts: image-flashmap §4.1): E9, segment count, mode, size and frequency, entry; then per segment address,
length and data; padding until length ≡ 15 (mod 16); one checksum byte, 0xEF XOR every data byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import reduce
from operator import xor
from typing import Final

from flashpipe.values import dataclass

MAGIC: Final = 0xE9
CHECKSUM_SEED: Final = 0xEF
HEADER: Final = struct.Struct("<BBBBI")
SEGMENT: Final = struct.Struct("<II")
READ_UNIT: Final = 16
"""The ROM reads flash in units of 16 bytes; `room` and `tail` in its log count within one of them (facts §2.4)."""

LOAD_LIMIT: Final = 0x14000
"""A longer segment fits nowhere in RAM: the ROM would write over itself. Largest range: 80 KB of data RAM (§4.1)."""

SIZES: Final = {
    0: 0x80000, 1: 0x40000, 2: 0x100000, 3: 0x200000, 4: 0x400000,
    5: 0x200000, 6: 0x400000, 7: 0x400000, 8: 0x800000, 9: 0x1000000,
}  # fmt: skip
"""Flash size in bytes by the high nibble of header byte 3 (facts: image-flashmap §4.1, §5.3)."""

SPEEDS: Final = {0: 40_000_000, 1: 26_700_000, 2: 20_000_000, 15: 80_000_000}
"""SPI clock in Hz by the low nibble of header byte 3, as node.info prints it (facts: usb-nodemcu §9.4)."""


@dataclass(frozen=True, slots=True)
class Header:
    """The eight bytes at the start of an image."""

    magic: int
    segments: int
    mode: int
    size_frequency: int
    entry: int

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """From the first eight bytes."""
        return cls(*HEADER.unpack(data[: HEADER.size]))

    @property
    def size_code(self) -> int:
        """Flash size nibble."""
        return self.size_frequency >> 4

    @property
    def size(self) -> int:
        """Flash size the header claims, in bytes; 512 KB for an unknown nibble (facts: usb-nodemcu §9.4)."""
        return SIZES.get(self.size_code, 0x80000)

    @property
    def speed(self) -> int:
        """SPI clock in Hz; 40 MHz for an unknown nibble."""
        return SPEEDS.get(self.size_frequency & 15, 40_000_000)


@dataclass(frozen=True, slots=True)
class Load:
    """One segment as the ROM log reports it."""

    address: int
    length: int
    room: int
    """Bytes of the current 16-byte flash read still unused when the segment's data begins."""
    held_over: tuple[int, int, int] | None
    """`ho`, `tail` and `room` of the line printed when this segment's header straddles two flash reads."""
    tail: int = 0
    checksum: int = 0
    whole: bool = True
    """False where no data can be loaded: the header itself is nonsense (image cut short)."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What the ROM finds in the image."""

    header: Header
    loads: tuple[Load, ...]
    computed: int
    stored: int | None
    """The checksum byte; None if the ROM never got that far."""
    end: int
    """First address after the image."""

    @property
    def good(self) -> bool:
        """Whether the ROM starts the program."""
        return self.header.magic == MAGIC and self.stored == self.computed


class _Cursor:
    """The ROM's position in its 16-byte buffer: `begin` is where the last segment's data began in it (0 = at a
    fresh read), `used` how much of it that segment took.

    Captures fix the rule: after `tail 12` the four bytes left cannot hold a segment header, and the ROM says
    `ho 0 tail 12 room 4`; after an empty segment in room 4 it says `ho 12 tail 0 room 4` (tests/sim/chip/data).
    """

    def __init__(self) -> None:
        self.begin, self.used = 0, 0
        self.left = READ_UNIT
        self.first = True

    def header(self) -> tuple[int, tuple[int, int, int] | None]:
        """Take a segment header from the buffer: the room after it, and the hold-over if it straddles."""
        if self.first:  # image header and first segment header fill exactly one read: the data gets a fresh one
            self.first = False
            return READ_UNIT, None
        held = None
        if 0 < self.left < SEGMENT.size:
            held = (self.begin, self.used, self.left)
        needed = SEGMENT.size - self.left
        self.left = READ_UNIT - needed if needed > 0 else self.left - SEGMENT.size
        return self.left, held

    def data(self, length: int) -> int:
        """Take a segment's data: the `tail` to print."""
        if length <= self.left:
            # Unconfirmed for 0 < length < room: only empty and exactly fitting segments are in the captures.
            self.begin, self.used = READ_UNIT - self.left, 0 if length == self.left else length
            self.left -= length
            return self.used
        self.begin, self.used = 0, (length - self.left) % READ_UNIT
        self.left = -self.used % READ_UNIT
        return self.used


def walk(read: Callable[[int, int], bytes]) -> Walk:
    """Follow the image at address 0 as the ROM does; `read(address, length)` gives flash contents."""
    header = Header.parse(read(0, HEADER.size))
    at, checksum = HEADER.size, CHECKSUM_SEED
    loads: list[Load] = []
    if header.magic != MAGIC:
        return Walk(header, (), checksum, None, at)
    cursor = _Cursor()
    for _ in range(header.segments):
        address, length = SEGMENT.unpack(read(at, SEGMENT.size))
        room, held = cursor.header()
        if length > LOAD_LIMIT:
            loads.append(Load(address, length, room, held, whole=False))
            return Walk(header, tuple(loads), checksum, None, at)
        at += SEGMENT.size
        checksum ^= reduce(xor, read(at, length), 0)
        at += length
        loads.append(Load(address, length, room, held, cursor.data(length), checksum))
    at |= 15
    return Walk(header, tuple(loads), checksum, read(at, 1)[0], at + 1)
