"""Flash geometry and the settings an ESP8266 image header carries. Addresses and sizes are bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

SECTOR_SIZE: Final = 0x1000
"""Smallest erasable unit of the SPI flash (esptool 5.6 `ESPLoader.FLASH_SECTOR_SIZE`)."""
BLOCK_SIZE: Final = 0x10000
"""The larger erase unit the stub uses where aligned (facts: stub-executed §5)."""

MODE_CODES: Final[dict[str, int]] = {"qio": 0, "qout": 1, "dio": 2, "dout": 3}
"""Byte 2 of the image header (facts: image-flashmap §4.1)."""
FREQUENCY_CODES: Final[dict[str, int]] = {"40m": 0x0, "26m": 0x1, "20m": 0x2, "80m": 0xF}
"""Low nibble of byte 3 (facts: image-flashmap §4.1)."""
SIZE_CODES: Final[dict[str, int]] = {
    "512KB": 0,
    "256KB": 1,
    "1MB": 2,
    "2MB": 3,
    "4MB": 4,
    "2MB-c1": 5,
    "4MB-c1": 6,
    "8MB": 8,
    "16MB": 9,
}
"""High nibble of byte 3: size and, for -c1, the 1024+1024 KB OTA map (facts: image-flashmap §4.1)."""
SIZE_BYTES: Final[dict[str, int]] = {
    name: int(name.removesuffix("-c1")[:-2]) * (1024 if "KB" in name else 1024**2) for name in SIZE_CODES
}
"""Capacity of each size name, in bytes."""


def size_name(size: int) -> str:
    """The plain (not -c1) name of a capacity in bytes, such as `4MB`; KeyError where the header has no code for it."""
    return {SIZE_BYTES[name]: name for name in SIZE_CODES if not name.endswith("-c1")}[size]


ANY_CHIP: Final = "any"
"""Chip of a plan that was made without a profile: that of the board."""


def decode_size(code: int) -> str | None:
    """The size name of a header's size nibble, None where the SDK defines none."""
    return next((name for name, value in SIZE_CODES.items() if value == code), None)


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A half-open range of flash addresses, `start <= address < end`, counted in bytes."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes in the region."""
        return self.end - self.start

    def sectors(self) -> Region:
        """The smallest sector-aligned region that contains this one."""
        return Region(self.start // SECTOR_SIZE * SECTOR_SIZE, -(-self.end // SECTOR_SIZE) * SECTOR_SIZE)

    def overlaps(self, other: Region) -> bool:
        """Whether the two have a byte in common."""
        return max(self.start, other.start) < min(self.end, other.end)

    def contains(self, other: Region) -> bool:
        """Whether every byte of `other` is in this region."""
        return self.start <= other.start and other.end <= self.end

    def common(self, other: Region) -> Region:
        """The bytes in both; of size zero or less where there are none."""
        return Region(max(self.start, other.start), min(self.end, other.end))

    def without(self, holes: Iterable[Region]) -> Iterator[Region]:
        """The parts of this region outside every hole, in order."""
        at = self.start
        for hole in sorted(holes):
            if hole.end <= at or hole.start >= self.end:
                continue
            if at < hole.start:
                yield Region(at, hole.start)
            at = max(at, hole.end)
        if at < self.end:
            yield Region(at, self.end)

    def split(self, step: int) -> Iterator[Region]:
        """Pieces that end at multiples of `step`, in order."""
        at = self.start
        while at < self.end:
            end = min(self.end, (at // step + 1) * step)
            yield Region(at, end)
            at = end

    def __str__(self) -> str:
        return f"{self.start:#08x}..{self.end:#08x}"


BOOT_SECTOR: Final = Region(0, SECTOR_SIZE)
"""With the header that the ROM looks for: a board without it starts nothing."""


def merge(regions: Iterable[Region]) -> list[Region]:
    """The same bytes as sorted regions that neither overlap nor touch."""
    merged: list[Region] = []
    for region in sorted(regions):
        if merged and region.start <= merged[-1].end:
            merged[-1] = Region(merged[-1].start, max(merged[-1].end, region.end))
        else:
            merged.append(region)
    return merged


def blank_blocks(address: int, data: bytes, within: Region | None = None) -> list[Region]:
    r"""Whole 64 KiB blocks, merged, in which `data` at `address` is blank: a flash gets there by erasing alone.

    within: where to look, inside of the data; everywhere if not given.

    >>> str(*blank_blocks(0xF000, b"x" * 0x1000 + b"\xff" * 0x20800))
    '0x010000..0x030000'
    """
    within = within or Region(address, address + len(data))
    return merge(
        Region(number * BLOCK_SIZE, (number + 1) * BLOCK_SIZE)
        for number in range(-(-within.start // BLOCK_SIZE), within.end // BLOCK_SIZE)
        if data.startswith(_BLANK_BLOCK, number * BLOCK_SIZE - address)
    )


_BLANK_BLOCK: Final = b"\xff" * BLOCK_SIZE


@dataclass(frozen=True, slots=True)
class FlashSettings:
    """What the image header tells the ROM about the flash part."""

    mode: str
    """Key of MODE_CODES."""
    size: str
    """Key of SIZE_CODES."""
    frequency: str
    """Key of FREQUENCY_CODES."""

    @property
    def capacity(self) -> int:
        """Bytes of flash that the size names."""
        return SIZE_BYTES[self.size]

    @property
    def frequency_mhz(self) -> int:
        """The clock that the firmware reads the flash with."""
        return int(self.frequency.removesuffix("m"))

    def header_bytes(self) -> bytes:
        """Bytes 2 and 3 of the image header."""
        return bytes((MODE_CODES[self.mode], SIZE_CODES[self.size] << 4 | FREQUENCY_CODES[self.frequency]))

    def __str__(self) -> str:
        return f"{self.size} {self.mode} {self.frequency}"


def settings_in(header: bytes) -> FlashSettings:
    """What the header of an image (its first four bytes) says; 4MB, dio and 40m stand for codes that nobody knows.

    >>> str(settings_in(bytes((0xE9, 1, 3, 0x2F)))), str(settings_in(b""))
    ('1MB dout 80m', '4MB dio 40m')
    """
    mode, rest = header[2:4] if len(header) > 3 else (MODE_CODES["dio"], SIZE_CODES["4MB"] << 4)  # noqa: PLR2004
    modes = {code: name for name, code in MODE_CODES.items()}
    frequencies = {code: name for name, code in FREQUENCY_CODES.items()}
    size = decode_size(rest >> 4) or "4MB"
    return FlashSettings(modes.get(mode, "dio"), size, frequencies.get(rest & 0xF, "40m"))
