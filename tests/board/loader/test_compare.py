"""Comparing: what differs is found, and with how few questions."""

from __future__ import annotations

import pytest
from flashpipe.board.loader import compare as comparing
from flashpipe.board.loader import writer
from flashpipe.board.loader.compare import Clues
from flashpipe.digests import digest_index, region_digests
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge
from hypothesis import given
from hypothesis import strategies as st

from tests.board.fakes import SIZE, FakeLoader, piece, put, quiet


def where(loader: FakeLoader, wanted: writer.FlashPiece) -> Region | None:
    first = comparing.first_difference(loader, [wanted], [], quiet)
    return first.block if first else None


def test_a_board_that_holds_the_pieces_has_no_difference() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    assert comparing.first_difference(loader, [wanted], [], quiet) is None
    assert comparing.differences(loader, [wanted], [], quiet) == []


def test_the_probe_stops_at_the_first_difference() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x40000)
    assert where(loader, wanted) == Region(0, BLOCK_SIZE)
    assert len(loader.done("md5")) == 1


@pytest.mark.parametrize("at", [0, 0xFFFF, 0x10000, 0x2FFFF])
def test_the_probe_finds_a_difference_in_any_block(at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    loader.cells[at] ^= 0x01
    block = at // BLOCK_SIZE * BLOCK_SIZE
    assert where(loader, wanted) == Region(block, block + BLOCK_SIZE)


@given(st.lists(st.integers(0, 0x2FFFF), min_size=1, max_size=12))
def test_exactly_the_changed_sectors_are_found(places: list[int]) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    for at in set(places):
        loader.cells[at] ^= 0x01
    expected = merge(Region(at, at + 1).sectors() for at in places)
    found = comparing.differences(loader, [wanted], [], quiet)
    assert found == expected or found == [Region(0, 0x30000)]  # every block differs: given up, all is written
    if any(block not in {at // BLOCK_SIZE for at in places} for block in range(2)):
        assert found == expected


def test_ignored_parts_are_not_compared() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    loader.cells[3] ^= 0xFF
    loader.cells[0x10000:0x11000] = b"\0" * 0x1000
    ignored = [Region(3, 4), Region(0x10000, 0x11000)]
    assert comparing.first_difference(loader, [wanted], ignored, quiet) is None
    assert comparing.differences(loader, [wanted], ignored, quiet) == []


@pytest.mark.parametrize("at", [0, 2, 4, 0xFFF])
def test_a_difference_beside_an_ignored_part_is_its_whole_sector(at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    loader.cells[at] ^= 0xFF
    assert comparing.differences(loader, [wanted], [Region(3, 4)], quiet) == [Region(0, SECTOR_SIZE)]


@given(st.integers(0x10000, 0x1FFFF), st.integers(0, 0x1800), st.integers(0x10000, 0x1FFFF))
def test_what_differs_is_whole_sectors_whatever_is_ignored(start: int, size: int, at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    ignored = Region(start, min(0x20000, start + size))
    loader.cells[at] ^= 0xFF
    seen = [] if ignored.start <= at < ignored.end else [Region(at, at + 1).sectors()]
    assert comparing.differences(loader, [wanted], [ignored], quiet) == seen


def test_a_foreign_board_is_given_up_early() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x60000)
    assert comparing.differences(loader, [wanted], [], quiet) == [Region(0, 0x60000)]
    assert len(loader.done("md5")) < 0x60000 // SECTOR_SIZE


def test_a_foreign_board_costs_a_few_looks() -> None:
    loader, wanted = FakeLoader(), piece(0, SIZE)
    first = comparing.first_difference(loader, [wanted], [], quiet)
    assert comparing.differences(loader, [wanted], [], quiet, Clues(first=first)) == [Region(0, SIZE)]
    assert [region.size for region in loader.done("md5")] == [BLOCK_SIZE] + [SECTOR_SIZE] * comparing.LOOKS


def test_what_a_blank_board_and_a_padded_image_share_is_no_likeness() -> None:
    loader, packed = FakeLoader(), piece(0, SIZE)
    wanted = writer.FlashPiece(0, packed.data[:0x20000] + b"\xff" * 0x30000 + packed.data[0x50000:])
    assert comparing.differences(loader, [wanted], [], quiet) == [Region(0, 0x20000), Region(0x50000, SIZE)]


@pytest.mark.parametrize("at", [0x20000, 0x21234, 0x2FFFF])
def test_on_a_foreign_board_blocks_that_shall_be_blank_are_looked_at(at: int) -> None:
    loader, packed = FakeLoader(), piece(0, SIZE)
    loader.cells[at] = 0
    wanted = writer.FlashPiece(0, packed.data[:0x20000] + b"\xff" * 0x30000 + packed.data[0x50000:])
    assert comparing.differences(loader, [wanted], [], quiet) == [Region(0, 0x30000), Region(0x50000, SIZE)]


def test_a_block_that_shall_be_blank_is_not_asked_for_its_sectors() -> None:
    loader, packed = FakeLoader(), piece(0, SIZE)
    wanted = writer.FlashPiece(0, packed.data[:0x20000] + b"\xff" * BLOCK_SIZE + packed.data[0x30000:])
    put(loader, wanted)
    loader.cells[0x21234] = 0
    assert comparing.differences(loader, [wanted], [], quiet) == [Region(0x20000, 0x30000)]
    sectors = [part for part in loader.done("md5") if part.size == SECTOR_SIZE]
    assert not [part for part in sectors if Region(0x20000, 0x30000).contains(part)]


def test_a_board_that_something_else_wrote_is_not_compared_for_what_it_once_held() -> None:
    loader, old, wanted = FakeLoader(), piece(0, SIZE), piece(0, SIZE, seed=2)
    put(loader, piece(0, SIZE, seed=3))
    first = comparing.first_difference(loader, [wanted], [], quiet)
    loader.calls.clear()
    clues = Clues(digest_index([region_digests(0, old.data)]), first)
    assert comparing.differences(loader, [wanted], [], quiet, clues) == [Region(0, SIZE)]
    assert len(loader.calls) == comparing.LOOKS


def test_one_sector_that_is_alike_earns_the_comparison() -> None:
    loader, wanted = FakeLoader(), piece(0, SIZE)
    loader.cells[0x30000:] = wanted.data[0x30000:]
    assert comparing.differences(loader, [wanted], [], quiet) == [Region(0, 0x30000)]


def test_where_another_image_begins_blocks_are_only_looked_at() -> None:
    loader, wanted = FakeLoader(), piece(0, SIZE)
    loader.cells[:0x20000] = wanted.data[:0x20000]
    first = comparing.first_difference(loader, [wanted], [], quiet)
    loader.calls.clear()
    assert comparing.differences(loader, [wanted], [], quiet, Clues(first=first)) == [Region(0x20000, SIZE)]
    sectors = [region for region in loader.done("md5") if region.size == SECTOR_SIZE]
    assert len(loader.calls) == len(sectors) == 16 + 3 * comparing.LOOKS_IN_BLOCK


def test_what_a_run_began_is_found_however_little() -> None:
    loader, wanted = FakeLoader(), piece(0, SIZE)
    loader.cells[SECTOR_SIZE:0x3000] = wanted.data[SECTOR_SIZE:0x3000]
    for begun in (False, True):
        found = comparing.differences(loader, [wanted], [], quiet, Clues(begun=begun))
        assert found == ([Region(0, SECTOR_SIZE), Region(0x3000, SIZE)] if begun else [Region(0, SIZE)])


def changed(wanted: writer.FlashPiece, *places: int) -> writer.FlashPiece:
    data = bytearray(wanted.data)
    for at in places:
        data[at - wanted.address] ^= 0x55
    return writer.FlashPiece(wanted.address, bytes(data))


def test_a_known_board_is_asked_for_each_block_once() -> None:
    loader, old = FakeLoader(), piece(0, SIZE)
    put(loader, old)
    wanted = changed(old, 0x12345, 0x13000, 0x4FFFF)
    clues = Clues(digest_index([region_digests(0, old.data)]), comparing.first_difference(loader, [wanted], [], quiet))
    expected = [Region(0x12000, 0x14000), Region(0x4F000, 0x50000)]
    assert comparing.differences(loader, [wanted], [], quiet, clues) == expected
    assert loader.done("md5") == list(Region(0, SIZE).split(BLOCK_SIZE))


@given(st.sets(st.integers(0, SIZE // SECTOR_SIZE - 1)), st.sets(st.integers(0, SIZE - 1), max_size=4))
def test_stored_digests_never_hide_what_something_else_wrote(planned: set[int], strange: set[int]) -> None:
    loader, old = FakeLoader(), piece(0, SIZE)
    put(loader, old)
    wanted = changed(old, *(number * SECTOR_SIZE for number in planned))
    for at in strange:
        loader.cells[at] ^= 0xAA
    clues = Clues(digest_index([region_digests(0, old.data)]), comparing.first_difference(loader, [wanted], [], quiet))
    touched = {at // SECTOR_SIZE for at in strange} | planned
    expected = merge(Region(number * SECTOR_SIZE, (number + 1) * SECTOR_SIZE) for number in touched)
    found = comparing.differences(loader, [wanted], [], quiet, clues) if clues.first else []
    assert all(any(region.contains(part) for region in found) for part in expected)
    if not strange:
        assert found == expected
