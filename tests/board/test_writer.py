"""The writer against a recording flash with NOR rules: what is compared, erased, sent, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board import writer
from pipeline.errors import VerifyError
from pipeline.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge

SIZE = 0x60000


@dataclass
class FakeLoader:
    """A flash in memory that remembers what was asked of it."""

    cells: bytearray = field(default_factory=lambda: bytearray(b"\xff" * SIZE))
    calls: list[tuple[str, Region]] = field(default_factory=list)
    broken: frozenset[int] = frozenset()
    """Addresses that never take a value but 0xFF."""

    def md5(self, region: Region) -> bytes:
        self.calls.append(("md5", region))
        return hashlib.md5(self.cells[region.start : region.end]).digest()

    def erase(self, region: Region) -> None:
        assert region == region.sectors()
        self.calls.append(("erase", region))
        self.cells[region.start : region.end] = b"\xff" * region.size

    def erase_all(self) -> None:
        self.erase(Region(0, SIZE))

    def write(self, address: int, data: bytes, on_written: Callable[[int], None]) -> None:
        region = Region(address, address + len(data))
        self.calls.append(("write", region))
        touched = region.sectors()
        self.cells[touched.start : touched.end] = b"\xff" * touched.size
        self.cells[address : address + len(data)] = data
        for at in self.broken:
            self.cells[at] = 0xFF
        on_written(len(data))

    def read(self, region: Region, on_read: Callable[[int], None]) -> bytes:
        on_read(region.size)
        return bytes(self.cells[region.start : region.end])

    def done(self, what: str) -> list[Region]:
        return [region for name, region in self.calls if name == what]


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def piece(address: int, size: int, seed: int = 1) -> writer.Piece:
    block = b"".join(hashlib.sha256(bytes([seed, n % 256, n // 256])).digest() for n in range(size // 32))
    return writer.Piece(address, block)


def put(loader: FakeLoader, wanted: writer.Piece) -> None:
    loader.cells[wanted.address : wanted.address + len(wanted.data)] = wanted.data


def test_a_board_that_holds_the_pieces_has_no_difference() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    assert writer.first_difference(loader, [wanted], [], quiet) is None
    assert writer.differences(loader, [wanted], [], quiet) == []


def test_the_probe_stops_at_the_first_difference() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x40000)
    assert writer.first_difference(loader, [wanted], [], quiet) == Region(0, BLOCK_SIZE)
    assert len(loader.done("md5")) == 1


@pytest.mark.parametrize("at", [0, 0xFFFF, 0x10000, 0x2FFFF])
def test_the_probe_finds_a_difference_in_any_block(at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    loader.cells[at] ^= 0x01
    block = at // BLOCK_SIZE * BLOCK_SIZE
    assert writer.first_difference(loader, [wanted], [], quiet) == Region(block, block + BLOCK_SIZE)


@given(st.lists(st.integers(0, 0x2FFFF), min_size=1, max_size=12))
def test_exactly_the_changed_sectors_are_found(places: list[int]) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    for at in set(places):
        loader.cells[at] ^= 0x01
    expected = merge(Region(at, at + 1).sectors() for at in places)
    found = writer.differences(loader, [wanted], [], quiet)
    assert found == expected or found == [Region(0, 0x30000)]  # every block differs: given up, all is written
    if any(block not in {at // BLOCK_SIZE for at in places} for block in range(2)):
        assert found == expected


def test_ignored_parts_are_not_compared() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    loader.cells[3] ^= 0xFF
    loader.cells[0x10000:0x11000] = b"\0" * 0x1000
    ignored = [Region(3, 4), Region(0x10000, 0x11000)]
    assert writer.first_difference(loader, [wanted], ignored, quiet) is None
    assert writer.differences(loader, [wanted], ignored, quiet) == []


@pytest.mark.parametrize("at", [0, 2, 4, 0xFFF])
def test_a_difference_beside_an_ignored_part_is_its_whole_sector(at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    loader.cells[at] ^= 0xFF
    assert writer.differences(loader, [wanted], [Region(3, 4)], quiet) == [Region(0, SECTOR_SIZE)]


@given(st.integers(0x10000, 0x1FFFF), st.integers(0, 0x1800), st.integers(0x10000, 0x1FFFF))
def test_what_differs_is_whole_sectors_whatever_is_ignored(start: int, size: int, at: int) -> None:
    loader, wanted = FakeLoader(), piece(0, 0x20000)
    put(loader, wanted)
    ignored = Region(start, min(0x20000, start + size))
    loader.cells[at] ^= 0xFF
    seen = [] if ignored.start <= at < ignored.end else [Region(at, at + 1).sectors()]
    assert writer.differences(loader, [wanted], [ignored], quiet) == seen


def test_a_foreign_board_is_given_up_early() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x60000)
    assert writer.differences(loader, [wanted], [], quiet) == [Region(0, 0x60000)]
    assert len(loader.done("md5")) < 0x60000 // SECTOR_SIZE


def test_the_boot_sector_is_erased_first_and_written_last() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    writer.write(loader, [wanted], [wanted.region], quiet)
    boot = Region(0, SECTOR_SIZE)
    assert loader.calls[0] == ("erase", boot)
    assert loader.calls[-1] == ("write", boot)
    assert loader.cells[:0x30000] == wanted.data


def test_the_boot_sector_guards_a_change_elsewhere_too() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    writer.write(loader, [wanted], [Region(0x20000, 0x21000)], quiet)
    assert loader.done("write") == [Region(0x20000, 0x21000), Region(0, SECTOR_SIZE)]
    assert loader.cells[:0x30000] == wanted.data


@given(st.sets(st.integers(0, 0x5F), max_size=20), st.integers(0, 3))
def test_nothing_outside_the_dirty_sectors_is_touched(sectors: set[int], first: int) -> None:
    loader, wanted = FakeLoader(), piece(first * SECTOR_SIZE, 0x40000)
    before = bytes(loader.cells)
    dirty = [
        part
        for number in sectors
        if (part := Region(number * SECTOR_SIZE, (number + 1) * SECTOR_SIZE).common(wanted.region)).size > 0
    ]
    writer.write(loader, [wanted], dirty, quiet)
    allowed = [*dirty, Region(0, SECTOR_SIZE)] if dirty and not first else dirty
    for region in Region(0, SIZE).without(allowed):
        assert loader.cells[region.start : region.end] == before[region.start : region.end]
    for region in dirty:
        assert loader.cells[region.start : region.end] == wanted.cut(region)


def test_verify_names_the_first_bad_sector() -> None:
    loader, wanted = FakeLoader(broken=frozenset({0x12345})), piece(0, 0x30000)
    writer.write(loader, [wanted], [wanted.region], quiet)
    with pytest.raises(VerifyError, match=r"0x012000\.\.0x013000 holds other bytes"):
        writer.verify(loader, [wanted], [wanted.region], quiet)


def test_verify_says_when_a_sector_is_blank() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x2000)
    put(loader, wanted)
    loader.erase(Region(0x1000, 0x2000))
    with pytest.raises(VerifyError, match=r"0x001000\.\.0x002000 is blank"):
        writer.verify(loader, [wanted], [wanted.region], quiet)


def test_read_back_names_the_first_bad_byte() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x2000)
    put(loader, wanted)
    loader.cells[0x1234] ^= 0x10
    with pytest.raises(VerifyError, match="0x001234"):
        writer.read_back(loader, [wanted], [wanted.region], quiet)


def test_every_loop_tells_its_progress_to_the_end() -> None:
    """Progress is also where a request to stop is heeded."""
    loader, wanted = FakeLoader(), piece(0, 0x50000)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    loops: dict[str, Callable[[], object]] = {
        "write": lambda: writer.write(loader, [wanted], [wanted.region], tell),
        "probe": lambda: writer.first_difference(loader, [wanted], [], tell),
        "compare": lambda: writer.differences(loader, [wanted], [], tell),
        "verify": lambda: writer.verify(loader, [wanted], [wanted.region], tell),
        "read back": lambda: writer.read_back(loader, [wanted], [wanted.region], tell),
    }
    for name, loop in loops.items():
        told.clear()
        loop()
        assert told, name
        assert told == sorted(told), name
        assert told[-1] == (0x50000, 0x50000), name


def test_verify_looks_only_where_it_is_told() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x3000)
    put(loader, wanted)
    loader.cells[0x1000:0x2000] = bytes(0x1000)
    for check in (writer.verify, writer.read_back):
        check(loader, [wanted], wanted.region.without([Region(0x1000, 0x2000)]), quiet)
        with pytest.raises(VerifyError):
            check(loader, [wanted], [Region(0x1FFF, 0x2001)], quiet)
