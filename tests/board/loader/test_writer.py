"""The writer against a recording flash with NOR rules: what is compared, erased, sent, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from flashpipe.board.loader import compare as comparing
from flashpipe.board.loader import compression, writer
from flashpipe.errors import VerifyError
from flashpipe.flash import SECTOR_SIZE, Region
from hypothesis import given
from hypothesis import strategies as st

from tests.board.fakes import SIZE, FakeLoader, piece, put, quiet


@pytest.fixture(autouse=True, scope="module")
def begun() -> Iterator[list[int]]:
    """Sizes of what was begun to be compressed, instead of threads that do it."""
    sizes: list[int] = []
    with pytest.MonkeyPatch.context() as patch:

        def begin(data: bytes, *, quick: bool) -> None:
            sizes.append(len(data))
            QUICK.append(quick)

        patch.setattr(compression, "prepare", begin)
        yield sizes


QUICK: Final[list[bool]] = []
"""Whether each of them is packed the quick way."""


def test_one_stream_is_compressed_ahead(monkeypatch: pytest.MonkeyPatch, begun: list[int]) -> None:
    monkeypatch.setattr(writer, "RUN_LIMIT", 0x10000)
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    begun.clear()
    writer.prepare([wanted], 460_800)
    assert begun == [0x10000], "the first, with its blank boot sector"
    ahead: list[int] = []
    writer.write(loader, [wanted], [wanted.region], lambda _done, _total: ahead.append(len(begun)))
    assert begun == [0x10000, 0x10000, 0x10000, SECTOR_SIZE]
    assert ahead == [2, 3, 4, 4]


def test_a_line_that_is_faster_than_the_flash_gets_what_is_packed_sooner(begun: list[int]) -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    QUICK.clear()
    for baud in (921_600, 1_500_000):
        writer.prepare([wanted], baud)
    writer.write(loader, [wanted], [wanted.region], quiet, quick=True)
    assert QUICK == [False, True, True]
    assert begun[-1] == SECTOR_SIZE


def test_the_boot_sector_is_blank_until_all_else_is_written() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    seen: list[bytes] = []

    def look(done: int, total: int) -> None:
        seen.append(bytes(loader.cells[:SECTOR_SIZE]))
        quiet(done, total)

    assert writer.write(loader, [wanted], [wanted.region], look) == 0x30000
    assert loader.calls == [("write", Region(0, 0x30000)), ("write", Region(0, SECTOR_SIZE))]
    assert seen == [b"\xff" * SECTOR_SIZE, wanted.data[:SECTOR_SIZE]]
    assert loader.cells[:0x30000] == wanted.data


def test_the_boot_sector_is_erased_before_a_change_elsewhere() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    writer.write(loader, [wanted], [Region(0x2000, 0x3000)], quiet)
    assert loader.calls[0] == ("erase", Region(0, SECTOR_SIZE))
    assert loader.calls[-1] == ("write", Region(0, SECTOR_SIZE))
    assert loader.cells[SECTOR_SIZE:0x2000] == bytes(SECTOR_SIZE)


def test_without_a_piece_at_0_the_boot_sector_is_left_alone() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(SECTOR_SIZE, 0x30000)
    assert writer.write(loader, [wanted], [wanted.region], quiet) == 0x30000
    assert loader.calls == [("write", wanted.region)]


def test_the_boot_sector_guards_a_change_elsewhere_too() -> None:
    loader, wanted = FakeLoader(), piece(0, 0x30000)
    put(loader, wanted)
    writer.write(loader, [wanted], [Region(0x20000, 0x21000)], quiet)
    assert loader.done("write") == [Region(0x20000, 0x21000), Region(0, SECTOR_SIZE)]
    assert loader.cells[:0x30000] == wanted.data


def test_a_line_on_trial_carries_one_block_of_flash_before_the_rest() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    writer.write(loader, [wanted], [wanted.region], quiet, prove_line=True)
    assert loader.done("write") == [Region(0, 0x10000), Region(0x10000, 0x30000), Region(0, SECTOR_SIZE)]
    assert loader.cells[:0x30000] == wanted.data


def test_what_came_wrong_first_stops_a_line_on_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), piece(0, 0x30000)
    monkeypatch.setattr(loader, "md5", lambda _region: bytes(16))
    with pytest.raises(VerifyError, match="first"):
        writer.write(loader, [wanted], [wanted.region], quiet, prove_line=True)
    assert loader.done("write") == [Region(0, 0x10000)]


def padded(first: int = 0) -> writer.FlashPiece:
    """A piece with two blocks and some sectors that should be blank."""
    data = bytearray(piece(first, 0x60000 - first).data)
    data[0x1E000 - first : 0x41000 - first] = b"\xff" * 0x23000
    return writer.FlashPiece(first, bytes(data))


def test_whole_blocks_that_should_be_blank_are_erased_and_not_sent() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), padded()
    told: list[tuple[int, int]] = []
    sent = writer.write(loader, [wanted], [wanted.region], lambda *done: told.append(done))
    assert sent == 0x40000
    assert loader.calls == [
        ("write", Region(0, 0x20000)),
        ("erase", Region(0x20000, 0x40000)),
        ("write", Region(0x40000, 0x60000)),
        ("write", Region(0, SECTOR_SIZE)),
    ]
    assert told == sorted(told)
    assert told[-1] == (0x60000, 0x60000)
    assert loader.cells == wanted.data


def test_a_part_of_a_block_is_not_erased_whole() -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), padded(SECTOR_SIZE)
    writer.write(loader, [wanted], [Region(0x21000, 0x30000)], quiet)
    assert loader.calls == [("write", Region(0x21000, 0x30000))]


@pytest.mark.parametrize("dirty", [Region(0x20000, 0x60000), Region(0, 0x60000)])
def test_erasing_proves_nothing_of_a_line_on_trial(dirty: Region) -> None:
    loader, wanted = FakeLoader(bytearray(SIZE)), padded()
    writer.write(loader, [wanted], [dirty], quiet, prove_line=True)
    first = next(region for what, region in loader.calls if what == "write")
    assert loader.done("md5") == [first]
    assert first.size == 0x10000
    assert loader.cells[dirty.start :] == wanted.data[dirty.start :]


def test_the_boot_sector_is_blank_before_a_block_is_erased() -> None:
    loader, wanted = FakeLoader(), padded()
    put(loader, wanted)
    writer.write(loader, [wanted], [Region(0x20000, 0x30000)], quiet)
    assert loader.calls == [
        ("erase", Region(0, SECTOR_SIZE)),
        ("erase", Region(0x20000, 0x30000)),
        ("write", Region(0, SECTOR_SIZE)),
    ]


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
        "probe": lambda: comparing.first_difference(loader, [wanted], [], tell),
        "compare": lambda: comparing.differences(loader, [wanted], [], tell),
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
