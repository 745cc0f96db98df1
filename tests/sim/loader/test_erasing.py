"""Which sectors a write or an erase clears, to the byte, for each loader."""

from __future__ import annotations

import zlib
from random import Random
from typing import Any

import pytest
from flashpipe.sim.loader.main_loop import SYNC_PAYLOAD

SECTOR = 0x1000
BOTH = pytest.mark.parametrize("stub", [1, 2])


def start(bench: Any, stub: int, fill: str = "byte:0") -> Any:
    return bench.host(f"sim://esp12?start=stub-v{stub}&fill={fill}")


def erased(cells: bytes) -> list[int]:
    """Numbers of the sectors that hold nothing but ones."""
    return [at // SECTOR for at in range(0, len(cells), SECTOR) if cells[at : at + SECTOR] == b"\xff" * SECTOR]


@pytest.mark.parametrize(("size", "count"), [(1, 2), (0xFFF, 2), (0x1001, 4), (0xFFFF, 32)])
def test_a_partly_filled_sector_counts_whole_for_the_rom(bench: Any, size: int, count: int) -> None:
    host = bench.host("sim://esp12?start=rom&fill=byte:0")
    host.command(8, SYNC_PAYLOAD)
    assert host.status(2, bench.words(size, 1, 0x400, 0)) == "0000"
    assert erased(host.cells) == list(range(count)), "twice as many as asked, up to the block: the bug of the silicon"


@pytest.mark.parametrize(
    ("address", "size"), [(0x0, 0x10000), (0x8000, 0x20000), (0xF000, 0x11000), (0x11000, 0x1F000), (0x20000, 0x1000)]
)
@BOTH
def test_an_erase_clears_its_region_and_no_other_byte(bench: Any, stub: int, address: int, size: int) -> None:
    host = start(bench, stub)
    assert host.status(0xD1, bench.words(address, size)) == "0000"
    assert erased(host.cells) == list(range(address // SECTOR, (address + size) // SECTOR))
    assert host.cells.count(0xFF) == size


@pytest.mark.parametrize(("address", "size"), [(0x1000, 0x2000), (0x1000, 0x1001), (0x1800, 0x1000), (0xF000, 0x12000)])
@BOTH
def test_a_write_erases_the_sectors_it_touches_and_no_other(bench: Any, stub: int, address: int, size: int) -> None:
    host = start(bench, stub)
    assert host.status(2, bench.words(size, -(-size // 0x4000), 0x4000, address, 0)) == "0000"
    data = b"\x5a" * size
    for number, at in enumerate(range(0, size, 0x4000)):
        assert host.block(3, data[at : at + 0x4000].ljust(0x4000, b"\xff"), number) == "0000"
    first, end = address // SECTOR * SECTOR, -(-(address + size) // SECTOR) * SECTOR
    want = bytearray(len(host.cells))
    want[first:end] = b"\xff" * (end - first)
    want[address : address + size] = data
    assert host.cells == want


@pytest.mark.parametrize("address", [0x1000, 0x1800, 0xF000])
@BOTH
def test_erasing_ahead_stops_at_the_end(bench: Any, stub: int, address: int) -> None:
    """Both stubs erase while they inflate, a step at each turn: small blocks give them turns to spare."""
    host = start(bench, stub)
    data = Random(address).randbytes(0x1800)
    stream = zlib.compress(data, 9)
    blocks = [stream[at : at + 0x100] for at in range(0, len(stream), 0x100)]
    assert host.status(0x10, bench.words(len(data), len(blocks), 0x100, address, 0)) == "0000"
    assert {host.block(0x11, block, number) for number, block in enumerate(blocks)} == {"0000"}
    first, end = address // SECTOR * SECTOR, -(-(address + len(data)) // SECTOR) * SECTOR
    assert host.cells[:first] == bytes(first)
    assert host.cells[first:end] == (b"\xff" * (address - first) + data).ljust(end - first, b"\xff")
    assert host.cells[end:] == bytes(len(host.cells) - end)


@pytest.mark.parametrize("dirty", [0x10000, 0x10FFF, 0x11000, 0x11010, 0x12FFF, 0x13800])
def test_one_bit_makes_a_sector_dirty_for_stub2(bench: Any, dirty: int) -> None:
    host = start(bench, 2, "ff")
    host.link.board.nor.program(dirty, b"\xfe")
    host.status(2, bench.words(0x4000, 1, 0x4000, 0x10000, 0))
    assert host.block(3, b"\x11" * 0x4000) == "0000"
    assert host.cells[0x10000:0x14000] == b"\x11" * 0x4000
    assert host.link.board.nor.erased_sectors == (0x14000 - dirty + SECTOR - 1) // SECTOR
