from __future__ import annotations

from itertools import pairwise

import pytest
from flashpipe.flash import (
    FREQUENCY_CODES,
    MODE_CODES,
    SECTOR_SIZE,
    SIZE_BYTES,
    SIZE_CODES,
    FlashSettings,
    Region,
    decode_size,
    merge,
    size_name,
)
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def regions(draw: st.DrawFn) -> Region:
    start = draw(st.integers(0, 200))
    return Region(start, start + draw(st.integers(0, 60)))


def covered(found: list[Region]) -> set[int]:
    return {address for region in found for address in range(region.start, region.end)}


@given(region=regions(), holes=st.lists(regions(), max_size=6))
def test_what_is_left_is_the_region_outside_the_holes(region: Region, holes: list[Region]) -> None:
    left = list(region.without(holes))
    assert covered(left) == covered([region]) - covered(holes)
    assert all(piece.size > 0 for piece in left)
    assert all(before.end <= after.start for before, after in pairwise(left))


@given(found=st.lists(regions(), max_size=8))
def test_merged_regions_cover_the_same_bytes_and_never_touch(found: list[Region]) -> None:
    merged = merge(found)
    assert covered(merged) == covered(found)
    assert all(before.end < after.start for before, after in pairwise(merged))


@given(region=regions(), step=st.integers(1, 50))
def test_pieces_are_the_region_and_end_at_the_step(region: Region, step: int) -> None:
    pieces = list(region.split(step))
    assert covered(pieces) == covered([region])
    assert all(piece.end % step == 0 for piece in pieces[:-1])
    assert all(0 < piece.size <= step for piece in pieces)


@given(one=regions(), other=regions())
def test_overlap_and_containment_are_about_bytes(one: Region, other: Region) -> None:
    assert one.overlaps(other) == other.overlaps(one) == bool(covered([one]) & covered([other]))
    if other.size:
        assert one.contains(other) == (covered([other]) <= covered([one]))


@given(start=st.integers(0, 0x10000), size=st.integers(1, 0x5000))
def test_sectors_are_the_smallest_whole_ones(start: int, size: int) -> None:
    region = Region(start, start + size)
    whole = region.sectors()
    assert whole.contains(region)
    assert whole.start % SECTOR_SIZE == whole.end % SECTOR_SIZE == 0
    assert region.start - whole.start < SECTOR_SIZE
    assert whole.end - region.end < SECTOR_SIZE


def test_region_prints_in_hex_at_one_width() -> None:
    assert str(Region(0, 0x10000)) == "0x000000..0x010000"


def test_sizes_are_those_of_their_names() -> None:
    assert SIZE_BYTES == {
        "512KB": 0x80000,
        "256KB": 0x40000,
        "1MB": 0x100000,
        "2MB": 0x200000,
        "4MB": 0x400000,
        "2MB-c1": 0x200000,
        "4MB-c1": 0x400000,
        "8MB": 0x800000,
        "16MB": 0x1000000,
    }


def test_size_names_and_codes_round_trip() -> None:
    assert {name: decode_size(code) for name, code in SIZE_CODES.items()} == {name: name for name in SIZE_CODES}
    assert decode_size(7) is None
    assert size_name(0x400000) == "4MB"
    with pytest.raises(KeyError):
        size_name(12345)


# facts: image-flashmap §4.1, the header words as esptool prints them
@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (FlashSettings("dio", "4MB", "40m"), 0x0240),
        (FlashSettings("dout", "1MB", "40m"), 0x0320),
        (FlashSettings("qio", "4MB", "40m"), 0x0040),
        (FlashSettings("dio", "16MB", "40m"), 0x0290),
        (FlashSettings("qio", "512KB", "80m"), 0x000F),
    ],
)
def test_header_bytes(settings: FlashSettings, word: int) -> None:
    assert int.from_bytes(settings.header_bytes(), "big") == word


def test_every_setting_has_its_own_header_bytes() -> None:
    every = [FlashSettings(mode, size, rate) for mode in MODE_CODES for size in SIZE_CODES for rate in FREQUENCY_CODES]
    assert len({settings.header_bytes() for settings in every}) == len(every)
    assert every[0].capacity == SIZE_BYTES[every[0].size]
    assert str(FlashSettings("dio", "4MB", "40m")) == "4MB dio 40m"
