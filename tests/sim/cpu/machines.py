"""What the tests of the cores run: a core with memory, and devices that follow a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.memory import DRAM_START, IRAM_START, BusError, Memory

from tests.sim.cpu.cores import NewCore

CODE = IRAM_START + 0x100
DATA = DRAM_START + 0x400
RETURN = 0x40000400
"""An address of the mask ROM: code that returns there stops the run."""
USER = 0x20
"""PS of a program: user mode, interrupts allowed."""


@dataclass
class ScriptedDevices:
    """Answers reads from a table, remembers writes, and knows nothing of other addresses."""

    values: dict[int, int] = field(default_factory=dict)
    seen: list[tuple[str, int, int, int]] = field(default_factory=list)
    """kind, address, size, value."""
    before: Callable[[], None] = lambda: None
    """Called at each access, before it is answered."""

    def read(self, address: int, size: int) -> int:
        self.before()
        if address not in self.values:
            raise BusError(address)
        self.seen.append(("read", address, size, self.values[address]))
        return self.values[address]

    def write(self, address: int, size: int, value: int) -> None:
        self.before()
        if address not in self.values:
            raise BusError(address)
        self.seen.append(("write", address, size, value))


class Bench:
    """One core on the bench."""

    def __init__(self, new_core: NewCore) -> None:
        self.memory = Memory()
        self.devices = ScriptedDevices()
        self.core = new_core(self.memory, self.devices)
        self.state = self.core.state
        self.state.ps = USER
        self.state.a[0] = RETURN

    def load(self, code: bytes, at: int = CODE) -> None:
        """Put code into memory and stand before it."""
        self.memory.write(at, code)
        self.core.flush(at, len(code))
        self.state.pc = at

    def run(self, code: bytes, registers: dict[int, int] | None = None, *, at: int = CODE, limit: int = 1000) -> Stop:
        """Load code and run it until it stops, for at most `limit` cycles."""
        self.load(code, at)
        for number, value in (registers or {}).items():
            self.state.a[number] = value & 0xFFFFFFFF
        return self.go(limit)

    def go(self, limit: int = 1000) -> Stop:
        """Run on for at most `limit` cycles."""
        self.state.horizon = self.state.cycles + limit
        return self.core.run()

    def a(self, number: int) -> int:
        return self.state.a[number]


def registers_of(core: Core) -> Sequence[int]:
    return list(core.state.a)
