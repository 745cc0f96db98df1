"""Rounds of an endless loop that are not executed: nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.sim import snapshot
from flashpipe.sim.chip.chip import Strap
from flashpipe.sim.circles import Circles
from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.cpu.onlooker import Onlooker
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.machine import Machine
from flashpipe.sim.memory import DRAM_START, IRAM_START

from tests.sim.cpu.assembler import SR, program
from tests.sim.executed import MS, Booted, image, new_machine

VARIABLE = DRAM_START + 0x100
LITERALS = VARIABLE.to_bytes(4, "little") + (0x60000E00).to_bytes(4, "little")
ENTRY = IRAM_START + len(LITERALS)
BEGINNING = (("l32r", 2, -8), ("l32r", 3, -4 - 3))
LOOPS = {
    "spinning": (("j", 0),),
    "looking": (("l32i", 4, 2, 0), ("addi", 5, 4, 1), ("beqz", 4, -6)),
    "storing the same": (("movi", 4, 7), ("s32i", 4, 2, 0), ("j", -6)),
    "counting in a register": (("addi", 4, 4, 1), ("j", -3)),
    "counting in memory": (("l32i", 4, 2, 0), ("addi", 4, 4, 1), ("s32i", 4, 2, 0), ("j", -9)),
    "counting to a number": (("movi", 4, 300), ("addi", 4, 4, -1), ("bnez", 4, -3), ("j", -9)),
    "looking at the cycle counter": (("rsr", 4, SR["ccount"]), ("j", -3)),
    "asking a device": (("l32i", 4, 3, 0), ("j", -3)),
}
GOING_IN_CIRCLES = {"spinning", "looking", "storing the same", "counting to a number"}


class Counting(Onlooker):
    """Knows how many instructions a core has really executed."""

    executed = 0

    def next_look(self) -> int:
        return 1 << 62

    def look(self, _stop: Stop) -> None:
        pass

    def run(self) -> Stop:
        before = self.state.instructions
        stop = super().run()
        self.executed += self.state.instructions - before
        return stop


def make_counting(*arguments: object) -> Core:
    return Counting(start_core(*arguments))  # type: ignore[arg-type]


def started(loop: str, make_core: Callable[..., Core] = make_counting) -> Machine:
    code = LITERALS + program(*BEGINNING, *LOOPS[loop])
    machine = new_machine(image({IRAM_START: code}, ENTRY), make_core)
    machine.power_on(Strap(), 0.0)
    return machine


def all_of(machine: Machine) -> tuple[bytes, object]:
    return bytes(machine.state), machine.memory.snapshot()


@pytest.fixture
def executing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on every round is executed."""
    return lambda: monkeypatch.setattr(Circles, "skip", lambda _self, _until: None)


@pytest.mark.parametrize("loop", LOOPS)
def test_everything_is_as_if_it_had_been_executed(loop: str, executing: Callable[[], None]) -> None:
    seen = []
    for attempt in range(3):
        if attempt == 2:
            executing()
        machine = started(loop)
        begun = machine.state.cycles
        for end in (30, 31, 38, 78) if attempt else (78,):
            machine.advance(begun + end * MS)
        seen.append(all_of(machine))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("loop", LOOPS)
def test_rounds_are_left_out(loop: str) -> None:
    machine = started(loop)
    machine.advance(machine.state.cycles + 2000 * MS if loop in GOING_IN_CIRCLES else 50 * MS)
    assert isinstance(machine.core, Counting)
    left_out = machine.state.instructions - machine.core.executed
    assert (left_out > 0.95 * machine.state.instructions) is (loop in GOING_IN_CIRCLES)
    assert (left_out == 0) is (loop not in GOING_IN_CIRCLES)


def test_a_timer_is_never_missed() -> None:
    """CCOMPARE0 is set, and its interrupt allowed: the handler of the ROM's table would run, here nobody is."""
    machine = started("spinning")
    machine.advance(machine.state.cycles + 10 * MS)
    machine.state.timer_at = due = machine.state.cycles + 123_456
    machine.advance(due - 1)
    assert not machine.state.interrupt
    machine.advance(due + 1)
    assert machine.state.interrupt == 1 << 6


def test_the_core_in_python_too(executing: Callable[[], None]) -> None:
    fast = started("counting to a number", PythonCore)
    fast.advance(fast.state.cycles + 30 * MS)
    executing()
    slow = started("counting to a number", PythonCore)
    slow.advance(slow.state.cycles + 30 * MS)
    assert all_of(fast) == all_of(slow)


def test_an_endless_loop_of_lua(firmware: Path, executing: Callable[[], None]) -> None:
    board = Booted.of(firmware)
    board.until("^> $")
    board.machine.receive(b"while true do end\r\n", 115200)
    saved = snapshot.save(board.machine)
    seen = []
    for attempt in range(2):
        if attempt:
            executing()
        machine = snapshot.load(saved, make_counting)
        machine.advance(machine.state.cycles + 400 * MS)
        seen.append(all_of(machine))
        assert isinstance(machine.core, Counting)
        assert (machine.core.executed < 5_000_000) is not bool(attempt)
    assert seen[0] == seen[1]
