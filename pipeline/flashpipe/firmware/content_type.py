"""What a file is, judged from its bytes alone: told to people when it is not the firmware they meant.

Nothing here decides whether bytes may be written; `gate` does. A name is given only on evidence that firmware cannot
show by accident, and everything else is "unknown data".
"""

from __future__ import annotations

import re
import struct
from typing import Final

from flashpipe.lazy import lazy_pattern
from flashpipe.masking import mask

BOOT_MAGIC: Final = 0xE9
"""First byte of an image that the ROM starts (facts: image-flashmap §4.1)."""
OTA_MAGIC: Final = 0xEA
"""First byte of an image that only a second boot loader starts (facts: image-flashmap §4.2)."""
PARTITION_RECORD: Final = bytes.fromhex("18010000 65000000")
"""How the code part of a fresh NodeMCU 3.x begins (facts: image-flashmap §5.6)."""
_MOST: Final = 10_000
"""Characters of a foreign text that are looked at, to tell a few of them."""
DAMAGED: Final = "binary file damaged by a text conversion (UTF-8)"
CRLF_DAMAGE: Final = "binary file with CR-LF damage"

_MAGIC: Final = (
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"PK\x05\x06", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x7fELF", "ELF"),
    (0, b"BZh", "bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "xz archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (0, b"\x28\xb5\x2f\xfd", "zstd archive"),
    (257, b"ustar", "tar archive"),
    (0, b"UF2\n", "UF2 file"),
    (0, b"\x55\xaa\x55\xaa", "Tuya upgrade file"),
    (0, b"%PDF-", "PDF document"),
    (0, b"\x89PNG\r\n", "PNG picture"),
    (0, b"\xff\xd8\xff\xe0", "JPEG picture"),
    (0, b"MZ\x90\x00", "Windows program"),
    (0, b"!<arch>\n", "object archive"),
    (0, b"version https://git-lfs", "Git LFS pointer"),
)
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
_CHIPS: Final = {
    0: "ESP32",
    2: "ESP32-S2",
    5: "ESP32-C3",
    9: "ESP32-S3",
    12: "ESP32-C2",
    13: "ESP32-C6",
    16: "ESP32-H2",
    18: "ESP32-P4",
    20: "ESP32-C61",
    23: "ESP32-C5",
    25: "ESP32-H21",
    28: "ESP32-H4",
    31: "ESP32-E22",
    32: "ESP32-S31",
}
"""Chip numbers of the extended header (esptool 5.6 `IMAGE_CHIP_ID` of each target)."""
_EXTENDED: Final = struct.Struct("<8x4xH9xB")
"""Chip number and "hash appended" of the 24-byte header that every chip after the ESP8266 has."""
assert _EXTENDED.size == 24  # noqa: PLR2004  the documented size
_OWN_MEMORY: Final = range(0x3FFE8000, 0x40400000)
"""Where segments of ESP8266 images go: its RAM and mapped flash."""
_OTHER_MEMORY: Final = range(0x3C000000, 0x60000000)
"""Where the segments of the newer chips go (esptool 5.6, `MEMORY_MAP` of each target)."""
_ESP32_ENTRY: Final = range(0x40070000, 0x400C2000)
"""Instruction RAM of the ESP32 (esptool 5.6 `ESP32ROM.MEMORY_MAP`: CACHE_PRO to RTC_IRAM)."""
_FLASH_LIMIT: Final = 0x1000000
_ESP32_START: Final = 0x1000
"""Where an ESP32's boot loader stands in flash; FF before it (facts: usb-nodemcu §9.1)."""
_NODEMCU: Final = lazy_pattern(rb"NodeM(?:CU|cu) [^\0]{0,4000}?powered by Lua")
"""Its own banner: EspLua and others have its name in them as well."""
_SMALLEST_CODE: Final = 0x1000
_RETURN: Final = b"\x0d\xf0"
"""`ret.n`: how every function ends here. The ESP32 family returns with another instruction (`retw.n`)."""
_CODE_DENSITY: Final = 512
"""One return in so many bytes makes code: 1.3 to 1.8 in 256 in the code parts at hand, 0.004 in other programs."""
_INIT_DATA: Final = (bytes.fromhex("05000402"), bytes.fromhex("05080402"))
"""First bytes of the SDK's init data v05 and v08, 128 bytes in all (facts: image-flashmap §5.5)."""
TEXT_BYTES: Final = bytes(range(0x20, 0x7F)) + b"\t\n\r\f"
_TEXTS: Final = (
    (rb"<\?xml", "XML document"),
    (rb"[{\[]\s*[\"{\[\d\]}]", "JSON"),
    (rb":[0-9A-Fa-f]{10,}\s", "Intel HEX file"),
    (rb"S[0-3][0-9A-Fa-f]{8,}\s", "Motorola S-record file"),
)
_TEXT_AND_ENDS: Final = TEXT_BYTES + b"\x00\xff"
_ENDING: Final = lazy_pattern(b"\r\n")
_ENDINGS_CERTAIN: Final = 8
"""That many line feeds, each after a carriage return, do not happen by chance: (1/256)**8."""
_ENDINGS_SHARE: Final = 6
"""One line end in so many stands among bytes that are no text; of the images at hand, one in two to one in five."""


_AN: Final = (*"AEIOaeio", "RTOS", "LFS")
"""Beginnings that are spoken with a vowel."""


def in_words(what: str) -> str:
    """A name that `describe_content` gave, as part of a sentence."""
    if what in _WITHOUT_ARTICLE:
        return what
    return _NAMED.get(what) or f"{'an' if what.startswith(_AN) else 'a'} {what}"


def describe_content(data: bytes) -> str:
    """What `data` is, in words for a message: `HTML page`, `ESP32-C3 image`, `unknown data` and so on."""
    if not data:
        return "empty file"
    if not data.strip(data[:1]) and data[0] in (0x00, 0xFF):
        return "blank"
    named = next((name for offset, magic, name in _MAGIC if data.startswith(magic, offset)), None)
    return named or _describe_damage(data) or _describe_firmware(data) or _describe_text(data) or "unknown data"


def foreign_content(data: bytes) -> str | None:
    """The name of something that belongs at no flash address of an ESP8266, None where it might."""
    named = next((name for offset, magic, name in _MAGIC if data.startswith(magic, offset)), None)
    chip = other_chip(data)
    return named or (f"{chip} image" if chip else None) or _describe_text(data) or _describe_damage(data)


def other_chip(data: bytes) -> str | None:
    """The chip that an image with the newer, 24-byte header is for; None where it has no such header.

    A whole-flash file of the ESP32 begins with FF up to its boot loader, which is looked at then.
    """
    if data[:_ESP32_START].count(0xFF) == _ESP32_START:
        return other_chip(data[_ESP32_START:][:_ESP32_START])
    if len(data) < _EXTENDED.size + 8 or data[0] != BOOT_MAGIC:
        return None
    number, hashed = _EXTENDED.unpack_from(data)
    (own_address,) = struct.unpack_from("<I", data, 8)
    (address, size) = struct.unpack_from("<II", data, _EXTENDED.size)
    if own_address in _OWN_MEMORY or hashed > 1 or any(data[19:23]):
        return None
    if address not in _OTHER_MEMORY or size >= _FLASH_LIMIT or size % 4:
        return None
    # Number 0 is what early tools wrote for everything; the ESP32's own code starts in its instruction RAM.
    (entry,) = struct.unpack_from("<I", data, 4)
    known = _CHIPS.get(number, "") if number or entry in _ESP32_ENTRY else ""
    return known or f"another Espressif chip (number {number})"


def looks_headerless(data: bytes) -> bool:
    """Whether this is program code for mapped flash without a header: the second file of a split pair.

    Code is full of function returns; NodeMCU's carries its partition table or banner besides.
    """
    if data.startswith(PARTITION_RECORD) or _NODEMCU.search(data):
        return True
    return len(data) >= _SMALLEST_CODE and data.count(_RETURN) * _CODE_DENSITY > len(data)


def has_crlf_damage(data: bytes) -> bool:
    """Whether a transfer in text mode has put a carriage return before every line feed of this binary file.

    A SPIFFS image full of Windows text is no such case, nor a boot loader with a few messages: there, line feeds stand
    among text and the zeros that end it.
    """
    feeds = data.count(b"\n")
    if feeds < _ENDINGS_CERTAIN or data.count(b"\r\n") != feeds:
        return False
    around = (
        data[max(0, end.start() - 1) : end.start()] + data[end.end() : end.end() + 1] for end in _ENDING.finditer(data)
    )
    among_bytes = sum(bool(near.translate(None, _TEXT_AND_ENDS)) for near in around)
    return among_bytes >= _ENDINGS_CERTAIN and among_bytes * _ENDINGS_SHARE > feeds


def excerpt(data: bytes) -> str:
    """The title of a page or the first words of a text, for a message; empty where there are none."""
    head = data[:4096]
    title = re.search(rb"<title[^>]*>\s*([^<]{1,200})", head, re.IGNORECASE)
    text = title[1] if title else head.lstrip(b"\xef\xbb\xbf \t\r\n").splitlines()[:1] or [b""]
    line = text if isinstance(text, bytes) else text[0]
    return printable(line.decode("utf-8", "replace").strip(), 60)


def printable(text: str, limit: int = 200) -> str:
    """Foreign text for a message: one line, at most `limit` characters, nothing that a terminal would obey.

    Nor a secret: a server may repeat what it was sent, in its answer or on its page.
    """
    shown = mask(on_one_line(text[:_MOST]))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def on_one_line(text: str) -> str:
    r"""Foreign text without line ends and whatever else a terminal would obey.

    >>> on_one_line("a\n b\x1b[m")
    'a b[m'
    """
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def _describe_firmware(data: bytes) -> str | None:
    chip = other_chip(data)
    if chip:
        return f"{chip} image"
    if data[0] == BOOT_MAGIC:
        return "ESP8266 image"
    if data[0] == OTA_MAGIC and data[1:2] == b"\x04":
        return "0xEA image"
    if len(data) == 128 and data.startswith(_INIT_DATA):  # noqa: PLR2004  facts: image-flashmap §5.5
        return "SDK init data"
    if looks_headerless(data):
        nodemcu = data.startswith(PARTITION_RECORD) or _NODEMCU.search(data)
        return "NodeMCU IROM part (0x10000.bin)" if nodemcu else "ESP8266 code without a header"
    return None


def _describe_text(data: bytes) -> str | None:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = head[:1024].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head")) or (lower.startswith(b"<") and b"<html" in lower):
        return "HTML page"
    if not head or not _is_text(data[:4096]):
        return None
    return next((name for pattern, name in _TEXTS if re.match(pattern, head)), "text")


def _is_text(head: bytes) -> bool:
    if head.translate(None, TEXT_BYTES + bytes(range(0x80, 0x100))):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character may be cut at the end of the excerpt
    return True


def _describe_damage(data: bytes) -> str | None:
    # Each byte that is no UTF-8 becomes these three when a tool reads a binary file as text and writes it again.
    if data.count(b"\xef\xbf\xbd") * 3 * 10 > len(data):
        return DAMAGED
    return CRLF_DAMAGE if has_crlf_damage(data) else None
