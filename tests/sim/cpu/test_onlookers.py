"""Traces and profiles: what they tell, and that a run with them is the same run."""

from __future__ import annotations

import pytest
from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.cpu.decode import decode
from flashpipe.sim.cpu.profile import Profiler
from flashpipe.sim.cpu.trace import ExecutedStep, Tracer, disassemble

from tests.sim.cpu.assembler import SR, asm, program
from tests.sim.cpu.cores import NewCore
from tests.sim.cpu.machines import CODE, DATA, RETURN, Bench

DEVICE = 0x60000300
LOOP = program(
    ("movi", 2, 100), ("s32i", 2, 3, 0), ("l32i", 4, 5, 0), ("addi", 2, 2, -1), ("bnez", 2, -9), ("ret",)
)  # fmt: skip


def watched(new_core: NewCore, wrap: type[Profiler | Tracer], argument: object) -> Bench:
    """A bench whose core somebody looks at."""
    bench = Bench(new_core)
    bench.core = wrap(bench.core, argument)  # type: ignore[arg-type]
    bench.devices.values = {DEVICE: 1}
    return bench


def test_a_trace_tells_every_instruction(new_core: NewCore) -> None:
    told: list[ExecutedStep] = []
    bench = watched(new_core, Tracer, told.append)
    assert bench.run(LOOP, {3: DATA, 5: DEVICE}) is Stop.HOOK
    assert len(told) == bench.state.instructions == 402
    assert [" ".join(str(line).split()[2:]) for line in told[:5]] == [
        "movi a2, 100 a2=00000064",
        "s32i a2, a3, 0",
        "l32i a4, a5, 0 a4=00000001",
        "addi a2, a2, -1 a2=00000063",
        f"bnez a2, 0x{CODE + 3:x}",
    ]
    assert (told[0].pc, told[0].cycles, told[-1].then) == (CODE, 0, RETURN)


def test_a_trace_tells_every_instruction_of_a_fast_core(new_core: NewCore) -> None:
    told: list[ExecutedStep] = []
    bench = watched(new_core, Tracer, told.append)
    speeds = iter([True, False] * 50)
    bench.devices.before = lambda: bench.state.set_fast(next(speeds))
    bench.run(LOOP, {3: DATA, 5: DEVICE})
    assert len(told) == bench.state.instructions == 402
    assert bench.state.cycles < 402


def test_a_trace_tells_of_what_cannot_be_fetched(new_core: NewCore) -> None:
    told: list[ExecutedStep] = []
    watched(new_core, Tracer, told.append).run(asm("jx", 2), {2: 0})
    assert [line.instruction for line in told][1:] == [None]
    assert str(told[1]).split() == ["1", "00000000", "?"]


def test_a_profile_counts_cycles_by_address(new_core: NewCore) -> None:
    def wait() -> None:
        bench.state.cycles += 96

    bench = watched(new_core, Profiler, 10)
    bench.devices.before = wait
    assert bench.run(LOOP, {3: DATA, 5: DEVICE}, limit=100_000) is Stop.HOOK
    profiler = bench.core
    assert isinstance(profiler, Profiler)
    assert sum(profiler.samples.values()) == bench.state.cycles // 10
    assert profiler.samples[CODE + 9] >= 900, "behind the slow load"


def test_a_profile_gives_the_mask_roms_time_to_its_functions(new_core: NewCore) -> None:
    bench = watched(new_core, Profiler, 100)
    bench.run(program(("callx0", 2), ("waiti", 0)), {2: RETURN})
    bench.state.cycles += 1000
    bench.state.pc = bench.a(0)
    assert bench.go() is Stop.WAITI
    bench.state.cycles += 500
    assert bench.go() is Stop.WAITI
    profiler = bench.core
    assert isinstance(profiler, Profiler)
    assert profiler.samples == {RETURN: 10}
    assert profiler.waited == 5


@pytest.mark.parametrize("wrap", [Profiler, Tracer])
def test_looking_on_changes_nothing(new_core: NewCore, wrap: type[Profiler | Tracer]) -> None:
    def lower() -> None:
        state = bench.state
        state.horizon = min(state.horizon, state.cycles + 7)

    states = []
    for watching in (False, True):
        bench = watched(new_core, wrap, 3 if wrap is Profiler else lambda _line: None) if watching else Bench(new_core)
        bench.devices.values = {DEVICE: 1}
        bench.devices.before = lower
        stops = [bench.run(LOOP, {3: DATA, 5: DEVICE})]
        stops += [bench.go() for _ in range(100)]
        states.append((stops, bytes(bench.state)))
    assert states[0] == states[1]


def test_onlookers_are_cores(new_core: NewCore) -> None:
    core: Core = watched(new_core, Profiler, 5).core
    core.set_hooks(frozenset({CODE}))
    core.flush(CODE, 4)
    core.flash_changed(0, 4)
    core.state.pc, core.state.horizon = CODE, 10
    assert core.run() is Stop.HOOK
    assert core.name in {"python", "c"}


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (("add", 4, 2, 3), "add a4, a2, a3"), (("sub", 4, 2, 3), "sub a4, a2, a3"), (("neg", 4, 3), "neg a4, a3"),
        (("mov.n", 4, 3), "mov.n a4, a3"), (("extui", 4, 3, 5, 8), "extui a4, a3, 5"), (("ssl", 3), "ssl a3"),
        (("beqi", 3, -1, 20), "beqi a3, -1, 0x114"), (("bbsi", 3, 17, 20), "bbsi a3, 17, 0x114"),
        (("beq", 3, 4, 20), "beq a3, a4, 0x114"), (("l32i.n", 4, 3, 8), "l32i.n a4, a3, 8"),
        (("rsr", 4, SR["ccount"]), "rsr a4, ccount"), (("j", 20), "j 0x114"), (("callx0", 3), "callx0 a3"),
        (("rsil", 3, 2), "rsil a3, 2"), (("ret",), "ret"), (("nop.n",), "nop.n"), (("l32r", 4, -4), "l32r a4, 0xfc"),
        (("moveqz", 4, 2, 3), "moveqz a4, a2, a3"), (("slli", 4, 3, 3), "slli a4, a3, 3"),
    ],
)  # fmt: skip
def test_disassembly(instruction: tuple[object, ...], text: str) -> None:
    assert disassemble(decode(int.from_bytes(program(instruction), "little"), 0x100)) == text
