"""Which program the flash holds, read out of its own bytes.

Nothing is executed: a text that stands in the image is printed where such a program prints it. What no text tells is
not guessed; a program of an unknown kind stays silent after the ROM log.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from flashpipe.sim.chip.image import Walk
from flashpipe.sim.firmware import spiffs
from flashpipe.sim.firmware.program import SECTOR, Step

Read = Callable[[int, int], bytes]
Run = Generator[Step, None, bool]
"""A started program; True when it has restarted the chip, False when it just stopped."""

SEARCHED: Final = 0x100000
"""Code is reachable through the cache in the first megabyte only (ESP8266 maps 1 MB at 0x40200000)."""

IROM: Final = 0x10000
"""Where NodeMCU and most SDK programs keep their code (facts: image-flashmap §4.4)."""

ILLEGAL_INSTRUCTION: Final = (
    "Fatal exception 0(IllegalInstructionCause):\n"
    "epc1=0x40100004, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000000, depc=0x00000000\n"
)
"""Form: facts esp8266 §2.5; the addresses depend on the program and are only an example."""


STORE_PROHIBITED: Final = (
    "Fatal exception 29(StoreProhibitedCause):\n"
    "epc1=0x40100f2c, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000000, depc=0x00000000\n"
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one program, cut out of its image."""

    family: str
    """`nodemcu`, `micropython`, `at`, `silent` (known, but not what it prints), `eboot` or `unknown`."""
    banner: str = ""
    sdk: str = ""
    """SDK version, such as `2.2.1(cfd48f3)`."""
    compiled: str = ""
    """`compiled @` date of the SDK."""
    found: frozenset[str] = frozenset()
    """Names of the tell-tale texts (`_MARKS`) that the image contains."""
    self_adjust: str = ""
    """The whole text of the flash size correction, where the program has one."""
    end: int = 0
    """First address after the program's code, as far as can be seen: a blank sector or an own record ends it."""


_FAMILIES: Final = (
    ("nodemcu", re.compile(rb"\nNodeMCU (?:custom build|\d+\.\d+\.\d+)[^\0]*")),
    ("nodemcu", re.compile(rb"NodeMCU 0\.9\.\d[^\0]*powered by Lua[^\0]*")),
    ("micropython", re.compile(rb"(?:MicroPython v|Adafruit CircuitPython )[^\0\n]* on \d{4}-\d\d-\d\d; [^\0]*")),
    ("at", re.compile(rb"\r\nready\r\n(?=\0)")),
    ("silent", re.compile(rb"Espruino \d+v\d+|PunyREPL ready")),
)
_SDK: Final = re.compile(rb"(\d+\.\d+\.\d+(?:\.\d+)?(?:-dev)?\([0-9a-f]{7,8}\))\0")
_SDK_OLD: Final = re.compile(rb"\0(\d\.\d\.\d)\0")
_COMPILED: Final = re.compile(rb"SDK ver: %s compiled @ ([^\n\0%]+)\n")
_ADJUST: Final = re.compile(rb"Self adjust flash size\.[^\0]*")
_MARKS: Final = {
    "partitions": b"system SPI FI size:%u, Flash size: %u",
    "sdk-lines": b"SDK ver: %s compiled @",
    "rf-cal-check": b"rf_cal[0] !=0x05,is 0x%02X",
    "map-check": b"mismatch map %d,spi_size_map %d",
    "freq-trace": b"freq trace enable %d",
    "phy-pair": b"phy ver: %d_%d, pp ver",
    "lua-error": b"Lua error: ",
    "lua-error-line": b"Lua error: %s\n",
    "strerror": b"cannot %s %s: %s",
    "help": b'Type "help()" for more information.',
    "spiffs": b"Formatting file system. Please wait...",
}


def code_end(read: Read, walk: Walk, limit: int = SEARCHED) -> int:
    """End of the code that belongs to the image at 0: the first blank sector after 0x10000 or the file system.

    Remains of an earlier, longer program directly behind a shorter one cannot be told from it.
    """
    blank = b"\xff" * SECTOR
    start = IROM
    while start < limit and read(start, SECTOR) != blank and not spiffs.probe(read, start)[0]:
        start += SECTOR
    return max(walk.end, start if start > IROM else 0)


def identify(read: Read, walk: Walk, limit: int = SEARCHED) -> Texts:
    """Find out what the program is by the texts in its image; the lowest address wins over remains behind it."""
    end = code_end(read, walk, limit)
    texts = _texts(read(0, end))
    if texts is None:
        return Texts("eboot" if walk.loads and walk.loads[0].address == EBOOT else "unknown", end=end)
    return texts


@functools.lru_cache(maxsize=4)  # a program that crashes at once starts hundreds of times in a second
def _texts(body: bytes) -> Texts | None:
    hits = [(hit.start(), name, hit[0]) for name, pattern in _FAMILIES if (hit := pattern.search(body))]
    if not hits:
        return None
    _, family, banner = min(hits)
    sdk = _SDK.search(body) or _SDK_OLD.search(body)
    compiled, adjust = _COMPILED.search(body), _ADJUST.search(body)
    return Texts(
        family,
        banner=banner.decode("latin-1"),
        sdk=sdk[1].decode() if sdk else "",
        compiled=compiled[1].decode("latin-1") if compiled else "",
        found=frozenset(name for name, mark in _MARKS.items() if mark in body),
        self_adjust=adjust[0].decode("latin-1") if adjust else "",
        end=len(body),
    )


EBOOT: Final = 0x4010F000
"""Load address of the Arduino core's first stage (captures: github.com/esp8266/Arduino#9122)."""
