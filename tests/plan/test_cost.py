"""The cost model: against what was measured, and that joining runs never costs more and never touches more."""

from __future__ import annotations

from random import Random

import pytest
from flashpipe.flash import SECTOR_SIZE, Region, merge
from flashpipe.plan.cost import erase_s, joined, stream_s
from hypothesis import given
from hypothesis import strategies as st

SIZE = 0x80000
NOISE = Random(5).randbytes(SIZE)


def sectors(*numbers: int) -> list[Region]:
    return [Region(number * SECTOR_SIZE, (number + 1) * SECTOR_SIZE) for number in numbers]


def noise(region: Region) -> bytes:
    return NOISE[region.start : region.end]


def blank(region: Region) -> bytes:
    return b"\xff" * region.size


@pytest.mark.parametrize(
    ("region", "seconds"),
    [
        (Region(0, 0x1000), 0.045),
        (Region(0, 0x10000), 0.150),
        (Region(0x1000, 0x11000), 16 * 0.045),
        (Region(0x1000, 0x20000), 15 * 0.045 + 0.150),
        (Region(0xF000, 0x31000), 2 * 0.150 + 2 * 0.045),
    ],
)
def test_64_kib_are_erased_at_once_where_they_are_whole(region: Region, seconds: float) -> None:
    assert erase_s(region) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("size", "packed", "baud", "seconds"),
    [
        (409_600, 276_300, 115_200, 24.5),  # facts: stub-executed §6, the executed stub
        (409_600, 276_300, 230_400, 12.4),
        (409_600, 276_300, 460_800, 6.5),
        (409_600, 276_300, 921_600, 3.8),  # line and flash get in each other's way there
        (4096, 3057, 460_800, 0.093),  # one sector, on the virtual board in real time
        (0xFF000, 681_429, 460_800, 15.4),
    ],
)
def test_the_model_agrees_with_measurements(size: int, packed: int, baud: int, seconds: float) -> None:
    assert stream_s(Region(0, size), packed, baud) == pytest.approx(seconds, rel=0.08 if baud < 921_600 else 0.15)


def test_single_sectors_far_apart_stay_alone() -> None:
    dirty = sectors(3, 9, 40)
    assert joined(dirty, [Region(0, SIZE)], noise, 460_800) == dirty


def test_a_gap_that_packs_to_nothing_is_sent_along() -> None:
    def content(region: Region) -> bytes:
        return blank(region) if region.start == 12 * SECTOR_SIZE else noise(region)

    dirty = [Region(0x3000, 0xC000), Region(0xD000, 0x17000)]
    assert joined(dirty, [Region(0, SIZE)], content, 115_200) == [Region(0x3000, 0x17000)]
    assert joined(dirty, [Region(0, SIZE)], noise, 115_200) == dirty


def test_a_block_with_few_clean_sectors_is_erased_whole_on_a_fast_line() -> None:
    dirty = sectors(*(number for number in range(16, 32) if number not in {20, 27}))
    assert joined(dirty, [Region(0, SIZE)], noise, 2_000_000) == [Region(0x10000, 0x20000)]
    assert len(joined(dirty, [Region(0, SIZE)], noise, 115_200)) == 3


def test_no_run_leaves_what_may_be_written() -> None:
    room = [Region(0x10000, 0x14000), Region(0x15000, 0x20000)]
    dirty = sectors(*(number for number in range(16, 32) if number not in {20, 27}))
    found = joined(dirty, room, noise, 2_000_000)
    assert not any(region.overlaps(Region(0x14000, 0x15000)) for region in found)


@given(
    st.sets(st.integers(0, SIZE // SECTOR_SIZE - 1), max_size=40),
    st.sampled_from([115_200, 460_800, 921_600, 2_000_000]),
    st.sampled_from([noise, blank]),
)
def test_joining_covers_the_dirty_and_never_costs_more(numbers: set[int], baud: int, content: object) -> None:
    assert callable(content)
    dirty = merge(sectors(*numbers))
    found = joined(dirty, [Region(0, SIZE)], content, baud)
    assert merge(found) == found
    assert all(any(run.contains(region) for run in found) for region in dirty)
    packed = 4101 if content is noise else 20

    def total(runs: list[Region]) -> float:
        return sum(stream_s(run, run.size // SECTOR_SIZE * packed, baud) for run in runs)

    assert total(found) <= total(dirty) * 1.01


def test_what_is_only_erased_costs_no_programming() -> None:
    assert stream_s(Region(0x10000, 0x30000), 0, 115200) == pytest.approx(0.3, abs=0.05)
