from __future__ import annotations

from random import Random

import pytest
from flashpipe.firmware.spiffs import (
    BLOCK,
    SMALL_BLOCK,
    FileSystem,
    Place,
    file_system_at,
    find_file_system,
    new_place_up_to_2x,
    place_in_partition,
    places_up_to_2x,
)
from flashpipe.flash import Region
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.firmware.flashes import Flash, put_files

MIB = 0x100000


@settings(max_examples=40)
@example(size=MIB // 2, code_end=0x72001)
@given(size=st.sampled_from([MIB // 2, MIB, 2 * MIB, 4 * MIB]), code_end=st.integers(0x40000, 0x7E000))
def test_what_2x_makes_is_found_with_few_reads(size: int, code_end: int) -> None:
    place = new_place_up_to_2x(code_end, size)
    block = BLOCK if (place.end - place.start) // BLOCK >= 4 else SMALL_BLOCK
    blocks = (place.end - place.start) // block
    flash = Flash(bytearray(b"\xff" * size))
    if blocks >= 4:
        put_files(flash.cells, place.start, blocks, block)
    found = find_file_system(flash.read, size)
    assert found == (FileSystem(place.start, blocks, block) if blocks >= 4 else None)
    assert flash.reads <= 60
    assert flash.read_bytes <= 120


@pytest.mark.parametrize("fill", [0x00, 0xFF, -1])
def test_none_is_found_where_none_is(fill: int) -> None:
    cells = bytearray(Random(3).randbytes(4 * MIB) if fill < 0 else bytes((fill,)) * 4 * MIB)
    assert find_file_system(Flash(cells).read, 4 * MIB) is None


def test_a_small_one_made_by_a_build_with_a_limit_is_found() -> None:
    flash = Flash(bytearray(b"\xff" * 4 * MIB))
    put_files(flash.cells, 0x90000, 16)
    assert find_file_system(flash.read, 4 * MIB) == FileSystem(0x90000, 16)


@pytest.mark.parametrize("index", [0, 1, 2, 5, 222, 443])
def test_a_block_whose_erase_was_cut_short_hides_nothing(index: int) -> None:
    flash = Flash(bytearray(b"\xff" * 4 * MIB))
    put_files(flash.cells, 0x80000, 445)
    at = 0x80000 + index * BLOCK
    flash.cells[at : at + BLOCK] = b"\xff" * BLOCK
    assert find_file_system(flash.read, 4 * MIB) == FileSystem(0x80000, 445)


def test_it_is_only_taken_where_it_begins() -> None:
    flash = Flash(bytearray(b"\xff" * MIB))
    put_files(flash.cells, 0x80000, 8)
    assert file_system_at(flash.read, 0x80000) == FileSystem(0x80000, 8)
    assert file_system_at(flash.read, 0x7E000) is None
    assert file_system_at(flash.read, 0x80000 + 6 * BLOCK) is None, "fewer than four blocks are none"


def test_the_rest_of_one_looks_like_a_smaller_one() -> None:
    files = FileSystem(0x80000, 8)
    assert [at for at in range(0x78000, 0x98000, 0x1000) if files.seems_to_begin(at)] == [
        0x80000,
        0x82000,
        0x84000,
        0x86000,
        0x88000,
    ]


# app/spiffs/spiffs.c of nodemcu-firmware 2.2.1: eight wide steps, then eight narrow ones; none wide on 512 KB
@pytest.mark.parametrize(
    ("size", "code_end", "starts", "new"),
    [
        (4 * MIB, 0x71000, (0x80000, 8, 0x72000, 8), 0x90000),
        (MIB, 0x71000, (0x80000, 8, 0x72000, 8), 0x90000),
        (MIB // 2, 0x71000, (0, 0, 0x72000, 3), 0x72000),
        (MIB, 0xA1000, (0xB0000, 5, 0xA2000, 8), 0xAA000),
    ],
)
def test_2x_looks_where_its_source_says(size: int, code_end: int, starts: tuple[int, int, int, int], new: int) -> None:
    places = list(places_up_to_2x(code_end, size))
    wide, wides, narrow, narrows = starts
    expected = [wide + 0x10000 * n for n in range(wides)] + [narrow + 0x2000 * n for n in range(narrows)]
    assert list(dict.fromkeys(place.start for place in places)) == list(dict.fromkeys(expected))
    assert all(place.end <= size - 0x5000 for place in places)
    assert new_place_up_to_2x(code_end, size) == Region(new, size - 0x5000)


def test_3x_looks_at_the_start_of_its_partition_only() -> None:
    assert place_in_partition(Region(0x71000, 0x3FD000)) == Place(0x72000, 0x3FC000)


@pytest.mark.parametrize(("blocks", "accepted"), [(3, True), (4, True), (5, False)])
def test_a_file_system_longer_than_its_place_is_not_accepted(blocks: int, *, accepted: bool) -> None:
    assert Place(0x80000, 0x88000).accepts(FileSystem(0x80000, blocks)) is accepted
    assert not Place(0x82000, 0x98000).accepts(FileSystem(0x80000, blocks))
