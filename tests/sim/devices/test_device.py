from __future__ import annotations

import pytest
from flashpipe.sim.devices.device import LONGEST_SKIP, READ_CYCLES, NotThereError
from flashpipe.sim.memory import BusError

from tests.sim.cpu.assembler import program
from tests.sim.cpu.cores import NewCore, c_core, interpreter
from tests.sim.executed import MS, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("address", [0x60000040, 0x600007FC + 0x1000, 0x3FF30000, 0x60005000])
def test_a_register_that_is_not_there_stops_with_its_address(bench: Bench, address: int) -> None:
    with pytest.raises(NotThereError, match=f"{address:#010x}"):
        bench.devices.bus.read(address, 4)
    with pytest.raises(NotThereError, match=f"{address:#010x}"):
        bench.devices.bus.write(address, 4, 5)


def test_a_tolerant_board_lists_it_and_goes_on() -> None:
    bench = Bench(tolerant=True)
    assert bench.devices.bus.read(0x60005000, 4) == 0
    bench.devices.bus.write(0x60005000, 4, 1)
    bench.devices.bus.read(0x60005000, 4)
    assert len(bench.devices.bus.missing) == 2


@pytest.mark.parametrize("address", [0x00000000, 0x20000000, 0x3FE00000, 0x50000000, 0x80000000])
def test_outside_the_chip_nothing_answers(bench: Bench, address: int) -> None:
    with pytest.raises(BusError):
        bench.devices.bus.read(address, 4)


def test_between_registers_and_ram_all_is_zero(bench: Bench) -> None:
    bench.devices.bus.write(0x3FFE0000, 4, 5)
    assert bench.devices.bus.read(0x3FFE0000, 4) == 0


def test_parts_of_a_word(bench: Bench) -> None:
    bench.devices.bus.write(0x60001200, 4, 0x44332211)
    assert bench.devices.bus.read(0x60001201, 1) == 0x22
    assert bench.devices.bus.read(0x60001202, 2) == 0x4433


def test_an_access_costs_cycles(bench: Bench) -> None:
    before = bench.state.cycles
    bench.devices.bus.read(0x60001200, 4)
    assert bench.state.cycles - before == READ_CYCLES


@pytest.mark.parametrize(
    "address", [0x60000520, 0x60009A00, 0x3FF20400, 0x60000B44, 0x60000E08, 0x60000834, 0x3FF00028]
)
def test_blocks_without_an_effect_remember(bench: Bench, address: int) -> None:
    assert bench.devices.bus.read(address, 4) == 0
    bench.devices.bus.write(address, 4, 0x12345678)
    assert bench.devices.bus.read(address, 4) == 0x12345678
    bench.devices.reset(pll=True)
    assert bench.devices.bus.read(address, 4) == 0


def test_what_the_phy_waits_for_is_done(bench: Bench) -> None:
    bus = bench.devices.bus
    bus.write(0x60009B60, 4, 0xFFFFFFFF)
    assert not bus.read(0x60009B60, 4) & 2
    assert bus.read(0x6000057C, 4) >> 31
    assert bus.read(0x60000728, 4) == 1
    bus.write(0x6000036C, 4, 0x80000000 | 100)
    assert bus.read(0x60000370, 4) == 0x80000000 | 16600


def test_the_mac_of_the_efuses() -> None:
    bench = Bench(mac="5c:cf:7f:12:34:56")
    words = [bench.devices.bus.read(0x3FF00050 + 4 * index, 4) for index in range(4)]
    assert words[0] >> 24 == 0x56
    assert words[1] & 0xFFFF == 0x1234
    assert words[3] & 0xFFFFFF == 0x5CCF7F


def poll(bench: Bench, *addresses: int, turns: int = 100) -> int:
    """Ask registers in turn as a tight loop does; the cycles that pass."""
    before = bench.state.cycles
    for turn in range(turns):
        bench.state.cycles += 5
        bench.devices.bus.read(addresses[turn % len(addresses)], 4)
        if bench.devices.agenda.next() <= bench.state.cycles:
            break
    return bench.state.cycles - before


def test_a_polling_loop_goes_on_to_the_next_event(bench: Bench) -> None:
    event = bench.devices.agenda.event(lambda _at: None)
    event.schedule(bench.state.cycles + MS // 2)
    assert poll(bench, 0x6000001C, turns=20) in range(MS // 2, MS // 2 + 100)


def test_it_never_goes_far_where_nothing_is_planned(bench: Bench) -> None:
    assert poll(bench, 0x6000001C, turns=9 + 2) < 4 * LONGEST_SKIP


def test_a_loop_with_a_time_out_goes_on_in_small_steps(bench: Bench) -> None:
    event = bench.devices.agenda.event(lambda _at: None)
    event.schedule(bench.state.cycles + MS)
    turns_before = bench.devices.bus.snapshot()[1]
    assert poll(bench, 0x6000001C, 0x3FF20C00, turns=400) >= MS
    assert turns_before == 0


def test_reads_that_differ_are_no_waiting(bench: Bench) -> None:
    before = bench.state.cycles
    for turn in range(50):
        bench.devices.bus.write(0x60001200, 4, turn)
        bench.devices.bus.read(0x60001200, 4)
    assert bench.state.cycles - before < 500


def test_who_feeds_the_watchdog_while_it_polls_a_pin_waits_and_who_writes_another_register_does_not(
    bench: Bench,
) -> None:
    """As a published firmware has it that waits for its printer: each board second took a minute."""
    for address, value, long in ((0x60000914, 0x73, True), (0x60001200, 1, False)):
        before = bench.state.cycles
        for _ in range(50):
            bench.devices.bus.write(address, 4, value)
            bench.devices.bus.read(0x60000318, 4)
        assert (bench.state.cycles - before > 10 * LONGEST_SKIP) is long


@pytest.mark.parametrize("make_core", [c_core, interpreter])
def test_what_was_asked_before_a_loop_that_asks_a_clock_makes_that_no_waiting(make_core: NewCore) -> None:
    """As an interrupt asks for its reason, and an SDK then reckons when its next beacon is due."""
    bench = Bench(make_core)
    before = bench.state.cycles
    code = program(("l32i", 4, 3, 0), *[("l32i", 4, 2, 0)] * 200, ("ret",))
    bench.go(bench.load(code), 0x60000624, 0x60001200)
    assert bench.state.cycles - before < 200 * 10


def test_a_clock_alone_is_no_waiting(bench: Bench) -> None:
    assert poll(bench, 0x60000624, turns=200) < 200 * 10
