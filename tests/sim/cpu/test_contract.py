"""What the rest of the board relies on: hooks, devices, new code, snapshots."""

from __future__ import annotations

import ctypes

import pytest
from flashpipe.sim.cpu.contract import Core, CoreState, Stop
from flashpipe.sim.memory import FLASH_START, IRAM_START

from tests.sim.cpu.assembler import SR, asm, program
from tests.sim.cpu.cores import CORES, NewCore
from tests.sim.cpu.machines import CODE, DATA, RETURN, USER, Bench

DEVICE = 0x60000300


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_the_mask_rom_stops_the_run_before_anything_happens(bench: Bench) -> None:
    assert bench.run(asm("ret")) is Stop.HOOK
    assert (bench.state.pc, bench.state.cycles) == (RETURN, 1)
    assert bench.go() is Stop.HOOK
    assert bench.state.cycles == 1


def test_hooks_in_code_stop_the_run(bench: Bench) -> None:
    bench.core.set_hooks(frozenset({CODE + 3}))
    assert bench.run(program(("movi", 2, 1), ("movi", 3, 1), ("ret",))) is Stop.HOOK
    assert (bench.state.pc, bench.a(2), bench.a(3)) == (CODE + 3, 1, 0)
    assert bench.go() is Stop.HOOK
    assert bench.state.cycles == 1


def test_the_instruction_at_a_hook_can_be_executed_after_all(bench: Bench) -> None:
    bench.core.set_hooks(frozenset({CODE + 3}))
    code = program(("movi", 2, 2), ("addi", 2, 2, -1), ("bnez", 2, -3), ("ret",))
    assert bench.run(code) is Stop.HOOK
    bench.state.past_hook = 1
    assert bench.go() is Stop.HOOK
    assert (bench.state.pc, bench.a(2), bench.state.cycles) == (CODE + 3, 1, 3)
    bench.state.past_hook = 1
    assert bench.go() is Stop.HOOK
    assert (bench.state.pc, bench.a(2), bench.state.past_hook) == (RETURN, 0, 0)


def test_no_interrupt_comes_between_a_hook_and_its_instruction(bench: Bench) -> None:
    bench.core.set_hooks(frozenset({CODE}))
    bench.run(program(("movi", 2, 2), ("ret",)))
    bench.state.interrupt = bench.state.intenable = bench.state.past_hook = 1
    assert bench.go() is Stop.HOOK
    assert (bench.a(2), bench.state.epc1) == (2, CODE + 3)


def test_hooks_can_be_set_and_taken_away_in_code_that_has_run(bench: Bench) -> None:
    code = program(("movi", 2, 50), ("addi", 2, 2, -1), ("bnez", 2, -3), ("ret",))
    bench.run(code)
    bench.core.set_hooks(frozenset({CODE + 6}))
    bench.run(code)
    assert bench.state.pc == CODE + 6
    bench.core.set_hooks(frozenset())
    bench.run(code)
    assert bench.state.pc == RETURN


# --- devices ---------------------------------------------------------------------------------------------------------


def test_devices_are_asked_with_address_and_size(bench: Bench) -> None:
    bench.devices.values = {DEVICE + at: 0x84838281 >> at * 8 & 0xFF for at in range(4)} | {DEVICE: 0xFEDCBA98}
    code = program(
        ("l32i", 3, 2, 0), ("s32i", 3, 2, 0), ("l8ui", 4, 2, 1), ("s8i", 3, 2, 3), ("s16i", 3, 2, 2), ("ret",)
    )
    bench.run(code, {2: DEVICE})
    assert bench.devices.seen == [
        ("read", DEVICE, 4, 0xFEDCBA98), ("write", DEVICE, 4, 0xFEDCBA98), ("read", DEVICE + 1, 1, 0x82),
        ("write", DEVICE + 3, 1, 0x98), ("write", DEVICE + 2, 2, 0xBA98),
    ]  # fmt: skip
    assert (bench.a(3), bench.a(4)) == (0xFEDCBA98, 0x82)


def test_halves_of_device_registers_are_extended(bench: Bench) -> None:
    bench.devices.values = {DEVICE: 0x8001}
    bench.run(program(("l16ui", 3, 2, 0), ("l16si", 4, 2, 0), ("ret",)), {2: DEVICE})
    assert (bench.a(3), bench.a(4)) == (0x8001, 0xFFFF8001)


def test_a_device_sees_which_instruction_asks_and_when(bench: Bench) -> None:
    seen = []
    bench.devices.values = {DEVICE: 0}
    bench.devices.before = lambda: seen.append((bench.state.pc, bench.state.cycles))
    bench.run(program(("nop",), ("l32i", 3, 2, 0), ("nop",), ("s32i", 3, 2, 0), ("ret",)), {2: DEVICE})
    assert seen == [(CODE + 3, 2), (CODE + 9, 4)]


def test_a_device_lets_time_pass(bench: Bench) -> None:
    def wait() -> None:
        bench.state.cycles += 100

    bench.devices.values = {DEVICE: 0}
    bench.devices.before = wait
    bench.run(program(("l32i", 3, 2, 0), ("s32i", 3, 2, 0), ("rsr", 4, SR["ccount"]), ("ret",)), {2: DEVICE})
    assert (bench.state.cycles, bench.state.instructions, bench.a(4)) == (204, 4, 203)


@pytest.mark.parametrize("name", ["l32i", "s32i"])
def test_a_device_interrupts_before_the_next_instruction(bench: Bench, name: str) -> None:
    def interrupt() -> None:
        bench.state.interrupt |= 4

    bench.devices.values = {DEVICE: 9}
    bench.devices.before = interrupt
    bench.state.intenable = 4
    bench.run(program((name, 3, 2, 0), ("movi", 4, 1)), {2: DEVICE, 3: 9})
    assert (bench.state.epc1, bench.a(3), bench.a(4)) == (CODE + 3, 9, 0)


@pytest.mark.parametrize("name", ["l32i", "s32i"])
def test_a_device_ends_the_run_before_the_next_instruction(bench: Bench, name: str) -> None:
    def stop() -> None:
        bench.state.horizon = bench.state.cycles

    bench.devices.values = {DEVICE: 9}
    bench.devices.before = stop
    assert bench.run(program((name, 3, 2, 0), ("movi", 4, 1)), {2: DEVICE}) is Stop.HORIZON
    assert (bench.state.pc, bench.a(4)) == (CODE + 3, 0)


@pytest.mark.parametrize("name", ["l32i", "s32i"])
def test_what_a_device_raises_reaches_the_caller(bench: Bench, name: str) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    bench.devices.values = {DEVICE: 9}
    bench.devices.before = fail
    with pytest.raises(ZeroDivisionError):
        bench.run(program(("movi", 5, 7), (name, 3, 2, 0), ("ret",)), {2: DEVICE, 3: 1})
    assert (bench.state.pc, bench.a(5), bench.a(3), bench.state.cycles) == (CODE + 3, 7, 1, 2)
    bench.devices.before = lambda: None
    bench.go()
    assert (bench.state.pc, bench.state.instructions) == (RETURN, 4)


# --- 160 MHz -------------------------------------------------------------------------------------------------------


def test_a_fast_core_has_two_clocks_in_a_cycle(bench: Bench) -> None:
    bench.state.set_fast(True)
    bench.devices.values = {DEVICE: 0}
    seen = []
    bench.devices.before = lambda: seen.append(bench.state.cycles)
    code = program(
        ("rsr", 3, SR["ccount"]), ("nop",), ("nop",), ("l32i", 5, 2, 0), ("rsr", 4, SR["ccount"]), ("nop",), ("ret",)
    )
    assert bench.run(code, {2: DEVICE}) is Stop.HOOK
    assert (bench.a(3), bench.a(4), seen) == (1, 5, [2])
    assert (bench.state.cycles, bench.state.half, bench.state.instructions) == (3, 1, 7)


def test_the_count_goes_on_when_the_core_becomes_fast_and_slow(bench: Bench) -> None:
    speeds = [True, False]
    bench.devices.values = {DEVICE: 0}
    bench.devices.before = lambda: bench.state.set_fast(speeds.pop(0))
    code = program(
        ("nop",), ("s32i", 3, 2, 0), ("nop",), ("nop",), ("nop",), ("s32i", 3, 2, 0), ("rsr", 4, SR["ccount"]), ("ret",)
    )
    bench.run(code, {2: DEVICE})
    assert (bench.a(4), bench.state.instructions, bench.state.cycles, bench.state.half) == (7, 8, 2 + 2 + 2, 0)


def test_a_fast_core_compares_its_clocks(bench: Bench) -> None:
    bench.state.set_fast(True)
    bench.state.intenable = 0x40
    code = program(("movi", 2, 9), ("wsr", 2, SR["ccompare0"]), *[("nop",)] * 20, ("ret",))
    assert bench.run(code) is Stop.HOOK
    assert (bench.state.epc1, bench.state.cycles, bench.state.exccause) == (CODE + 30, 5, 4)
    assert bench.state.timer_at == 5 + (1 << 31)


def test_a_fast_core_stops_at_its_horizon(bench: Bench) -> None:
    bench.state.set_fast(True)
    assert bench.run(program(*[("nop",)] * 200, ("ret",)), limit=50) is Stop.HORIZON
    assert (bench.state.pc, bench.state.cycles, bench.state.instructions) == (CODE + 300, 50, 100)


# --- code that changes -----------------------------------------------------------------------------------------------


def test_code_written_by_the_program_counts_at_once(bench: Bench) -> None:
    # The word at CODE + 8 is two narrow instructions that the program replaces after they have run.
    code = program(("movi.n", 5, 0), ("s32i", 3, 2, 8), ("j", 3), ("movi.n", 4, 1), ("addi.n", 5, 5, 1), ("ret",))
    bench.run(code, {2: CODE, 3: bench.memory.u32(CODE)})
    new = int.from_bytes(program(("movi.n", 4, 2), ("addi.n", 5, 5, 2)), "little")
    old = int.from_bytes(program(("movi.n", 4, 1), ("addi.n", 5, 5, 1)), "little")
    for word, expected in ((old, (1, 1)), (new, (2, 2)), (old, (1, 1))):
        for _ in range(3):
            bench.state.a[0], bench.state.a[3], bench.state.pc = RETURN, word, CODE
            bench.go()
            assert (bench.a(4), bench.a(5)) == expected


def test_an_instruction_can_replace_the_one_behind_it(bench: Bench) -> None:
    code = program(("nop.n",), ("nop",), ("s32i", 3, 2, 8), ("movi.n", 4, 1), ("nop.n",), ("ret",))
    for _ in range(3):
        bench.run(code, {2: CODE, 3: int.from_bytes(program(("movi.n", 4, 9), ("nop.n",)), "little"), 0: RETURN})
        assert bench.a(4) == 9


def test_code_written_from_outside_counts_after_a_flush(bench: Bench) -> None:
    for start in (CODE, FLASH_START + 0x1000):
        for value in (1, 2, 3):
            bench.memory.write(start, program(("movi", 4, value), ("ret",)))
            if start == CODE:
                bench.core.flush(start + 2, 1)
            else:
                bench.core.flash_changed(0x1002, 1)
            bench.state.pc = start
            bench.go()
            assert bench.a(4) == value


def test_literals_written_from_outside_count_after_a_flush(bench: Bench) -> None:
    at = FLASH_START + 0x2000
    bench.load(program(("l32r", 4, -0x1000), ("ret",)), at + 0x1000 - 3 + 3)
    for value in (5, 6):
        bench.memory.set_u32(at, value)
        bench.core.flash_changed(0x2000, 4)
        for _ in range(3):
            bench.state.pc = at + 0x1000
            bench.go()
        assert bench.a(4) == value


def test_literals_written_by_the_program_count_at_once(bench: Bench) -> None:
    code = program(
        ("l32r", 4, -0x40), ("addi", 5, 4, 1), ("s32i", 5, 2, 0), ("addi", 3, 3, -1), ("bnez", 3, -12), ("ret",)
    )
    bench.run(code, {2: CODE - 0x40, 3: 60})
    assert bench.a(4) == 59


def test_flushing_everything_is_allowed(bench: Bench) -> None:
    bench.run(asm("ret"))
    bench.core.flush(0, 1 << 32 - 1)
    bench.core.flush(IRAM_START, 0x10000)
    bench.core.flash_changed(0, 0x100000)
    bench.run(asm("ret"))
    assert bench.state.pc == RETURN


# --- state -----------------------------------------------------------------------------------------------------------


def test_a_reset_keeps_the_boards_clock(bench: Bench) -> None:
    bench.run(program(("wsr", 2, SR["ccompare0"]), ("nop",), ("ret",)), {2: 77})
    bench.state.reset()
    state = bench.state
    assert (state.cycles, state.instructions, state.ps, state.vecbase) == (3, 3, 0x1F, 0x40000000)
    assert (state.a[2], state.pc, state.timer_at) == (0, 0, 3 + (1 << 32))
    bench.run(program(("rsr", 2, SR["ccount"]), ("ret",)), limit=1)
    assert bench.a(2) == 1


@pytest.mark.parametrize("first", CORES)
@pytest.mark.parametrize("second", CORES)
@pytest.mark.parametrize("at", [1, 50, 173])
def test_a_run_can_be_gone_on_with_in_another_core(first: str, second: str, at: int) -> None:
    code = program(
        ("movi", 2, 40), ("s32i", 2, 3, 0), ("l32i", 4, 3, 0), ("add", 5, 5, 4), ("ssl", 5), ("addi", 2, 2, -1),
        ("bnez", 2, -15), ("ret",),
    )  # fmt: skip
    whole = Bench(CORES[first])
    whole.run(code, {3: DATA})
    begun, ended = Bench(CORES[first]), Bench(CORES[second])
    begun.run(code, {3: DATA}, limit=at)
    ended.memory.restore(begun.memory.snapshot())
    ctypes.memmove(ctypes.addressof(ended.state), bytes(begun.state), ctypes.sizeof(CoreState))
    ended.go()
    ended.state.horizon = whole.state.horizon
    assert bytes(ended.state) == bytes(whole.state)
    assert ended.memory.snapshot() == whole.memory.snapshot()


def test_two_cores_are_two(new_core: NewCore) -> None:
    one, two = Bench(new_core), Bench(new_core)
    one.run(program(("movi", 2, 1), ("ret",)))
    two.run(program(("movi", 2, 2), ("ret",)))
    assert (one.a(2), two.a(2), one.state.ps) == (1, 2, USER)


def test_a_core_has_a_name(new_core: NewCore) -> None:
    core: Core = Bench(new_core).core
    assert core.name in {"python", "c"}
