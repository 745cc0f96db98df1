"""One file of a layout by its structure: what it is, whether its own length and checksums hold, where it belongs.

boot      E9, loaded to RAM by the ROM: a whole firmware, the first half of a pair, or a boot loader
mapped    E9 with code that a boot loader maps from flash: Arduino sketches, applications of the RTOS SDK. The load
address of that code says where the file belongs
ota       EA, for Espressif's boot loader or rBoot (facts: image-flashmap §4.2)
code      no header: code that runs from flash, such as 0x10000.bin
table     the partition table of the RTOS SDK
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator
from typing import Final, Literal

from flashpipe.errors import ImageChecksumError, ImageError, ImageTruncatedError
from flashpipe.firmware.arduino import SKETCH_ADDRESS
from flashpipe.firmware.boot_image import (
    GET_AGAIN,
    IMAGE_HEADER,
    MAPPED,
    SEGMENT_HEADER,
    BootImage,
    Image,
    read_image,
)
from flashpipe.firmware.content_type import BOOT_MAGIC, OTA_MAGIC, looks_headerless
from flashpipe.firmware.link_address import WINDOW, WINDOW_BASE, find_link
from flashpipe.flash import Region
from flashpipe.values import dataclass

PartKind = Literal["boot", "mapped", "ota", "code", "table", "other"]
EBOOT: Final = 0x4010F000
"""Load address of the Arduino core's boot loader (seen in the images at hand)."""
RTOS_TABLE: Final = 0x8000
"""Where the RTOS SDK's boot loader looks for its partition table, unless it is built otherwise (its Kconfig,
`PARTITION_TABLE_OFFSET`)."""
_ENTRY: Final = struct.Struct("<HBBII16sI")
"""Magic, type, subtype, offset, size, label, flags (RTOS SDK, esp_flash_partitions.h)."""
assert _ENTRY.size == 32  # noqa: PLR2004  the documented size
_ENTRY_MAGIC: Final = 0x50AA
_APPLICATION: Final = 0
_CRC: Final = struct.Struct("<I")
_OLDER_TOOLS: Final = (b"", b"\xff" * 4, b"\0" * 4)
"""What stands after an image without a CRC: the end, or the padding of a larger file."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A partition of the RTOS SDK."""

    label: str
    region: Region
    application: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One file, or an image inside one."""

    image: Image
    kind: PartKind
    boot: BootImage | None = None
    """Its header and segments, where they can be read."""
    problem: ImageError | None = None
    """What its own header, checksum or CRC say against it."""
    crc: str = ""
    """Of `ota`: `right`, `wrong` or `none`."""
    home: int | None = None
    """Flash address in the first MiB that it was linked for; None where nothing proves one."""
    entries: tuple[TableEntry, ...] = ()
    """Of `table`."""

    @property
    def proven(self) -> int:
        """Bytes from its start that a CRC proves."""
        return self.boot.end + _CRC.size if self.boot and self.crc == "right" else 0

    def belongs(self, address: int) -> bool:
        """Whether nothing speaks against that address.

        A boot loader maps any MiB over the first for what it starts; code without one is mapped from the first alone.
        """
        return self.home is None or (address - self.home) % (WINDOW if self.kind != "code" else 1 << 32) == 0


@functools.lru_cache(maxsize=16)
def read_part(image: Image) -> Part:
    """What a file is by its structure; what is wrong with it is told, not raised."""
    data = image.data
    if data[:1] == bytes((BOOT_MAGIC,)):
        return _read_e9(image)
    if data[:2] == bytes((OTA_MAGIC, 4)):
        return _read_ota(image)
    entries = tuple(_entries(data))
    if entries:
        return Part(image, "table", home=RTOS_TABLE, entries=entries)
    if looks_headerless(data):
        return Part(image, "code", home=_linked(data))
    return Part(image, "other")


def _linked(data: bytes) -> int | None:
    link = find_link(data)
    return link.address if link else None


def _read_e9(image: Image) -> Part:
    problem: ImageError | None = None
    try:
        boot = read_image(image.data, name=image.name, mapped=True, proven=False)
        read_image(image.data, name=image.name, mapped=True)
    except ImageChecksumError as error:
        problem = error
    except ImageError as error:
        return Part(image, "mapped" if _maps_first(image.data) else "boot", problem=error, home=_linked(image.data))
    place = mapped_home(boot)
    if place is None:
        return Part(image, "boot", boot, problem, home=_whole_home(image.data, boot))
    return Part(image, "mapped", boot, problem, home=place)


def _whole_home(data: bytes, boot: BootImage) -> int | None:
    """Where a file that the ROM starts belongs: by the load address of an Arduino sketch in it, else by its code."""
    if boot.segments[0].address == EBOOT and data[SKETCH_ADDRESS : SKETCH_ADDRESS + 1] == bytes((BOOT_MAGIC,)):
        try:
            sketch = read_image(data, name="", base=SKETCH_ADDRESS, mapped=True, proven=False)
        except ImageError:
            return _linked(data)
        place = mapped_home(sketch, SKETCH_ADDRESS)
        return None if place is None else (place - SKETCH_ADDRESS) % WINDOW
    return _linked(data)


def mapped_home(boot: BootImage, base: int = 0) -> int | None:
    """Where an image with a mapped segment belongs: the flash offset of its code is the address of its load."""
    for segment in boot.segments:
        if any(start <= segment.address < end for start, end in MAPPED):
            return (segment.address - WINDOW_BASE - (segment.offset - base)) % WINDOW
    return None


def _maps_first(data: bytes) -> bool:
    if len(data) < IMAGE_HEADER.size + SEGMENT_HEADER.size:
        return False
    address, _ = SEGMENT_HEADER.unpack_from(data, IMAGE_HEADER.size)
    return any(start <= address < end for start, end in MAPPED)


def _read_ota(image: Image) -> Part:
    data, home = image.data, _linked(image.data)
    start = IMAGE_HEADER.size + SEGMENT_HEADER.size
    size = SEGMENT_HEADER.unpack_from(data, IMAGE_HEADER.size)[1] if len(data) >= start else 0
    if len(data) < start + size:
        error = ImageTruncatedError(
            f"{image.name}: ends at {len(data):#x}, its code alone ends at {start + size:#x} by its header", GET_AGAIN
        )
        return Part(image, "ota", problem=error, home=home)
    try:
        boot = read_image(data, name=image.name, base=start + size)
    except ImageError as error:
        return Part(image, "ota", problem=error, home=home)
    crc, problem = _crc(data, boot.end), None
    if crc == "wrong":
        problem = ImageChecksumError(
            f"{image.name}: the CRC-32 after its checksum, at {boot.end:#x}, is wrong: bytes were changed", GET_AGAIN
        )
    return Part(image, "ota", boot, problem, crc, home)


def own_bytes(data: bytes) -> bytes:
    """What of some bytes is the image that they begin with, its CRC included; all of them where that cannot be read."""
    start = 0
    if data[:1] == bytes((OTA_MAGIC,)) and len(data) >= IMAGE_HEADER.size + SEGMENT_HEADER.size:
        start = IMAGE_HEADER.size + SEGMENT_HEADER.size + SEGMENT_HEADER.unpack_from(data, IMAGE_HEADER.size)[1]
    try:
        end = read_image(data, name="", base=start, mapped=True, proven=False).end
    except ImageError:
        return data
    return data[: end + _CRC.size]


def _crc(data: bytes, end: int) -> str:
    """The CRC-32 that follows the checksum (facts: image-flashmap §4.2); images of older tools have none."""
    stored = data[end : end + _CRC.size]
    if stored in _OLDER_TOOLS or len(stored) < _CRC.size:
        return "none"
    plain = zlib.crc32(data[:end])
    expected = ~plain & 0xFFFFFFFF if plain >> 31 else plain + 1
    return "right" if _CRC.unpack(stored)[0] == expected else "wrong"


def _entries(data: bytes) -> Iterator[TableEntry]:
    """The entries of a partition table of the RTOS SDK; nothing where the bytes are none."""
    for at in range(0, min(len(data), 0xC00) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, _, offset, size, label, _ = _ENTRY.unpack_from(data, at)
        if magic != _ENTRY_MAGIC:
            return
        name = label.split(b"\0")[0].decode("ascii", "replace")
        yield TableEntry(name, Region(offset, offset + size), kind == _APPLICATION)
