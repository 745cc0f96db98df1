"""How fast the cores are: instructions, device accesses and hooks a second, and the sizes of what they keep.

    python -m tests.bench.bench_core [python] [c]

Instructions: a loop of loads, stores, sums and a branch. A device access and a hook each lead to Python and back, and
are measured with a device and a mask ROM that do nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from flashpipe.sim.cpu.contract import Core
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.memory import Memory

from tests.sim.cpu.assembler import program
from tests.sim.cpu.cores import NewCore, c_core
from tests.sim.cpu.machines import CODE, DATA, RETURN, USER

CORES: dict[str, NewCore] = {"python": PythonCore, "c": c_core}
MIXED = program(
    ("l32i", 3, 5, 0), ("l8ui", 4, 5, 9), ("add", 3, 3, 4), ("xor", 6, 6, 3), ("s32i", 3, 5, 4), ("addi", 7, 7, 1),
    ("l32i", 8, 5, 8), ("add", 8, 8, 7), ("s32i", 8, 5, 12), ("addi", 2, 2, -1), ("bnez", 2, -30), ("ret",),
)  # fmt: skip
DEVICES = program(("l32i", 3, 5, 0), ("s32i", 3, 5, 4), ("addi", 2, 2, -1), ("bnez", 2, -9), ("ret",))
HOOK = program(("callx0", 5))


class Silent:
    """Devices that answer at once."""

    def read(self, _address: int, _size: int) -> int:
        return 1

    def write(self, address: int, size: int, value: int) -> None:
        pass


def start(new_core: NewCore, code: bytes, rounds: int, pointer: int) -> Core:
    core = new_core(Memory(), Silent())
    core.memory.write(CODE, code)
    state = core.state
    state.pc, state.ps, state.horizon = CODE, USER, 1 << 60
    state.a[0], state.a[2], state.a[5] = RETURN, rounds, pointer
    return core


def measured(work: Callable[[], None]) -> float:
    """Seconds of this process, the best of three."""
    times = []
    for _ in range(3):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


def instructions(new_core: NewCore, rounds: int) -> float:
    def work() -> None:
        start(new_core, MIXED, rounds, DATA).run()

    return rounds * 11 / measured(work)


def accesses(new_core: NewCore, rounds: int) -> float:
    def work() -> None:
        start(new_core, DEVICES, rounds, 0x60000000).run()

    return rounds * 2 / measured(work)


def hooks(new_core: NewCore, rounds: int) -> float:
    def work() -> None:
        core = start(new_core, HOOK, 0, RETURN)
        for _ in range(rounds):
            core.run()
            core.state.pc = CODE

    return rounds / measured(work)


def main(names: list[str]) -> int:
    """Measure the cores that are named, or all."""
    for name in names or CORES:
        new_core = CORES[name]
        mips = instructions(new_core, 20_000_000 if name == "c" else 200_000) / 1e6
        print(
            f"{name:>7}: {mips:6.1f} MIPS, {accesses(new_core, 200_000) / 1e3:5.0f} thousand device accesses a second,"
            f" {hooks(new_core, 200_000) / 1e3:5.0f} thousand hooks a second"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
