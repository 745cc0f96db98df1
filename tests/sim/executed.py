"""A chip on the bench for the tests of devices, mask ROM and machine: with code of our own, or with a real image."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from flashpipe.sim import simulation, snapshot
from flashpipe.sim.chip.chip import Strap
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.parts import part_by_name
from flashpipe.sim.cpu.contract import Core
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.machine import Machine, MachineOptions, Output
from flashpipe.sim.memory import DRAM_START, IRAM_START, ROM_START
from flashpipe.sim.rom import data
from flashpipe.sim.rom.names import NAMES

MB = 1024 * 1024
MS = 80_000
"""Cycles of a millisecond."""
CODE = IRAM_START + 0x400
STOP = ROM_START + 0xFFE0
"""Where a called function returns to: no function of the ROM."""
DATA = DRAM_START + 0x1000
STACK = data.STACK
ADDRESSES = {name: address for address, name in NAMES.items()}

MakeCore = Callable[..., Core]


def image(segments: Mapping[int, bytes], entry: int, mode: int = 2, size_code: int = 4) -> bytes:
    """An image that the ROM starts."""
    body = struct.pack("<BBBBI", 0xE9, len(segments), mode, size_code << 4, entry)
    check = 0xEF
    for address, content in segments.items():
        padded = content + bytes(-len(content) % 4)
        body += struct.pack("<II", address, len(padded)) + padded
        check = reduce(xor, padded, check)
    return body + bytes(15 - len(body) % 16) + bytes((check,))


def new_machine(contents: bytes = b"", make_core: MakeCore = start_core, size: int = MB, **options: Any) -> Machine:
    """A machine over a flash with these contents at its start."""
    nor = Nor(bytearray(contents.ljust(size, b"\xff")), part_by_name("W25Q32"))
    return Machine(nor, MachineOptions(**options), make_core)


def run(machine: Machine, milliseconds: float) -> str:
    """Let so much time pass; what was said."""
    end = machine.state.cycles + round(milliseconds * MS)
    text = ""
    while machine.state.cycles < end and not machine.stopped:
        text += "".join(
            output.data.decode("latin-1") for output in machine.advance(min(end, machine.state.cycles + 10 * MS))
        )
    return text


class ReturnedError(Exception):
    """A called function has returned."""


class Bench:
    """A machine without a program: functions of the ROM are called one by one, code is put into RAM and run."""

    def __init__(self, make_core: MakeCore = start_core, contents: bytes = b"", **options: Any) -> None:
        self.machine = new_machine(contents, make_core, **options)
        self.guest, self.devices, self.memory = self.machine.guest, self.machine.devices, self.machine.memory
        self.state = self.machine.state
        data.initialise(self.guest, MB)
        self.state.ps = 0x20
        self.state.a[1] = STACK
        self.machine.rom._calls[STOP] = self._stopped
        self._at = DATA
        self._heard = ""

    @staticmethod
    def _stopped() -> None:
        raise ReturnedError

    def put(self, content: bytes) -> int:
        """Bytes at an address of their own, aligned to 4."""
        at = self._at
        self.memory.write(at, content)
        self._at += len(content) + 16 & ~3
        return at

    def text(self, content: str) -> int:
        return self.put(content.encode() + b"\0")

    def load(self, code: bytes, at: int = CODE) -> int:
        self.guest.write(at, code)
        return at

    def go(self, address: int, *arguments: int, limit_ms: float = 1000) -> None:
        """Run from an address until it returns, or the time is over."""
        for register, value in enumerate(arguments[:6], start=2):
            self.state.a[register] = value & 0xFFFFFFFF
        stack = self.state.a[1]
        for index, value in enumerate(arguments[6:]):
            self.memory.set_u32(stack + 4 * index, value)
        self.state.a[0] = STOP
        self.state.pc = address
        self.state.waiting = 0
        try:
            self._hear(self.machine.advance(self.state.cycles + round(limit_ms * MS)))
        except ReturnedError:
            return
        raise AssertionError(f"{address:#x} did not return: {self.machine.stopped or hex(self.state.pc)}")

    def call(self, name: str, *arguments: int, limit_ms: float = 1000) -> int:
        """Call a function of the ROM; what it leaves in a2."""
        self.go(ADDRESSES[name], *arguments, limit_ms=limit_ms)
        return self.state.a[2]

    def call_long(self, name: str, *arguments: int) -> int:
        """Call one whose result is 64 bits."""
        self.go(ADDRESSES[name], *arguments)
        return self.state.a[2] | self.state.a[3] << 32

    def said(self) -> str:
        """What has left UART 0, all that is waiting included."""
        self.state.cycles = max(self.state.cycles, self.devices.uarts[0].silent_at())
        self.devices.settle()
        self._hear(self.machine.take_outputs())
        heard, self._heard = self._heard, ""
        return heard

    def _hear(self, outputs: list[Output]) -> None:
        self._heard += "".join(output.data.decode("latin-1") for output in outputs)


class Booted:
    """A real image that runs."""

    def __init__(self, contents: bytes, make_core: MakeCore = start_core, **options: Any) -> None:
        nor = Nor(bytearray(contents), part_by_name("W25Q32"))
        self.machine = Machine(nor, MachineOptions(**options), make_core)
        self.machine.power_on(Strap(), 0.0)
        self._before = ""

    @classmethod
    def resumed(cls, saved: bytes, make_core: MakeCore = start_core) -> Booted:
        """A copy of a machine that stands at its prompt."""
        board = cls.__new__(cls)
        board.machine = snapshot.load(saved, make_core)
        board._before = "\n> "
        return board

    @classmethod
    def of(cls, path: Path, size: int = 4 * MB, **options: Any) -> Booted:
        return cls(simulation.build_flash({0: path.read_bytes()}, size), **options)

    def until(self, pattern: str, *sends: str, timeout_s: float = 60.0) -> simulation.RunEnd:
        """Type, and run until something was said."""
        script = simulation.Script(
            sends=tuple(text.encode("latin-1") for text in sends),
            until=re.compile(pattern, re.MULTILINE),
            timeout_s=timeout_s,
        )
        outcome = simulation.Simulation(self.machine, script, before=self._before).run()
        before, self._before = self._before, outcome.text[-100:]
        outcome.text = outcome.text[len(before) :]
        return outcome

    def ask(self, line: str, timeout_s: float = 20.0) -> str:
        """Type a line at a prompt; what comes up to the next prompt, its echo taken off."""
        outcome = self.until(r"^> $", line + "\r\n", timeout_s=timeout_s)
        assert outcome.reason == "until", outcome.text[-300:]
        echo, _, answer = outcome.text.partition("\n")
        assert echo.endswith(line), outcome.text
        return answer.removesuffix("> ").strip("\n")
