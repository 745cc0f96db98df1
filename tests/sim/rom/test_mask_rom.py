from __future__ import annotations

import pytest
from flashpipe.sim.devices.device import NotThereError
from flashpipe.sim.rom import data
from flashpipe.sim.rom.names import NAMES, describe
from flashpipe.sim.rom.table import CONTINUATIONS, FUNCTIONS

from tests.sim.executed import ADDRESSES, Bench


def test_a_function_that_is_not_there_stops_with_its_name() -> None:
    bench = Bench()
    with pytest.raises(AssertionError):
        bench.call("cmd_parse")
    assert bench.machine.stopped.startswith("ROM function 0x40000814 cmd_parse is not there")
    assert "cmd_parse is not there" in bench.said()


def test_a_tolerant_board_goes_on_with_0() -> None:
    bench = Bench(tolerant=True)
    assert bench.call("cmd_parse", 5) == 0
    assert bench.call("cmd_parse", 5) == 0
    assert bench.machine.rom.missing == ["ROM function 0x40000814 cmd_parse is not there"]


def test_a_place_inside_a_function_is_named() -> None:
    assert describe(0x40000E04) == "0x40000e04 ets_run"
    assert describe(0x40000E08) == "0x40000e08 (0x4 behind ets_run)"
    assert describe(0x40000000) == "0x40000000"


def test_names_of_functions_are_those_of_the_symbol_list() -> None:
    known = {address: function.name for address, function in FUNCTIONS.items() if address < CONTINUATIONS}
    assert {address: NAMES.get(address) for address in known} == known


def test_reading_the_rom_as_data_stops() -> None:
    bench = Bench()
    with pytest.raises(NotThereError, match="0x40001000"):
        bench.devices.bus.read(0x40001000, 4)


def test_data_of_the_rom() -> None:
    bench = Bench()
    memory = bench.memory
    assert memory.c_string(0x3FFFD848) == b"0123456789abcdef"
    assert memory.c_string(0x3FFFD814).startswith(b"Fatal exception")
    assert memory.u32(0x3FFFC714) == 0x3FFFC718
    assert memory.u32(0x3FFFC718) == 0x1640EF
    assert memory.u32(0x3FFFC000 + 4 * 4) == ADDRESSES["_xtos_l1int_handler"]
    assert memory.u32(0x3FFFC000) == ADDRESSES["_xtos_unhandled_exception"]
    assert len(memory.c_string(data.BASE64)) == 64


def test_chains_of_descriptors() -> None:
    bench = Bench()
    first, ends = bench.put(bytes(64)), bench.put(bytes(8))
    bench.call("lldesc_build_chain", first, 36, 0x3FFEB000, 0x300, 0x100, 1, ends, ends + 4)
    assert bench.memory.u32(first) == 0x80100100
    assert [bench.memory.u32(first + 12 * index + 4) for index in range(3)] == [0x3FFEB000, 0x3FFEB100, 0x3FFEB200]
    assert [bench.memory.u32(first + 12 * index + 8) for index in range(3)] == [first + 12, first + 24, 0]
    assert (bench.memory.u32(ends), bench.memory.u32(ends + 4)) == (first, first + 24)
    bench.call("lldesc_set_owner", first, 0)
    assert bench.memory.u32(first + 24) >> 31 == 0
