"""Two cores side by side: the same program, the same devices, the same horizons; whatever differs is a defect."""

from __future__ import annotations

import ctypes
import zlib
from dataclasses import dataclass, field
from typing import Any

from flashpipe.sim.cpu.contract import Core, CoreState, Stop
from flashpipe.sim.memory import BusError, Memory

from tests.sim.cpu.cores import NewCore
from tests.sim.cpu.machines import CODE, RETURN, USER

VECTORS = {0x30, 0x50, 0x70, 0x10, 0x20}


class EagerDevices:
    """Devices that answer, interrupt, let time pass and fail, as a hash of the access says: the same for each core."""

    core: Core

    def _happen(self, address: int, size: int, value: int) -> int:
        state = self.core.state
        key = zlib.crc32(f"{address} {size} {value} {state.cycles} {state.pc} {state.interrupt}".encode())
        if address >> 24 not in {0x3F, 0x60} or key % 11 == 0:
            raise BusError(address)
        state.cycles += key >> 8 & 3
        if key % 5 == 0:
            state.interrupt ^= 1 << (key >> 16) % 15
        if key % 23 == 0:
            state.set_fast(not state.fast)
        if key % 7 == 0:
            state.horizon = min(state.horizon, state.cycles + (key >> 20 & 15))
        return key

    def read(self, address: int, size: int) -> int:
        return self._happen(address, size, 0) & (1 << size * 8) - 1

    def write(self, address: int, size: int, value: int) -> None:
        self._happen(address, size, value)


@dataclass
class Start:
    """What a run starts from."""

    code: bytes
    at: int = CODE
    registers: list[int] = field(default_factory=lambda: [0] * 16)
    sar: int = 0
    ps: int = USER
    intenable: int = 0
    fast: bool = False
    hooks: frozenset[int] = frozenset()
    data: bytes = b""
    horizons: list[int] = field(default_factory=lambda: [200])
    """How many cycles each run is given, one after the other, over and over."""


class Walker:
    """One core on its way through a program."""

    def __init__(self, new_core: NewCore, start: Start) -> None:
        self.memory = Memory()
        devices = EagerDevices()
        self.core = devices.core = new_core(self.memory, devices)
        self.start = start
        self.memory.write(start.at, start.code)
        self.memory.write(start.at - len(start.data) & ~3, start.data)
        state = self.core.state
        state.a[:] = list[Any](start.registers)
        state.pc, state.sar, state.ps, state.intenable = start.at, start.sar, start.ps, start.intenable
        state.set_fast(start.fast)
        self.core.set_hooks(start.hooks)

    def walk(self, cycles: int) -> tuple[Stop, bytes]:
        """Run for some cycles at most; why it stopped, and the whole state then."""
        state = self.core.state
        state.horizon = state.cycles + cycles
        stop = self.core.run()
        before = bytes(state)
        self._go_on(stop)
        return stop, before

    def _go_on(self, stop: Stop) -> None:
        """What a mask ROM might do: handlers return, functions too, and waiting ends."""
        state = self.core.state
        state.cycles += 3
        if stop is Stop.WAITI:
            state.interrupt |= 1 << state.cycles % 14
            state.cycles = min(state.cycles + 20, state.timer_at)
        elif stop is Stop.HOOK and state.pc in self.start.hooks:
            state.past_hook = state.cycles & 1
            if not state.past_hook:
                state.pc = self.start.at
        elif stop is Stop.HOOK and state.pc & 0xFFFF in VECTORS and state.pc >> 16 == 0x4000:
            state.pc = self.start.at + state.cycles % (len(self.start.code) + 8)
            state.ps = USER | (state.cycles & 1)
            state.interrupt &= 0x40 if state.cycles & 1 else 0
        elif stop is Stop.HOOK:
            state.pc = state.a[0] if state.a[0] >> 20 != RETURN >> 20 else self.start.at


def compare(one: NewCore, two: NewCore, start: Start, rounds: int = 30) -> int:
    """Walk with both cores; the instructions executed.

    Raises:
        AssertionError: they differ.
    """
    left, right = Walker(one, start), Walker(two, start)
    for turn in range(rounds):
        cycles = start.horizons[turn % len(start.horizons)]
        (stop, state), (other_stop, other_state) = left.walk(cycles), right.walk(cycles)
        assert stop == other_stop
        assert describe(state) == describe(other_state)
        assert left.memory.dram == right.memory.dram
        assert left.memory.iram == right.memory.iram
    return left.core.state.instructions


def describe(state: bytes) -> dict[str, str]:
    """A state field by field, so that a difference can be read."""
    copy = CoreState.from_buffer_copy(state)
    fields = {name: getattr(copy, name) for name, *_ in CoreState._fields_}
    numbers = {name: value for name, value in fields.items() if not isinstance(value, ctypes.Array)}
    return {name: f"{value:#x}" for name, value in numbers.items()} | {
        f"a{number}": f"{value:#x}" for number, value in enumerate(copy.a)
    }
