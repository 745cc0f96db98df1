from __future__ import annotations

import pytest
from flashpipe.sim.rom.flash import CHIP

from tests.sim.executed import MS, Bench

TEXT = bytes(range(256)) * 16


@pytest.fixture
def bench() -> Bench:
    return Bench(contents=b"\xff" * 0x10000 + TEXT)


def test_reads_as_the_part_holds_it(bench: Bench) -> None:
    to = bench.put(bytes(100))
    assert bench.call("SPIRead", 0x10003, to, 100) == 0
    assert bench.memory.read(to, 100) == TEXT[3:103]


def test_nothing_is_read_past_the_size_that_the_rom_believes_in(bench: Bench) -> None:
    to = bench.put(bytes(16))
    assert bench.call("SPIRead", 0x100000 - 8, to, 16) == 1
    assert bench.call("SPIParamCfg", 0x1640EF, 0x200000, 0x10000, 0x1000, 0x100, 0xFFFF) == 0
    assert bench.call("SPIRead", 0x100000 - 8, to, 16) == 0
    assert bench.memory.u32(CHIP + 4) == 0x200000


def test_programming_only_clears_bits(bench: Bench) -> None:
    for content in (b"\xf0" * 40, b"\x3f" * 40):
        assert bench.call("SPIWrite", 0x2010, bench.put(content), 40) == 0
    assert bench.machine.nor.read(0x2010, 41) == b"\x30" * 40 + b"\xff"


def test_erasing_takes_the_parts_time_and_a_blank_sector_less(bench: Bench) -> None:
    before = bench.state.cycles
    assert bench.call("SPIEraseSector", 0x10) == 0
    dirty = bench.state.cycles - before
    assert bench.machine.nor.is_blank(0x10000, 0x1000)
    before = bench.state.cycles
    bench.call("SPIEraseSector", 0x10)
    blank = bench.state.cycles - before
    assert dirty > 30 * MS
    assert 10 * MS < blank < 20 * MS
    assert bench.call("SPIEraseSector", 0x100) == 1


def test_larger_erases(bench: Bench) -> None:
    assert bench.call("SPIEraseBlock", 1) == 0
    assert bench.machine.nor.is_blank(0x10000, 0x10000)
    assert bench.call("SPIEraseBlock", 16) == 1
    bench.call("SPIWrite", 0x5000, bench.put(b"\0\0\0\0"), 4)
    assert bench.call("SPIEraseChip", limit_ms=60_000) == 0
    assert bench.machine.nor.is_blank(0, 0x100000)


@pytest.mark.parametrize(("first", "sectors", "erased"), [(0xF, 2, 3), (0, 1, 2), (0x10, 3, 6), (0xE, 20, 22)])
def test_erasing_an_area_erases_too_much(bench: Bench, first: int, sectors: int, erased: int) -> None:
    """R + min(R, head) sectors for a request of R (facts: esp8266-protocol §3.6)."""
    before = bench.machine.nor.erased_sectors
    assert bench.call("SPIEraseArea", first * 0x1000, sectors * 0x1000) == 0
    assert bench.machine.nor.erased_sectors - before == erased
    assert bench.call("SPIEraseArea", 0x123, 0x1000) == 1


def test_a_protected_part_ignores_writes_without_a_word(bench: Bench) -> None:
    assert bench.call("SPILock") == 0
    assert bench.call("SPIWrite", 0x3000, bench.put(b"\0\0\0\0"), 4) == 0
    assert bench.machine.nor.read(0x3000, 4) == b"\xff" * 4
    status = bench.put(bytes(4))
    bench.call("SPI_read_status", CHIP, status)
    assert bench.memory.u32(status) & 0x1C == 0x1C
    assert bench.call("SPIUnlock") == 0
    bench.call("SPIWrite", 0x3000, bench.put(b"\0\0\0\0"), 4)
    assert bench.machine.nor.read(0x3000, 4) == bytes(4)


def test_the_window_shows_what_was_written(bench: Bench) -> None:
    bench.machine._load_window()
    bench.call("SPIWrite", 0x4000, bench.put(b"\x12\x34\x56\x78"), 4)
    assert bench.memory.read(0x40204000, 4) == b"\x12\x34\x56\x78"
    bench.call("SPIEraseSector", 4)
    assert bench.memory.read(0x40204000, 4) == b"\xff" * 4


def test_functions_by_structure(bench: Bench) -> None:
    to = bench.put(bytes(8))
    assert bench.call("SPI_read_data", CHIP, 0x10000, to, 8) == 0
    assert bench.memory.read(to, 8) == TEXT[:8]
    assert bench.call("SPI_read_data", CHIP, 0x100000, to, 8) == 1
    assert bench.call("SPI_page_program", CHIP, 0x70F8, to, 16) == 1
    assert bench.call("SPI_page_program", CHIP, 0x70F8, to, 8) == 0
    assert bench.machine.nor.read(0x70F8, 8) == TEXT[:8]
    assert bench.call("SPI_sector_erase", CHIP, 0x7004) == 1
    assert bench.call("SPI_sector_erase", CHIP, 0x7000) == 0
    assert bench.machine.nor.is_blank(0x7000, 0x1000)


def test_the_cache_maps_another_megabyte(bench: Bench) -> None:
    machine = bench.machine
    assert machine.window == (0, False)
    bench.call("Cache_Read_Enable", 1, 0, 0)
    assert machine.window[0] == 0x100000
    bench.call("Cache_Read_Enable", 0, 1, 0)
    assert machine.window[0] == 0x200000
    bench.call("Cache_Read_Disable")
    assert machine.window[0] == 0x200000
