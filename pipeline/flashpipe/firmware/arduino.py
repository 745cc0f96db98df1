"""What the Arduino core builds: its boot loader, and at 0x1000 the sketch, an image for that loader to start.

Newer cores stamp the sketch after its checksum was made: the length of the file and a CRC-32 of all of it stand at
0x1010, where there were zeros (seen in images at hand built in 2022 and later, whose bytes give that CRC).
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from flashpipe.errors import ImageChecksumError, ImageTruncatedError
from flashpipe.firmware.boot_image import GET_AGAIN, BootImage, read_image
from flashpipe.values import dataclass

SKETCH_ADDRESS: Final = 0x1000
"""Where the Arduino core's boot loader finds the image it starts (seen in the images at hand)."""
STAMP_OFFSET: Final = 0x1010
STAMP: Final = struct.Struct("<II")
"""Bytes of the whole file, and their CRC with zeros in place of the stamp."""
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sketch whose checksum holds."""

    image: BootImage
    proven: int
    """Bytes from the start of the file that its CRC covers, and proves; 0 where it has none."""


def read_sketch(data: bytes, *, name: str) -> Sketch:
    """Read the sketch in an Arduino file.

    Raises:
        ImageError: as `read_image`.
        ImageTruncatedError: shorter than its stamp says.
        ImageChecksumError: checksum or CRC does not match.
    """
    try:
        return Sketch(read_image(data, name=name, base=SKETCH_ADDRESS, mapped=True), 0)
    except ImageChecksumError:
        bare = data[:STAMP_OFFSET] + bytes(STAMP.size) + data[STAMP_OFFSET + STAMP.size :]
        image = read_image(bare, name=name, base=SKETCH_ADDRESS, mapped=True)
    length, stored = STAMP.unpack_from(data, STAMP_OFFSET)
    if length > len(data):
        raise ImageTruncatedError(f"{name}: ends at {len(data):#x}, by its own stamp at {length:#x}", GET_AGAIN)
    checksum = crc32(bare[:length])
    if checksum != stored:
        raise ImageChecksumError(
            f"{name}: CRC-32 at offset {STAMP_OFFSET + 4:#x} is {stored:#010x}, the file gives {checksum:#010x}",
            "bytes were changed on the way: download or build it again",
        )
    return Sketch(image, length)


def crc32(data: bytes) -> int:
    """CRC-32 with the highest bit first and no inversion at the end, by way of zlib's, which mirrors every byte."""
    mirrored = zlib.crc32(data.translate(_MIRRORED)) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
