"""Registers that do nothing but remember what was written, or count: in buffers that a core may reach by itself.

Most accesses of a program are to such registers (18,000 of 25,000 in a boot of NodeMCU 3.0), and asking Python for each
is most of what they cost. The devices own them; what each access does is what `devices.device.Bus` does, which serves
every core that does not do the same by itself (`core.c` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum, IntFlag
from typing import Final

AREAS: Final = (
    range(0x60000000, 0x60002000),
    range(0x3FF20000, 0x3FF22000),
    range(0x60009600, 0x6000A000),
    range(0x3FF00000, 0x3FF00100),
)
"""Where there are such registers; core.c has the same ones in the same order."""
WORDS: Final = sum(len(area) for area in AREAS) // 4


class RegisterKind(IntFlag):
    """What a register is; 0 where only its device knows."""

    READ = 1
    """Reading gives what is remembered."""
    WRITE = 2
    """Writing is remembered, and changes nothing else."""
    CACHE = 4
    """So does writing the cache's control register, unless it chooses another megabyte of the flash."""
    FRC2 = 8
    """Reading gives FRC2's count."""
    TIME = 16
    """Reading gives the MAC's microseconds."""
    CLOCK = 32
    """One of those that count by themselves."""


class Counter(IntEnum):
    """Places in `counters`."""

    ALONE = 0
    """1 where a core need not tell of the accesses that it serves."""
    ASKED = 1
    """Registers that the program asks again and again: how many, since when, their addresses and last answers."""
    REPEATS = 2
    SINCE = 3
    LAST = 4
    AT = 5
    WORD = 8
    FRC2_ON = 11
    FRC2_COUNT = 12
    FRC2_SINCE = 13
    FRC2_DIVIDER = 14
    TIME_ORIGIN = 15
    ACTIVE_AT = 16
    TIME_ASKED_AT = 17
    TIME_ASKS = 18


_COUNTERS: Final = len(Counter) + 2 * 2
"""Three registers that are asked, not one."""
SIZE: Final = 8 * _COUNTERS + 5 * WORDS
"""Bytes of `RegisterFile.buffer`."""


def place(address: int) -> int:
    """The number of the word at an address, which is a multiple of 4; -1 where there is none."""
    first = 0
    for area in AREAS:
        if address in area:
            return first + (address - area.start) // 4
        first += len(area) // 4
    return -1


class RegisterFile:
    """The registers of one board."""

    def __init__(self) -> None:
        counters = 8 * _COUNTERS
        self.buffer = bytearray(SIZE)
        """Counters, words, kinds."""
        view = memoryview(self.buffer)
        self.counters = view[:counters].cast("Q")
        self.words = view[counters : counters + 4 * WORDS].cast("I")
        self.kinds = view[counters + 4 * WORDS :]
        self.counters[Counter.ALONE] = 1
        self.counters[Counter.FRC2_DIVIDER] = 1

    def mark(self, area: range, kind: RegisterKind) -> None:
        """The registers of an area, which lies in one of `AREAS`, are of a kind, too."""
        first, bits = place(area.start), int(kind)
        end = first + len(area) // 4
        self.kinds[first:end] = bytes(before | bits for before in self.kinds[first:end])

    def unmark(self, address: int, kind: RegisterKind) -> None:
        """A register is not of a kind."""
        if (at := place(address)) >= 0:
            self.kinds[at] &= ~int(kind)


class Words:
    """What the registers of one device remember, by address; 0 at first."""

    def __init__(self, file: RegisterFile, pages: Iterable[range]) -> None:
        self._words = file.words
        self._areas = [
            range(max(page.start, area.start), min(page.stop, area.stop)) for page in pages for area in AREAS
        ]

    def get(self, address: int, _default: int = 0) -> int:
        """The word at an address."""
        return self._words[place(address)]

    __getitem__ = get

    def __setitem__(self, address: int, value: int) -> None:
        self._words[place(address)] = value

    def update(self, words: Mapping[int, int]) -> None:
        """Remember several, by address."""
        for address, value in words.items():
            self[address] = value

    def items(self) -> Iterator[tuple[int, int]]:
        """Address and value of all that are not 0."""
        for area in self._areas:
            if area:
                first = place(area.start)
                for index, value in enumerate(self._words[first : first + len(area) // 4]):
                    if value:
                        yield area.start + 4 * index, value

    def clear(self) -> None:
        """Forget all."""
        for area in self._areas:
            if area:
                first, count = place(area.start), len(area) // 4
                self._words[first : first + count] = memoryview(bytes(4 * count)).cast("I")
