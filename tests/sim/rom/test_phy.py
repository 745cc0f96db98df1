from __future__ import annotations

import pytest
from flashpipe.sim.rom.names import NAMES

from tests.sim.executed import ADDRESSES, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_table_of_functions(bench: Bench) -> None:
    """pvvx, include/bios/rom_phy.h: +144 i2c_readReg, +20, +92 and +96 unused."""
    table = bench.call("phy_get_romfuncs")
    assert bench.memory.u32(0x3FFFC730) == table == 0x3FFFC734
    assert bench.memory.u32(table + 144) == ADDRESSES["rom_i2c_readReg"]
    assert bench.memory.u32(table + 276) == ADDRESSES["rom_set_txiq_cal"]
    assert [bench.memory.u32(table + offset) for offset in (20, 92, 96)] == [0, 0, 0]


def test_analog_registers_remember(bench: Bench) -> None:
    bench.call("rom_i2c_writeReg", 0x6A, 2, 8, 0x5C)
    assert bench.call("rom_i2c_readReg", 0x6A, 2, 8) == 0x5C
    assert bench.call("rom_i2c_readReg_Mask", 0x6A, 2, 8, 6, 3) == 0x5C >> 3 & 0xF
    bench.go(ADDRESSES["rom_i2c_writeReg_Mask"], 0x6A, 2, 8, 3, 2, 0)
    assert bench.call("rom_i2c_readReg", 0x6A, 2, 8) == 0x50


def test_the_pll_is_set_for_a_crystal_of_26_mhz(bench: Bench) -> None:
    """103, 4, 1: 8 at first, 136 for 26 MHz (cores/esp8266/mmu_iram.cpp of the Arduino core)."""
    assert bench.call("rom_i2c_readReg", 103, 4, 1) == 8
    assert bench.devices.clocks.bus_hz == 52_000_000
    bench.call("rom_i2c_writeReg", 103, 4, 1, 136)
    assert bench.devices.clocks.bus_hz == 80_000_000


def test_registers_behind_the_bus_are_the_same_by_either_way(bench: Bench) -> None:
    bus = bench.devices.bus
    bus.write(0x60000D10, 4, 0x01880167)
    assert bench.call("rom_i2c_readReg", 0x67, 4, 1) == 0x88
    bus.write(0x60000D10, 4, 0x00000167)
    assert bus.read(0x60000D10, 4) >> 16 & 0xFF == 0x88


@pytest.mark.parametrize(("mhz", "channel"), [(2412, 1), (2437, 6), (2472, 13), (2484, 14)])
def test_channels(bench: Bench, mhz: int, channel: int) -> None:
    assert bench.call("rom_mhz2ieee", mhz) == channel


def test_every_function_of_the_phy_is_there(bench: Bench) -> None:
    missing = [
        name for address, name in NAMES.items() if name.startswith("rom_") and address not in bench.machine.rom._calls
    ]
    assert missing == []
    assert bench.call("rom_start_noisefloor") == 0
