from __future__ import annotations

import pytest
from flashpipe.sim.devices.dport import EDGE_ENABLE
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.devices.timers import BASE, EDGE_FRC1, EDGE_FRC2

from tests.sim.executed import Bench

LOAD1, COUNT1, CTRL1, INT1 = (BASE + at for at in (0x00, 0x04, 0x08, 0x0C))
LOAD2, COUNT2, CTRL2, ALARM2 = (BASE + at for at in (0x20, 0x24, 0x28, 0x30))
ON = 0x80


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.devices.bus.write(EDGE_ENABLE, 4, EDGE_FRC1 | EDGE_FRC2)
    return bench


def write(bench: Bench, address: int, value: int) -> None:
    bench.devices.bus.write(address, 4, value)


def read(bench: Bench, address: int) -> int:
    return bench.devices.timers.read(address)


def later(bench: Bench, cycles: int) -> None:
    bench.state.cycles += cycles
    bench.devices.agenda.run_due()


@pytest.mark.parametrize(("divider", "bits"), [(1, 0), (16, 4), (256, 8)])
def test_frc2_counts_up(bench: Bench, divider: int, bits: int) -> None:
    write(bench, CTRL2, ON | bits)
    write(bench, LOAD2, 100)
    later(bench, 1000 * divider)
    assert read(bench, COUNT2) == 1100


def test_frc2_interrupts_at_its_alarm_and_again_after_a_round(bench: Bench) -> None:
    write(bench, CTRL2, ON)
    write(bench, LOAD2, 0)
    write(bench, ALARM2, 500)
    later(bench, 498)
    assert not bench.state.interrupt & 1 << Line.FRC2
    later(bench, 4)
    assert bench.state.interrupt & 1 << Line.FRC2
    bench.state.interrupt = 0
    assert bench.devices.agenda.next() > bench.state.cycles + (1 << 31)


def test_an_alarm_in_the_past_waits_for_the_next_round(bench: Bench) -> None:
    write(bench, CTRL2, ON)
    write(bench, LOAD2, 1000)
    write(bench, ALARM2, 500)
    later(bench, 1_000_000)
    assert not bench.state.interrupt & 1 << Line.FRC2


def test_frc1_counts_down_and_reloads(bench: Bench) -> None:
    write(bench, CTRL1, ON | 0x40)
    write(bench, LOAD1, 1000)
    later(bench, 400)
    assert read(bench, COUNT1) in range(598, 602)
    for _ in range(3):
        later(bench, 1000)
        assert bench.state.interrupt & 1 << Line.FRC1
        bench.state.interrupt = 0


def test_frc1_without_reload_goes_once_round(bench: Bench) -> None:
    write(bench, CTRL1, ON)
    write(bench, LOAD1, 1000)
    later(bench, 1001)
    bench.state.interrupt = 0
    later(bench, 100_000)
    assert not bench.state.interrupt
    assert read(bench, COUNT1) > 8_000_000


def test_edges_that_are_off_do_not_interrupt(bench: Bench) -> None:
    write(bench, EDGE_ENABLE, 0)
    write(bench, CTRL1, ON)
    write(bench, LOAD1, 10)
    write(bench, CTRL2, ON)
    write(bench, ALARM2, 100)
    later(bench, 1000)
    assert not bench.state.interrupt


def test_frc1_can_be_the_nmi(bench: Bench) -> None:
    write(bench, 0x3FF00000, 0x0F)
    write(bench, CTRL1, ON)
    write(bench, LOAD1, 10)
    later(bench, 20)
    assert bench.state.interrupt == 1 << Line.NMI


def test_a_level_interrupt_has_a_status(bench: Bench) -> None:
    write(bench, CTRL1, ON | 1)
    write(bench, LOAD1, 10)
    later(bench, 20)
    assert bench.state.interrupt & 1 << Line.FRC1
    assert read(bench, CTRL1) & 1 << 8
    write(bench, INT1, 1)
    assert not read(bench, CTRL1) & 1 << 8


def test_a_stopped_timer_stands(bench: Bench) -> None:
    write(bench, CTRL2, ON)
    later(bench, 100)
    write(bench, CTRL2, 0)
    count = read(bench, COUNT2)
    later(bench, 1000)
    assert read(bench, COUNT2) == count
