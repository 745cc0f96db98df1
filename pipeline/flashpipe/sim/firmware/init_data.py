"""RF init data as a predicted program finds them: the one thing that it writes, since it could not start otherwise.

Facts: image-flashmap §5.1 to §5.4. Nothing else that a firmware does to the flash is predicted.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from typing import Final

from flashpipe.sim.chip.image import Header
from flashpipe.sim.firmware.program import SECTOR, PredictedChip, Say, Step, Wait, text

MARK: Final = 0x05
"""First byte of valid data."""
HEADS: Final = (bytes.fromhex("0500040205050502"), bytes.fromhex("0508040205050502"))
"""How data of versions 05 and 08 begin."""
LENGTH: Final = 128
FROM_END: Final = 4 * SECTOR
"""Where the SDK before 3.0 looks."""
_PAGE: Final = 0x10000
"""NodeMCU 3.x: a chain of records, `length in words, id, 0, 0` and the words; id FF ends it."""
_TABLE, _NOTE, _FREE = 1, 2, 0xFF
_PLACE: Final = 5
"""Type of a partition."""


def own(body: bytes) -> bytes:
    """The data that an image brings along; empty where it brings none."""
    at = next((at for head in HEADS if (at := body.find(head)) >= 0), -1)
    return body[at : at + LENGTH] if at >= 0 else b""


def check(machine: PredictedChip, data: bytes, *, partitions: bool) -> Generator[Step, None, bool]:
    """Fill the sector where the program does so; False where the SDK restarts for want of data.

    Args:
        machine: the chip.
        data: what the image brings along.
        partitions: whether it is a NodeMCU 3.x, which does so once and makes a note of it.
    """
    place, end = _by_partition(machine) if partitions else (_from_end(machine), 0)
    mark = machine.read(place, 1)[0]
    if data and ((partitions and end and mark != MARK) or (not partitions and machine.read(place, 4) == b"\xff" * 4)):
        yield Wait(machine.replace_sector(place, data))
        mark = data[0]
    if end:
        yield Wait(machine.program(end, bytes((0, _NOTE, 0, 0))))
    if mark != MARK:
        # Seen in a loop with an unchanged reset cause: a software restart (nodemcu-firmware issue 1449).
        yield Say(text(f"rf_cal[0] !=0x05,is 0x{mark:02X}\n"))
        yield Wait(machine.settings.crash_s)
    return mark == MARK


def _from_end(machine: PredictedChip) -> int:
    return Header.parse(machine.read(0, 8)).size - FROM_END


def _by_partition(machine: PredictedChip) -> tuple[int, int]:
    """Where the data belong, and where a note can be made; 0 where there is one."""
    page, at, place, noted = machine.read(_PAGE, SECTOR), 0, _from_end(machine), False
    while at < SECTOR - 4 and page[at + 1] != _FREE:
        end = at + 4 * (1 + page[at])
        if page[at + 1] == _TABLE:
            items = struct.iter_unpack("<III", page[at + 4 : end])
            place = next((address for kind, address, _ in items if kind == _PLACE), place)
        noted = noted or page[at + 1] == _NOTE
        at = end
    return place, 0 if noted else _PAGE + at
