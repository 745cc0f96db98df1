from __future__ import annotations

import pytest
from flashpipe.sim.rom import exceptions
from flashpipe.sim.rom.exceptions import ASSEMBLY_TABLE, C_TABLE, C_WRAPPER, NOTHING, UNHANDLED

from tests.sim.cpu.assembler import asm
from tests.sim.executed import CODE, DATA, STACK, Bench

HANDLER = CODE + 0x100


@pytest.fixture
def bench() -> Bench:
    return Bench()


def handler_that_skips(bench: Bench, length: int) -> None:
    """A C handler: counts at DATA, keeps its cause there, and lets the program go on behind the instruction."""
    literal = HANDLER - 4
    bench.memory.set_u32(literal, DATA)
    code = [
        asm("l32r", 4, literal - HANDLER),
        asm("l32i", 5, 4, 0),
        asm("addi", 5, 5, 1),
        asm("s32i", 5, 4, 0),
        asm("s32i", 3, 4, 4),
        asm("l32i", 5, 2, 0),
        asm("addi", 5, 5, length),
        asm("s32i", 5, 2, 0),
        asm("ret"),
    ]
    bench.load(b"".join(code), HANDLER)


def test_a_c_handler_repairs_and_the_program_goes_on(bench: Bench) -> None:
    handler_that_skips(bench, 3)
    assert bench.call("_xtos_set_exception_handler", 0, HANDLER) == 0
    program = [asm("movi", 3, 7), asm("movi", 13, 9), asm("ill"), asm("ill"), asm("addi", 2, 3, 1), asm("ret")]
    bench.load(b"".join(program))
    bench.go(CODE)
    assert bench.memory.u32(DATA) == 2
    assert bench.memory.u32(DATA + 4) == 0
    assert (bench.state.a[2], bench.state.a[13], bench.state.a[1]) == (8, 9, STACK)
    assert bench.state.ps & 0x1F == 0


def test_setting_a_handler_tells_the_one_before(bench: Bench) -> None:
    assert bench.call("_xtos_set_exception_handler", 28, 0x40100100) == 0
    assert bench.call("_xtos_set_exception_handler", 28, 0x40100200) == 0x40100100
    assert bench.memory.u32(ASSEMBLY_TABLE + 4 * 28) == C_WRAPPER
    assert bench.call("_xtos_set_exception_handler", 28, 0) == 0x40100200
    assert bench.memory.u32(ASSEMBLY_TABLE + 4 * 28) == UNHANDLED
    assert bench.memory.u32(C_TABLE + 4 * 28) == NOTHING
    assert bench.call("_xtos_set_exception_handler", 64, 0x40100100) == 0


@pytest.mark.parametrize("name", ["__udivsi3", "__umodsi3", "__divsi3"])
def test_a_division_by_zero_is_an_exception(bench: Bench, name: str) -> None:
    causes: list[int] = []

    def stop() -> None:
        causes.append(bench.state.a[3])
        bench._stopped()

    bench.machine.rom._calls[HANDLER] = stop
    bench.machine.core.set_hooks(frozenset((HANDLER,)))
    bench.memory.set_u32(ASSEMBLY_TABLE, C_WRAPPER)
    bench.memory.set_u32(C_TABLE, HANDLER)
    bench.call(name, 5, 0)
    assert causes == [0]
    assert bench.state.epc1 >> 16 == 0x4000


def test_a_null_pointer_is_named_by_its_place_in_the_rom(bench: Bench) -> None:
    """Published crash logs: `Exception (29): epc1=0x4000e1b2 … excvaddr=0x00000000`."""
    reached: list[tuple[int, int, int]] = []

    def stop() -> None:
        reached.append((bench.state.exccause, bench.state.epc1, bench.state.excvaddr))
        bench._stopped()

    bench.machine.rom._calls[HANDLER] = stop
    bench.machine.core.set_hooks(frozenset((HANDLER,)))
    for cause in (28, 29):
        bench.memory.set_u32(ASSEMBLY_TABLE + 4 * cause, HANDLER)
    bench.call("memset", 0, 0, 16)
    bench.state.ps = 0x20
    bench.call("strlen", 0x20)
    assert reached == [(29, 0x4000E1B2, 0), (28, 0x4000BF4C, 0x20)]


def test_a_system_call_is_answered_with_minus_one(bench: Bench) -> None:
    bench.load(asm("syscall") + asm("ret"))
    bench.go(CODE, 5)
    assert bench.state.a[2] == 0xFFFFFFFF


def test_an_exception_without_handler_hangs(bench: Bench) -> None:
    bench.load(asm("ill"))
    with pytest.raises(AssertionError, match="did not return"):
        bench.go(CODE, limit_ms=100)
    assert bench.machine.idle
    assert not bench.machine.stopped


def test_a_stack_that_points_nowhere_stops_with_words(bench: Bench) -> None:
    bench.load(asm("movi", 1, 64) + asm("ill"))
    with pytest.raises(AssertionError):
        bench.go(CODE)
    assert "no stack" in bench.machine.stopped


def test_the_frame_is_laid_out_as_the_arduino_core_knows_it(bench: Bench) -> None:
    frames: list[list[int]] = []

    def look() -> None:
        frame = bench.state.a[2]
        frames.append([bench.memory.u32(frame + 4 * index) for index in range(20)])
        bench._stopped()

    bench.machine.rom._calls[HANDLER] = look
    bench.machine.core.set_hooks(frozenset((HANDLER,)))
    bench.memory.set_u32(ASSEMBLY_TABLE, C_WRAPPER)
    bench.memory.set_u32(C_TABLE, HANDLER)
    bench.load(b"".join(asm("movi", register, register) for register in range(4, 16)) + asm("ill"))
    bench.go(CODE, 2, 3)
    frame = frames[0]
    assert frame[0] == CODE + 12 * 3
    assert frame[5:19] == list(range(2, 16))
    assert frame[19] == 0
    assert bench.state.a[1] == STACK - exceptions.FRAME
