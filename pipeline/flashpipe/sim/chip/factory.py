"""Flash of a module as it leaves the factory: an AT firmware, its parameter sectors and init data, the rest blank.

Every byte is made here. The program at 0 is a valid image of a few bytes that no chip would run for long; the virtual
board recognises it by its greeting and says what AT firmware says (`ready`).
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.image import CHECKSUM_SEED, HEADER, MAGIC, SEGMENT, SIZES

SECTOR: Final = 0x1000
INIT_DATA_LENGTH: Final = 128

AT_SDK: Final = "1.5.4(baaeaebb)"
"""An SDK version of the time of AT 1.1; the greeting below names it."""

_INIT_HEAD: Final = bytes.fromhex("05000402 05050502 05000405 05040505")
_INIT_PLACES: Final = {
    0x22: "524e4a444038",
    0x30: "01",  # crystal_26m_en: 26 MHz (cores/esp8266/core_esp8266_phy.cpp of the Arduino core)
    0x40: "e10a",
    0x4A: "019343",
    0x72: "01",
}  # facts: image-flashmap §5.5, version 05


def init_data() -> bytes:
    """128 bytes of RF init data like version 05, as far as the facts know its bytes; the others are 0."""
    data = bytearray(INIT_DATA_LENGTH)
    data[: len(_INIT_HEAD)] = _INIT_HEAD
    for at, digits in _INIT_PLACES.items():
        value = bytes.fromhex(digits)
        data[at : at + len(value)] = value
    return bytes(data)


def at_image(size: int) -> bytes:
    """A small valid image that greets like AT firmware; header dout (what every wiring can do), 40 MHz."""
    code = next(code for code, known in SIZES.items() if known == size)
    greeting = f"\r\nready\r\n\0{AT_SDK}\0SDK ver: %s compiled @ May 18 2016 17:13:24\n\0AT version:1.1.0.0\0"
    text = bytes(4) + greeting.encode()
    text += bytes(-len(text) % 4)
    # 40100000: three bytes of Xtensa `j .`, so that even a chip would only wait for its watchdog
    segments = ((0x40100000, bytes.fromhex("06ffff00") + bytes(28)), (0x3FFE8000, text))
    image = HEADER.pack(MAGIC, len(segments), 3, code << 4, 0x40100000)
    for address, data in segments:
        image += SEGMENT.pack(address, len(data)) + data
    checksum = reduce(xor, b"".join(data for _, data in segments), CHECKSUM_SEED)
    return image + bytes(15 - len(image) % 16) + bytes((checksum,))


def factory_contents(size: int) -> bytes:
    """The whole flash of a fresh module of `size` bytes.

    Raises:
        BadValueError: not a flash size that an image header can name.
    """
    if size not in SIZES.values():
        raise BadValueError(
            f"flash size {size}", f"one of {', '.join(str(known) for known in sorted(set(SIZES.values())))}"
        )
    flash = bytearray(b"\xff" * size)
    image = at_image(size)
    flash[: len(image)] = image
    end = size - 4 * SECTOR  # init data; the last five sectors: facts image-flashmap §5.1
    flash[end : end + INIT_DATA_LENGTH] = init_data()
    parameters = bytes.fromhex("aa55aa55") + b"AI-THINKER_" + bytes(17)
    at = size - 3 * SECTOR
    flash[at : at + len(parameters)] = parameters
    return bytes(flash)
