"""Flash of a module as it leaves the factory: an AT firmware, its parameter sectors and init data, the rest blank.

Every byte is made here. The program at 0 is a small one of our own, in machine code that a chip would run as well: it
says what AT firmware says (`ready`) and answers `AT` and `ATE1` with `OK`, any other line with `ERROR`.
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

_CODE_AT: Final = 0x40100000
_ENTRY: Final = 0x4010003C
_CODE: Final = bytes.fromhex(
    """
    a0860100cc2e0040d83900400080fe3f88001040880f004000000060a80f00400090fe3f8c3b0040303b0040544100000c80fe3f31455441
    1880fe3f21f1ff01f1ffc0000022a00032a1c301efffc0000021eeffc50b0022a00531edff42a00001edffc0000031ecff22a00122630922
    6303c0200022a02001e9ffc000003df000700046feff3df012c1f0026100c26101d2610231e3ffc223003df022c10c01e1ffc0000056b204
    d2010cd02d2001deffc00000269d1032a00d371dde80cc11d0cc2046f5ff3df0160cfd31d8ff21d8ff371c1331d8ff21d6ff371c0af02000
    21d6fff020003df0c2a00085020086eafff0200031cbffc2630031c7ff22a001226304022100c22101d2210212c1108000003df012c1f002
    6100c2610120c220220c0016d20001c0ffc00000c2cc0146fbff3df0022100c2210112c110800000
    """
)
"""Made by the assembler of the tests, from the listing in tests/program.py: waits 0.1 s, sets 115200 baud for a crystal
of 26 MHz, prints the first of the texts, and answers lines from the handler of the UART's interrupt."""
_TEXTS_AT: Final = 0x3FFE8000
_TEXTS: Final = b"".join(text.ljust(12, b"\0") for text in (b"\r\nready\r\n", b"\r\nOK\r\n", b"\r\nERROR\r\n"))

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
    text = _TEXTS + f"{AT_SDK}\0SDK ver: %s compiled @ May 18 2016 17:13:24\n\0AT version:1.1.0.0\0".encode()
    text += bytes(-len(text) % 4)
    segments = ((_CODE_AT, _CODE), (_TEXTS_AT, text))
    image = HEADER.pack(MAGIC, len(segments), 3, code << 4, _ENTRY)
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
