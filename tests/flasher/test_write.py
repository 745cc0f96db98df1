"""What a write that broke off has certainly not begun."""

from __future__ import annotations

import pytest
from flashpipe.board.loader.frames import GROWTH
from flashpipe.flash import BOOT_SECTOR, SECTOR_SIZE, Region
from flashpipe.flasher.write import not_begun
from hypothesis import given
from hypothesis import strategies as st

WHOLE = [Region(0, 0x60000)]


@pytest.mark.parametrize(
    ("dirty", "done", "left"),
    [
        (WHOLE, 0, [Region(0x10000, 0x60000)]),
        (WHOLE, 0x10000 - GROWTH - SECTOR_SIZE, [Region(0x10000, 0x60000)]),
        (WHOLE, 0x10000, [Region(0x20000, 0x60000)]),
        (WHOLE, 0x5F000, []),
        ([Region(0x3000, 0x4000), Region(0x13000, 0x40000)], 0, [Region(0x20000, 0x40000)]),
        ([Region(0x1000, 0x9000), Region(0x13000, 0x14000)], 0, [Region(0x13000, 0x14000)]),
        ([BOOT_SECTOR], 0, []),
        ([], 0, []),
    ],
)
def test_what_lies_behind_the_block_on_its_way_was_not_begun(
    dirty: list[Region], done: int, left: list[Region]
) -> None:
    assert not_begun(dirty, done) == left


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 0x80000))
def test_nothing_that_was_sent_counts_as_not_begun(sizes: list[int], done: int) -> None:
    at, dirty = SECTOR_SIZE, list[Region]()
    for size in sizes:
        dirty.append(Region(at, at + size * SECTOR_SIZE))
        at = dirty[-1].end + SECTOR_SIZE
    sectors = [part for region in dirty for part in region.split(SECTOR_SIZE)]
    sent = sectors[: -(-done // SECTOR_SIZE)]
    assert not any(left.overlaps(part) for left in not_begun(dirty, done) for part in sent)
