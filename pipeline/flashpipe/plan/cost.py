"""What writing costs, in seconds: the model by which sectors are sent together, and which `plan` prints.

A stream is one BEGIN, some DATA blocks and one END. The stub erases and programs while the next block arrives, so the
slower of line and flash decides; only the last 32 KiB are programmed when all has been sent (facts: stub-executed §5).
For each 32 KiB that it programs it erases up to 64 KiB ahead, and inflates meanwhile: one half of a long stream is slow
by erasing, the other waits for the line or for inflating.

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
PAGE_PROGRAM_S: Final = 0.0009
"""256 bytes: 0.7 ms in the part (facts: flash-timing §6.3), 0.2 ms on its bus (stub-executed §6)."""
FAST_PAGE_S: Final = 0.0008
"""The same where the flash is clocked twice as fast (`baud=auto`)."""
INFLATE_OUT_S: Final = 4.5 / 52e6
INFLATE_IN_S: Final = 47 / 52e6
"""For each byte that is inflated, and for each that it is made of (stub-executed §6)."""
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
    blocks = _in_blocks(region)
    return blocks // BLOCK_SIZE * BLOCK_ERASE_S + (region.size - blocks) // SECTOR_SIZE * SECTOR_ERASE_S


def _in_blocks(region: Region) -> int:
    """Bytes of a region that the stub erases by 64 KiB."""
    first = -(-region.start // BLOCK_SIZE) * BLOCK_SIZE
    return max(0, region.end - first) // BLOCK_SIZE * BLOCK_SIZE


def stream_s(region: Region, wire: int, baud: int, page_s: float = PAGE_PROGRAM_S) -> float:
    """Seconds to write a dirty region whose bytes are packed to `wire` bytes; to erase it, where none are sent.

    page_s: what programming a page takes.
    """
    if not wire:
        return STREAM_TURN_S + erase_s(region)
    line = wire * ESCAPED * 10 / baud + -(-wire // WIRE_BLOCK) * BLOCK_TURN_S
    last = min(region.size, LAST_WRITE) // PAGE * page_s
    program = region.size // PAGE * page_s
    inflate = region.size * INFLATE_OUT_S + wire * INFLATE_IN_S
    erasing = 1 - _in_blocks(region) / region.size / 2  # share of the stream in which something is erased

    first = max(line * erasing, erase_s(region) + program * erasing)
    rest = max(line, program + inflate) * (1 - erasing)
    return STREAM_TURN_S + max(line + last, first + rest)


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
