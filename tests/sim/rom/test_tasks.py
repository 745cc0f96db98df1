from __future__ import annotations

import pytest
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.rom.tasks import CURRENT, READY, RUN

from tests.sim.cpu.assembler import asm
from tests.sim.executed import CODE, DATA, MS, Bench

TASK = CODE + 0x100
LOG = DATA + 0x100


@pytest.fixture
def bench() -> Bench:
    return Bench()


def logging_task(bench: Bench) -> None:
    """Appends signal and parameter of its event at the address kept at LOG."""
    literal = TASK - 4
    bench.memory.set_u32(literal, LOG)
    bench.memory.set_u32(LOG, LOG + 4)
    code = [
        asm("l32r", 4, literal - TASK),
        asm("l32i", 5, 4, 0),
        asm("l32i", 6, 2, 0),
        asm("s32i", 6, 5, 0),
        asm("l32i", 6, 2, 4),
        asm("s32i", 6, 5, 4),
        asm("addi", 5, 5, 8),
        asm("s32i", 5, 4, 0),
        asm("ret"),
    ]
    bench.load(b"".join(code), TASK)


def log(bench: Bench) -> list[tuple[int, int]]:
    end = bench.memory.u32(LOG)
    return [(bench.memory.u32(at), bench.memory.u32(at + 4)) for at in range(LOG + 4, end, 8)]


def run_loop(bench: Bench, milliseconds: float = 5) -> None:
    with pytest.raises(AssertionError, match="did not return"):
        bench.go(RUN, limit_ms=milliseconds)


def test_events_run_in_order_the_highest_priority_first(bench: Bench) -> None:
    logging_task(bench)
    for priority, queue in ((2, DATA), (32, DATA + 0x40), (20, DATA + 0x80)):
        bench.call("ets_task", TASK, priority, queue, 4)
    for priority, signal in ((2, 1), (2, 2), (20, 3), (32, 4)):
        assert bench.call("ets_post", priority, signal, 10 * signal) == 0
    run_loop(bench)
    assert log(bench) == [(4, 40), (3, 30), (1, 10), (2, 20)]
    assert bench.memory.u32(READY) == 0
    assert bench.memory.u32(CURRENT) == 0
    assert bench.machine.idle


def test_a_full_queue_and_an_unknown_task_are_refused(bench: Bench) -> None:
    bench.call("ets_task", TASK, 3, DATA, 2)
    assert [bench.call("ets_post", 3, 1, 0) for _ in range(3)] == [0, 0, 1]
    assert bench.call("ets_post", 4, 1, 0) == 1


def test_queues_go_round(bench: Bench) -> None:
    logging_task(bench)
    bench.call("ets_task", TASK, 3, DATA, 2)
    for signal in range(1, 6):
        assert bench.call("ets_post", 3, signal, 0) == 0
        bench.state.ps = 0x20
        run_loop(bench, 1)
    assert [signal for signal, _ in log(bench)] == [1, 2, 3, 4, 5]


def test_an_interrupt_wakes_the_loop(bench: Bench) -> None:
    logging_task(bench)
    bench.call("ets_task", TASK, 3, DATA, 4)
    poster = CODE + 0x200
    literal = poster - 4
    bench.memory.set_u32(literal, 0x40000E24)
    code = [asm("mov.n", 12, 0), asm("movi", 2, 3), asm("movi", 3, 7), asm("movi", 4, 8)]
    code += [asm("l32r", 5, literal - poster - 11), asm("callx0", 5), asm("jx", 12)]
    bench.load(b"".join(code), poster)
    bench.call("ets_isr_attach", Line.FRC1, poster, 0)
    bench.call("ets_isr_unmask", 1 << Line.FRC1)
    event = bench.devices.agenda.event(lambda _at: bench.devices.interrupts.pulse(Line.FRC1))
    event.schedule(bench.state.cycles + 50 * MS)
    before = bench.state.instructions
    run_loop(bench, 100)
    assert log(bench) == [(7, 8)]
    assert bench.state.instructions - before < 200


def test_the_idle_function_is_called_before_waiting(bench: Bench) -> None:
    idle = CODE + 0x300
    bench.load(asm("l32i", 4, 2, 0) + asm("addi", 4, 4, 1) + asm("s32i", 4, 2, 0) + asm("ret"), idle)
    bench.call("ets_set_idle_cb", idle, DATA)
    run_loop(bench, 50)
    assert bench.memory.u32(DATA) == 1
