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
from dataclasses import dataclass, field
from typing import Final, NoReturn

from pipeline.errors import (
    HeaderlessError,
    ImageChecksumError,
    ImageError,
    ImageTruncatedError,
    LineEndingsError,
    LoadAddressError,
    NotAnImageError,
    NotBootableError,
    OtherChipError,
)
from pipeline.firmware.content import (
    BOOT_MAGIC,
    DAMAGED,
    OTA_MAGIC,
    describe_content,
    excerpt,
    has_crlf_damage,
    looks_headerless,
    other_chip,
)
from pipeline.flash import FlashSettings
from pipeline.units import format_address, format_size

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

_GET_AGAIN: Final = "download or build it again and compare the size with the one at its source"


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware file as it came."""

    name: str
    """File name, for people."""
    data: bytes = field(repr=False)
    origin: str
    """The source text as it was given."""

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
    """A parsed version-1 image whose checksum holds."""

    mode_code: int
    """Byte 2; `flash.MODE_CODES` has the names."""
    size_code: int
    """High nibble of byte 3; `flash.SIZE_CODES`."""
    frequency_code: int
    """Low nibble of byte 3; `flash.FREQUENCY_CODES`."""
    entry: int
    segments: tuple[LoadSegment, ...]
    checksum: int
    """As stored, and as computed."""
    end: int
    """Offset just after the checksum byte; what follows is under no checksum."""

    def covered(self) -> int:
        """Bytes of the file that the checksum covers."""
        return sum(segment.size for segment in self.segments)


def parse_boot_image(image: Image) -> BootImage:
    """Read the image at the start of a file and check all that it can be checked by.

    Raises:
        NotAnImageError: a web page, an archive, text, an empty file …
        HeaderlessError: the second file of a split pair.
        NotBootableError: only a second boot loader could start it.
        OtherChipError: made for an ESP32 or one of its successors.
        LineEndingsError: went through a transfer in text mode.
        ImageTruncatedError: ends inside a segment or before the checksum.
        LoadAddressError: a segment or the entry point lies outside the RAM.
        ImageChecksumError: the checksum does not match the segments.
    """
    if image.data[:1] != bytes((BOOT_MAGIC,)):
        _refuse_other_magic(image)
    try:
        return read_image(image.data, name=image.name)
    except ImageError as error:
        _explain_damage(image, error)


def read_image(data: bytes, *, name: str, base: int = 0, mapped: bool = False) -> BootImage:
    """Read the image at offset `base`; with `mapped`, one for a second boot loader, which may map segments from flash.

    Raises:
        ImageTruncatedError: ends inside a segment or before the checksum.
        LoadAddressError: a segment or the entry point lies outside the RAM.
        ImageChecksumError: the checksum does not match the segments.
        NotAnImageError: no segments, or too many.
    """
    if len(data) < base + IMAGE_HEADER.size:
        raise ImageTruncatedError(f"{name}: ends after {len(data):,} bytes, inside the image header", _GET_AGAIN)
    _, count, mode, packed, entry = IMAGE_HEADER.unpack_from(data, base)
    if not 1 <= count <= MAX_SEGMENTS:
        raise NotAnImageError(
            f"{name}: segment count {count} at offset {base + 1:#x}, want 1 to {MAX_SEGMENTS}: not an ESP8266 image",
            _GET_AGAIN,
        )
    segments = tuple(_segments(data, name, base, count, mapped=mapped))
    end = base + ((segments[-1].offset + segments[-1].size - base) | 15) + 1
    if len(data) < end:
        raise ImageTruncatedError(
            f"{name}: ends at {len(data):#x}, before its checksum byte at {end - 1:#x}", _GET_AGAIN
        )
    if not _within(LOADABLE, entry, 1):
        raise LoadAddressError(f"{name}: entry point {entry:#010x} is outside the RAM of an ESP8266", _GET_AGAIN)
    found = checksum(data, segments)
    if found != data[end - 1]:
        raise ImageChecksumError(
            f"{name}: checksum at offset {end - 1:#x} is {data[end - 1]:#04x}, the segments give {found:#04x}",
            "bytes were changed on the way: download or build it again",
        )
    return BootImage(mode, packed >> 4, packed & 0xF, entry, segments, found, end)


def _segments(data: bytes, name: str, base: int, count: int, *, mapped: bool) -> Iterator[LoadSegment]:
    at = base + IMAGE_HEADER.size
    for number in range(1, count + 1):
        if len(data) < at + SEGMENT_HEADER.size:
            raise ImageTruncatedError(
                f"{name}: ends at {len(data):#x}, before segment {number} of {count}, which begins at {at:#x}",
                _GET_AGAIN,
            )
        address, size = SEGMENT_HEADER.unpack_from(data, at)
        if not _within(LOADABLE + MAPPED if mapped else LOADABLE, address, size):
            raise LoadAddressError(
                f"{name}: segment {number} at offset {at:#x} goes to {address:#010x} ({format_size(size)}), "
                "outside the RAM of an ESP8266",
                _GET_AGAIN,
            )
        at += SEGMENT_HEADER.size
        if len(data) < at + size:
            raise ImageTruncatedError(
                f"{name}: ends at {len(data):#x}, inside segment {number} of {count}, which ends at {at + size:#x}",
                _GET_AGAIN,
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


def _refuse_other_magic(image: Image) -> NoReturn:
    data, what = image.data, describe_content(image.data)
    chip = other_chip(data)
    if chip:
        raise OtherChipError(f"{image.name}: is firmware for {chip}, not for an ESP8266", "get the ESP8266 build of it")
    if data[:1] == bytes((OTA_MAGIC,)) and data[1:2] == b"\x04":
        raise NotBootableError(
            f"{image.name}: begins with 0xEA, an image that only a second boot loader can start: the ROM cannot",
            f"put a boot loader at 0x00000: image=0x00000:BOOT.bin,0x01000:{image.origin}",
        )
    _refuse_damaged(image)
    if what.startswith(DAMAGED):
        raise NotAnImageError(
            f"{image.name}: is a {what}", "transfer it again in binary mode, and never through an editor"
        )
    if looks_headerless(data):
        raise HeaderlessError(
            f"{image.name}: is the second file of a pair, {what}: first byte {data[0]:#04x} instead of the 0xe9 "
            "of a file that boots",
            f"give both: image=0x00000:FILE,0x10000:{image.origin}",
        )
    said = excerpt(data) if what in ("HTML page", "JSON", "text", "XML document", "Git LFS pointer") else ""
    quoted = f' ("{said}")' if said else ""
    begin = f", first byte {data[0]:#04x} instead of 0xe9" if data else ""
    raise NotAnImageError(f"{image.name}: is not firmware but {_named(what)}{quoted}{begin}", _next_for(what, image))


def _refuse_damaged(image: Image) -> None:
    if has_crlf_damage(image.data):
        raise LineEndingsError(
            f"{image.name}: a transfer in text mode put a CR before each of its {image.data.count(10):,} line feeds",
            "transfer it again in binary mode (in git: '*.bin binary' in .gitattributes)",
        )


def _explain_damage(image: Image, error: ImageError) -> NoReturn:
    """Say what happened to a file that begins like an image but is none, where the bytes tell; else `error`."""
    chip = other_chip(image.data)
    if chip:
        raise OtherChipError(
            f"{image.name}: is firmware for {chip}, not for an ESP8266", "get the ESP8266 build of it"
        ) from error
    _refuse_damaged(image)
    undone = image.data.replace(b"\r\n", b"\n")
    if undone != image.data:
        try:
            read_image(undone, name=image.name)
        except ImageError:
            raise error from None
        raise LineEndingsError(
            f"{image.name}: a transfer in text mode put {len(image.data) - len(undone)} CR bytes before line feeds",
            "transfer it again in binary mode (in git: '*.bin binary' in .gitattributes)",
        ) from error
    raise error


_NAMED: Final = {
    "blank": "blank (one value throughout)",
    "ELF": "an ELF program file",
    "empty file": "an empty file",
    "gzip": "gzip data",
    "HTML page": "an HTML page",
    "SDK init data": "the SDK's init data, which stands near the end of flash",
    "XML document": "an XML document",
}
_WITHOUT_ARTICLE: Final = ("JSON", "text", "unknown data")


def _named(what: str) -> str:
    return _NAMED.get(what) or (what if what in _WITHOUT_ARTICLE else f"a {what}")


def _next_for(what: str, image: Image) -> str:
    if what in ("ZIP archive", "tar archive", "7-Zip archive", "RAR archive"):
        return "unpack it and name the .bin file inside: image=FILE.bin"
    if what == "gzip":
        return f"unpack it: gzip -dk {image.origin}"
    if what == "ELF":
        return f"convert it: esptool --chip esp8266 elf2image {image.origin}"
    if what == "Git LFS pointer":
        return "fetch the file it points to: git lfs pull"
    return "download the .bin file itself, and look at what came"


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
