from __future__ import annotations

from functools import partial

import pytest
from flashpipe.sim.rom.tasks import RUN
from flashpipe.sim.rom.timers import UNUSED

from tests.sim.cpu.assembler import asm
from tests.sim.executed import CODE, DATA, MS, Bench

FUNCTION = CODE + 0x100
TIMER = DATA + 0x40


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.load(asm("l32i", 4, 2, 0) + asm("addi", 4, 4, 1) + asm("s32i", 4, 2, 0) + asm("ret"), FUNCTION)
    bench.call("ets_timer_init")
    return bench


def run_loop(bench: Bench, milliseconds: float) -> None:
    with pytest.raises(AssertionError, match="did not return"):
        bench.go(RUN, limit_ms=milliseconds)


@pytest.mark.parametrize(("repeat", "calls"), [(0, 1), (1, 10)])
def test_a_timer_expires(bench: Bench, repeat: int, calls: int) -> None:
    bench.call("ets_timer_setfn", TIMER, FUNCTION, DATA)
    bench.call("ets_timer_arm", TIMER, 10, repeat)
    run_loop(bench, 9.9)
    assert bench.memory.u32(DATA) == 0
    run_loop(bench, 91.5)
    assert bench.memory.u32(DATA) == calls


def test_timers_expire_in_order(bench: Bench) -> None:
    order: list[int] = []
    marks = [FUNCTION + 0x100 + 16 * index for index in range(3)]

    def note(index: int) -> None:
        order.append(index)
        bench.guest.back()

    for index, (mark, milliseconds) in enumerate(zip(marks, (30, 10, 20), strict=True)):
        bench.machine.rom._calls[mark] = partial(note, index)
        bench.call("ets_timer_setfn", TIMER + 32 * index, mark, 0)
        bench.call("ets_timer_arm", TIMER + 32 * index, milliseconds, 0)
    bench.machine.core.set_hooks(frozenset(marks))
    run_loop(bench, 50)
    assert order == [1, 2, 0]


def test_a_disarmed_timer_is_silent(bench: Bench) -> None:
    bench.call("ets_timer_setfn", TIMER, FUNCTION, DATA)
    bench.call("ets_timer_arm", TIMER, 10, 1)
    bench.call("ets_timer_disarm", TIMER)
    assert bench.memory.u32(TIMER) == UNUSED
    run_loop(bench, 50)
    assert bench.memory.u32(DATA) == 0


def test_an_idle_board_executes_next_to_nothing(bench: Bench) -> None:
    bench.call("ets_timer_setfn", TIMER, FUNCTION, DATA)
    bench.call("ets_timer_arm", TIMER, 100, 1)
    before = bench.state.instructions
    run_loop(bench, 10_000)
    assert bench.memory.u32(DATA) in (99, 100)
    assert bench.state.instructions - before < 10_000, "100 times the handler and the way back from the interrupt"


@pytest.mark.parametrize("microseconds", [0, 1, 50, 100_000, 30_000_000])
def test_a_delay_lasts_as_long_as_asked(bench: Bench, microseconds: int) -> None:
    before = bench.state.cycles
    bench.call("ets_delay_us", microseconds, limit_ms=40_000)
    assert 0 <= bench.state.cycles - before - microseconds * 80 < 100


def test_interrupts_are_served_within_a_delay(bench: Bench) -> None:
    bench.call("ets_timer_setfn", TIMER, FUNCTION, DATA)
    bench.call("ets_timer_arm", TIMER, 10, 1)
    before = bench.state.cycles
    bench.call("ets_delay_us", 55_000)
    assert bench.memory.u32(DATA) == 5
    assert abs(bench.state.cycles - before - 55 * MS) < 1000


def test_who_runs_the_chip_for_a_while_is_not_kept_by_a_long_delay(bench: Bench) -> None:
    before = bench.state.cycles
    with pytest.raises(AssertionError):
        bench.call("ets_delay_us", 0xFFFFFFFF, limit_ms=100)
    assert bench.state.cycles - before <= 102 * MS


def test_the_frequency_is_remembered(bench: Bench) -> None:
    bench.call("ets_update_cpu_frequency", 160)
    assert bench.call("ets_get_cpu_frequency") == 160
