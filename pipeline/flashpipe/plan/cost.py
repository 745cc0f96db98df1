"""What writing costs, in seconds: the model by which sectors are sent together, and which `plan` prints.

A stream is one BEGIN, some DATA blocks and one END. The stub erases and programs while the next block arrives, so the
slower of line and flash decides; only the last 32 KiB are programmed when all has been sent (facts: stub-executed §5).
Figures are those of the common 4 MB parts; a slow part makes joining sectors dearer, which only costs time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge

SECTOR_ERASE_S: Final = 0.045
BLOCK_ERASE_S: Final = 0.150
"""Typical times for 4 KiB and for 64 KiB at once (facts: flash-timing §6.3)."""
PAGE_PROGRAM_S: Final = 0.001
"""256 bytes: 0.7 to 0.9 ms in the part (facts: flash-timing §6.3, stub-executed §5), 0.2 ms on its bus (§6)."""
PAGE: Final = 256
BLOCK_TURN_S: Final = 0.0055
"""What each block costs beside its bytes: 2.6 ms to the answer, 3 ms in host and adapter (stub-executed §5, §6)."""
STREAM_TURN_S: Final = 0.012
"""The same for BEGIN, which reads a sector first, and END."""
LAST_WRITE: Final = 0x8000
ESCAPED: Final = 1.008
"""Growth by SLIP escapes (facts: flash-timing §7.1)."""
WIRE_BLOCK: Final = 0x4000
LOOK_BACK: Final = 64
"""Neighbouring runs that may become one: bounds the search, not the gain."""


def erase_s(region: Region) -> float:
    """Seconds to erase whole sectors, 64 KiB at once wherever the stub does: aligned, and as much left."""
    first = -(-region.start // BLOCK_SIZE) * BLOCK_SIZE
    blocks = max(0, region.end - first) // BLOCK_SIZE
    return blocks * BLOCK_ERASE_S + (region.size - blocks * BLOCK_SIZE) // SECTOR_SIZE * SECTOR_ERASE_S


def stream_s(region: Region, wire: int, baud: int) -> float:
    """Seconds to write a dirty region whose bytes are packed to `wire` bytes; to erase it, where none are sent."""
    if not wire:
        return STREAM_TURN_S + erase_s(region)
    line = wire * ESCAPED * 10 / baud + -(-wire // WIRE_BLOCK) * BLOCK_TURN_S
    last = min(region.size, LAST_WRITE) // PAGE * PAGE_PROGRAM_S
    flash = erase_s(region) + region.size // PAGE * PAGE_PROGRAM_S
    return STREAM_TURN_S + max(line + last, flash)


def joined(
    dirty: Sequence[Region], room: Sequence[Region], content: Callable[[Region], bytes], baud: int
) -> list[Region]:
    """The dirty sectors as the runs that are written soonest.

    Two runs become one where sending the clean sectors between them costs less than another stream, or lets the stub
    erase 64 KiB at once.

    Args:
        dirty: sectors that have to be written.
        room: what may be written at all; a run never leaves one of these.
        content: bytes that a region inside `room` should hold.
        baud: rate of the line.
    """
    regions: list[Region] = []
    runs = merge(dirty)
    for place in merge(room):
        inside = [run for run in runs if place.contains(run)]
        regions += _cheapest(inside, content, baud) if len(inside) > 1 else inside
    return merge([*regions, *(run for run in runs if not any(place.contains(run) for place in merge(room)))])


def _cheapest(runs: Sequence[Region], content: Callable[[Region], bytes], baud: int) -> list[Region]:
    """The cheapest way to cut a row of runs into streams, by the cheapest ways for its beginnings."""
    start = runs[0].start
    whole = Region(start, runs[-1].end)
    packed = (len(zlib.compress(content(sector), 1)) for sector in whole.split(SECTOR_SIZE))
    before = [0, *accumulate(packed)]

    def cost(region: Region) -> float:
        ends = (-(-(at - start) // SECTOR_SIZE) for at in (region.start, region.end))
        first, end = ends
        return stream_s(region, before[end] - before[first], baud)

    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(runs) + 1):
        ways = (
            (best[first][0] + cost(Region(runs[first].start, runs[end - 1].end)), first)
            for first in range(max(0, end - LOOK_BACK), end)
        )
        best.append(min(ways))
    streams, end = list[Region](), len(runs)
    while end:
        first = best[end][1]
        streams.append(Region(runs[first].start, runs[end - 1].end))
        end = first
    return streams[::-1]
