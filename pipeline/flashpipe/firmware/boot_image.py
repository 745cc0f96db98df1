"""The version-1 ("E9") image that the ESP8266's ROM loads from flash address 0 (facts: image-flashmap §4.1).

    0        E9, segment count, flash mode, flash size and frequency
    4        entry point
    8        for each segment: load address, size, data
    ...      zeros, until the last byte of a 16-byte row: the checksum, EF xor every byte of segment data

The headers are not under the checksum, so setting bytes 2 and 3 needs no new one.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import field
from typing import Final

from flashpipe.errors import ImageChecksumError, ImageTruncatedError, LoadAddressError, NotAnImageError
from flashpipe.flash import FlashSettings
from flashpipe.units import format_address, format_size
from flashpipe.values import dataclass

IMAGE_HEADER: Final = struct.Struct("<BBBBI")
"""Magic, segment count, flash mode, flash size/frequency, entry point."""
assert IMAGE_HEADER.size == 8  # noqa: PLR2004  the documented size
SEGMENT_HEADER: Final = struct.Struct("<II")
"""Load address, size in bytes."""
assert SEGMENT_HEADER.size == 8  # noqa: PLR2004  the documented size
CHECKSUM_SEED: Final = 0xEF
"""Start of the checksum (facts: image-flashmap §4.1)."""
MAX_SEGMENTS: Final = 16
"""More are refused by esptool's `verify` (facts: image-flashmap §4.1)."""
MAPPED: Final = ((0x40200000, 0x40300000),)
"""The MiB of flash that is mapped for execution; the ROM cannot load to it, a second boot loader only maps it."""
LOADABLE: Final = ((0x3FFE8000, 0x40000000), (0x40100000, 0x40110000))
"""Half-open ranges the ROM can load to: data RAM, and instruction RAM with the 32 KB it lends to the flash cache once
code runs from flash (real boot loaders sit there, at 0x4010F000; NodeMCU's early code at 0x4010E000: §4.1)."""
SPLIT_ADDRESS: Final = 0x10000
"""Where the second file of a NodeMCU pair stands (facts: image-flashmap §4.4)."""

GET_AGAIN: Final = "download or build it again and compare the size with the one at its source"


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware file as it came."""

    name: str
    """File name, for people."""
    data: bytes = field(repr=False)
    origin: str
    """The source text as it was given."""
    begins: int | None = None
    """Flash address of its first byte, where the file itself says one."""

    @property
    def sha256(self) -> str:
        """Digest of the whole file, hex."""
        return _sha256(self.data)


@functools.lru_cache(maxsize=16)
def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class LoadSegment:
    """Bytes that the ROM copies to RAM: `size` bytes from `offset` of the file to `address`."""

    address: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class BootImage:
    """A parsed version-1 image."""

    mode_code: int
    """Byte 2; `flash.MODE_CODES` has the names."""
    size_code: int
    """High nibble of byte 3; `flash.SIZE_CODES`."""
    frequency_code: int
    """Low nibble of byte 3; `flash.FREQUENCY_CODES`."""
    entry: int
    segments: tuple[LoadSegment, ...]
    checksum: int
    """As computed from the segments."""
    end: int
    """Offset just after the checksum byte; what follows is under no checksum."""

    def covered(self) -> int:
        """Bytes of the file that the checksum covers."""
        return sum(segment.size for segment in self.segments)


def read_image(data: bytes, *, name: str, base: int = 0, mapped: bool = False, proven: bool = True) -> BootImage:
    """Read the image at offset `base`.

    Args:
        data: the file.
        name: of the file, for people.
        base: where its header stands.
        mapped: it is one for a second boot loader, which may map segments from flash.
        proven: refuse it if its checksum does not hold.

    Raises:
        ImageTruncatedError: ends inside a segment or before the checksum.
        LoadAddressError: a segment or the entry point lies outside the RAM.
        ImageChecksumError: the checksum does not match the segments.
        NotAnImageError: no segments, or too many.
    """
    if len(data) < base + IMAGE_HEADER.size:
        raise ImageTruncatedError(f"{name}: ends after {len(data):,} bytes, inside the image header", GET_AGAIN)
    _, count, mode, packed, entry = IMAGE_HEADER.unpack_from(data, base)
    if not 1 <= count <= MAX_SEGMENTS:
        raise NotAnImageError(
            f"{name}: segment count {count} at offset {base + 1:#x}, want 1 to {MAX_SEGMENTS}: not an ESP8266 image",
            GET_AGAIN,
        )
    segments = tuple(_segments(data, name, base, count, mapped=mapped))
    end = base + ((segments[-1].offset + segments[-1].size - base) | 15) + 1
    if len(data) < end:
        raise ImageTruncatedError(
            f"{name}: ends at {len(data):#x}, before its checksum byte at {end - 1:#x}", GET_AGAIN
        )
    if not _within(LOADABLE, entry, 1):
        raise LoadAddressError(f"{name}: entry point {entry:#010x} is outside the RAM of an ESP8266", GET_AGAIN)
    actual = checksum(data, segments)
    if proven and actual != data[end - 1]:
        raise ImageChecksumError(
            f"{name}: checksum at offset {end - 1:#x} is {data[end - 1]:#04x}, the segments give {actual:#04x}",
            "bytes were changed on the way: download or build it again",
        )
    return BootImage(mode, packed >> 4, packed & 0xF, entry, segments, actual, end)


def _segments(data: bytes, name: str, base: int, count: int, *, mapped: bool) -> Iterator[LoadSegment]:
    at = base + IMAGE_HEADER.size
    for number in range(1, count + 1):
        if len(data) < at + SEGMENT_HEADER.size:
            raise ImageTruncatedError(
                f"{name}: ends at {len(data):#x}, before segment {number} of {count}, which begins at {at:#x}",
                GET_AGAIN,
            )
        address, size = SEGMENT_HEADER.unpack_from(data, at)
        if not _within(LOADABLE + MAPPED if mapped else LOADABLE, address, size):
            raise LoadAddressError(
                f"{name}: segment {number} at offset {at:#x} goes to {address:#010x} ({format_size(size)}), "
                "outside the RAM of an ESP8266",
                GET_AGAIN,
            )
        at += SEGMENT_HEADER.size
        if len(data) < at + size:
            raise ImageTruncatedError(
                f"{name}: ends at {len(data):#x}, inside segment {number} of {count}, which ends at {at + size:#x}",
                GET_AGAIN,
            )
        yield LoadSegment(address, at, size)
        at += size


def checksum(data: bytes, segments: tuple[LoadSegment, ...]) -> int:
    """EF xor every byte of the segments' data."""
    folded = 0
    for segment in segments:
        # Xor of all bytes, 256 at a time: an integer of the whole segment is halved until one byte is left.
        folded ^= _fold(data[segment.offset : segment.offset + segment.size])
    return CHECKSUM_SEED ^ folded


def _fold(data: bytes) -> int:
    length = 1
    while length < len(data):
        length *= 2
    value = int.from_bytes(data, "little")
    while length > 1:
        length //= 2
        value = (value >> 8 * length) ^ (value & ((1 << 8 * length) - 1))
    return value


def _within(ranges: tuple[tuple[int, int], ...], address: int, size: int) -> bool:
    return any(start <= address and address + size <= end for start, end in ranges)


def is_aggregated(image: Image, boot: BootImage) -> bool:
    """Whether the file is a whole NodeMCU firmware: boot image, FF up to 0x10000, code (facts: image-flashmap §4.4)."""
    gap, code = image.data[boot.end : SPLIT_ADDRESS], image.data[SPLIT_ADDRESS:]
    return boot.end <= SPLIT_ADDRESS and gap.count(0xFF) == len(gap) and code.count(0xFF) != len(code)


def with_settings(data: bytes, settings: FlashSettings) -> bytes:
    """The same image with mode, size and frequency of `settings` in its header (bytes 2 and 3)."""
    return data[:2] + settings.header_bytes() + data[4:]


def describe_address(address: int) -> str:
    """`0x10000` as it stands on the command line and in file names: five digits at least."""
    return f"{address:#07x}" if address < 0x100000 else format_address(address)  # noqa: PLR2004  five hex digits
