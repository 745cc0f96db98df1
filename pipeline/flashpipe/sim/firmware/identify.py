"""Which program the flash holds, by the texts in its image; of a program of another kind nothing is predicted."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Generator
from typing import Final

from flashpipe.sim.chip.image import Walk
from flashpipe.sim.firmware import init_data
from flashpipe.sim.firmware.program import SECTOR, Step
from flashpipe.values import dataclass

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
class ProgramTexts:
    """The texts of one program, cut out of its image."""

    banner: str = ""
    """What it greets with; empty: not known."""
    prompt: bytes = b""
    """What follows, and each line that is typed."""
    checks_init_data: bool = False
    """Whether its SDK looks for RF init data, and restarts for ever where there is none."""
    init_data: bytes = b""
    """The data that it brings along."""
    partitions: bool = False
    """Whether it is a NodeMCU 3.x, with a partition table."""


_BANNERS: Final = (
    (
        b"> ",
        re.compile(
            rb"\nNodeM[Cc][Uu] (?:custom build|\d+\.\d+\.\d+)[^\0]*|NodeM[Cc][Uu] 0\.9\.\d[^\0]*powered by Lua[^\0]*"
        ),
    ),
    (b">>> ", re.compile(rb"(?:MicroPython v|Adafruit CircuitPython )[^\0\n]* on \d{4}-\d\d-\d\d; [^\0]*")),
    (b"", re.compile(rb"\r\nready\r\n(?=\0)")),
)
_SDK: Final = re.compile(rb"(\d+\.\d+\.\d+(?:\.\d+)?(?:-dev)?\([0-9a-f]{7,8}\))\0")
_CHECK: Final = b"rf_cal[0] !=0x05,is 0x%02X"
_PARTITIONS: Final = b"system SPI FI size:%u, Flash size: %u"


def code_end(read: Read, walk: Walk, limit: int = SEARCHED) -> int:
    """End of the code that belongs to the image at 0: the first blank sector after 0x10000."""
    blank = b"\xff" * SECTOR
    start = IROM
    while start < limit and read(start, SECTOR) != blank:
        start += SECTOR
    return max(walk.end, start if start > IROM else 0)


def identify(read: Read, walk: Walk, limit: int = SEARCHED) -> ProgramTexts:
    """Find out what the program is by the texts in its image; the lowest address wins over remains behind it."""
    return _texts(read(0, code_end(read, walk, limit)))


@functools.lru_cache(maxsize=4)  # a program that crashes at once starts hundreds of times in a second
def _texts(body: bytes) -> ProgramTexts:
    hits = [(hit.start(), prompt, hit[0]) for prompt, pattern in _BANNERS if (hit := pattern.search(body))]
    if not hits:
        return ProgramTexts()
    _, prompt, raw_banner = min(hits)
    banner, sdk = raw_banner.decode("latin-1").strip("\r\n"), _SDK.search(body)
    if prompt == b"> ":  # NodeMCU appends the SDK's version, or has a place for it
        version = sdk[1].decode() if sdk else ""
        banner = banner.replace("%s", version) if "%s" in banner else banner + version * banner.endswith("SDK ")
    return ProgramTexts(f"{banner}\n", prompt, _CHECK in body, init_data.own(body), _PARTITIONS in body)
