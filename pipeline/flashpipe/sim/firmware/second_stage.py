"""Espressif's own second-stage loader (`boot_v1.x.bin`), which update layouts put at 0 (facts: esp8266 §2.5)."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Final

from flashpipe.sim.chip.image import HEADER, MAGIC, SEGMENT, Header, Walk
from flashpipe.sim.firmware.program import Machine, Say, Step, text

MAGIC_V2: Final = 0xEA
"""First byte of an update image (facts: image-flashmap §4.2)."""

USER1: Final = 0x1000
LARGEST_CODE: Final = 0x100000
"""The chip maps no more of the flash at once (facts: image-flashmap §4.4)."""
_VERSION: Final = re.compile(rb"2nd boot version : (\d+\.\d+[^\n\0]*)")
_MODES: Final = ("QIO", "QOUT", "DIO", "DOUT")
_MAPS: Final = {
    0: "4Mbit(256KB+256KB)",
    1: "2Mbit",
    2: "8Mbit(512KB+512KB)",
    3: "16Mbit(512KB+512KB)",
    4: "32Mbit(512KB+512KB)",
    5: "16Mbit(1024KB+1024KB)",
    6: "32Mbit(1024KB+1024KB)",
}
"""By the header's size nibble."""

_SPEEDS: Final = {40_000_000: "40MHz", 26_700_000: "26.7MHz", 20_000_000: "20MHz", 80_000_000: "80MHz"}


def size_code(machine: Machine) -> int | None:
    """The size code in the inner header of an update image at 0x1000, None where none stands there.

    It is that of the map it was compiled for: executed AT firmware 1.7.6 compares the two.
    """
    code = SEGMENT.unpack(machine.read(USER1 + HEADER.size, SEGMENT.size))[1]
    if machine.read(USER1, 1)[0] != MAGIC_V2 or code > LARGEST_CODE:
        return None
    inner = Header.parse(machine.read(USER1 + HEADER.size + SEGMENT.size + code, HEADER.size))
    return inner.size_code if inner.magic == MAGIC else None


def run(machine: Machine, walk: Walk) -> Generator[Step, None, bool]:
    """Print what the loader prints, if the image at 0 is one; False where it finds no program to jump to."""
    found = _VERSION.search(machine.read(0, walk.end))
    if found is None:
        return True
    header = Header.parse(machine.read(0, 8))
    mode = _MODES[header.mode] if header.mode < len(_MODES) else "QIO"
    lines = (
        "",
        f"2nd boot version : {found[1].decode('latin-1')}",
        f"  SPI Speed      : {_SPEEDS[header.speed]}",
        f"  SPI Mode       : {mode}",
        f"  SPI Flash Size & Map: {_MAPS.get(header.size_code, '4Mbit(256KB+256KB)')}",
    )
    yield Say(text("\n".join(lines) + "\n"))
    if machine.read(USER1, 1)[0] not in {MAGIC, MAGIC_V2}:
        yield Say(text("error magic!\nbackup boot failed.\n"))
        return False
    yield Say(text(f"jump to run user1 @ {USER1:x}\n\n"))
    return True
