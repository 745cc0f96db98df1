"""Cases that a core and QEMU can both play: where they start, how they are stepped, what is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.cpu.decode import decode
from flashpipe.sim.memory import FLASH_SIZE, IRAM_SIZE, IRAM_START, ROM_START, BusError, Memory

from tests.sim.cpu.cores import NewCore
from tests.sim.cpu.machines import CODE, DATA, USER

RECORD: Final = Path(__file__).with_name("data") / "qemu.json"
MASKS: Final = {"ps": 0x3F, "eps2": 0x3F, "eps3": 0x3F, "exccause": 0x3F, "intenable": 0x7FFF}
COMPARED: Final = (
    *(f"a{number}" for number in range(16)), "pc", "sar", "litbase", "ps", "ddr", "epc1", "epc2", "epc3", "depc",
    "eps2", "eps3", "excsave1", "excsave2", "excsave3", "interrupt", "intenable", "vecbase", "exccause", "debugcause",
    "excvaddr",
)  # fmt: skip
"""Registers that mean the same in both."""
VECTORS: Final = {0x30, 0x50}
NOT_FOR_QEMU: Final = {"rer", "wer", "waiti", "wtlb"}
CLOCKS: Final = {96, 128, 144, 160, 234, 235, 236, 237, 240}
"""Special registers with which QEMU does something else; PRID is 0 there."""


class IncomparableError(Exception):
    """From here on the two are not the same machine."""


class ResumeError(IncomparableError):
    """An exception was raised, on both: a handler of the test's own skips the instruction."""


def resumed(registers: dict[str, int]) -> dict[str, int]:
    """What the handler of the test changes."""
    return {"pc": registers["epc1"] + 3, "ps": USER}


@dataclass
class Case:
    """Where a stream starts, and for how many steps it goes on."""

    code: str
    at: int = CODE
    registers: list[int] = field(default_factory=lambda: [0] * 16)
    sar: int = 0
    ps: int = USER
    intenable: int = 0
    steps: int = 60
    data: str = ""
    """Put at DATA."""

    def start(self) -> dict[str, int]:
        """All registers that are compared."""
        names = {f"a{number}": value for number, value in enumerate(self.registers)}
        rest = {"pc": self.at, "sar": self.sar, "ps": self.ps, "intenable": self.intenable, "vecbase": ROM_START}
        return dict.fromkeys(COMPARED, 0) | names | rest


class _NoDevices:
    """An access that reaches a device ends what can be compared."""

    def read(self, address: int, size: int) -> int:
        raise IncomparableError(f"read of {size} at {address:#x}")

    def write(self, address: int, size: int, value: int) -> None:
        raise IncomparableError(f"write of {size} at {address:#x}: {value:#x}")


class Player:
    """One of our cores, stepped like QEMU."""

    def __init__(self, new_core: NewCore) -> None:
        self.memory = Memory()
        self.core: Core = new_core(self.memory, _NoDevices())
        self.last = ""
        """The instruction that was executed last."""

    def begin(self, case: Case) -> None:
        """Stand at the start of a case."""
        state = self.core.state
        state.reset()
        for name, value in case.start().items():
            if name[0] == "a":
                state.a[int(name[1:])] = value
            else:
                setattr(state, name, value)
        put(self.memory.write, case)
        self.core.flush(IRAM_START, IRAM_SIZE)
        self.core.flash_changed(0, FLASH_SIZE)

    def check_comparable(self) -> None:
        """Look at the instruction to come.

        Raises:
            IncomparableError: QEMU does something else with it.
        """
        state = self.core.state
        if state.pc >> 16 == ROM_START >> 16:
            raise ResumeError if state.pc & 0xFFFF in VECTORS else IncomparableError("mask ROM")
        if state.pc < IRAM_START:
            raise IncomparableError("no code")
        try:
            word = int.from_bytes(self.memory.read(state.pc, 3), "little")
        except BusError:
            raise IncomparableError("no code") from None
        instruction = decode(word, state.pc)
        self.last = f"{instruction.operation} {word:06x} at {state.pc:#x}"
        if instruction.operation in NOT_FOR_QEMU:
            raise IncomparableError(instruction.operation)
        if instruction.operation in {"rsr", "wsr", "xsr"} and instruction.imm in CLOCKS:
            raise IncomparableError("clock")
        if instruction.operation == "slli" and instruction.imm == 32:
            raise IncomparableError("slli by 32")
        if word & 0xF0FF == 0x3010 & 0xF0FF and word >> 16 == 0 and word >> 8 & 15 not in {2, 3}:
            raise IncomparableError("rfi")

    def go_on(self) -> None:
        """Execute one instruction, or leave the handler of an exception.

        Raises:
            IncomparableError: QEMU does something else there.
        """
        try:
            self.check_comparable()
        except ResumeError:
            self.resume()
        else:
            self.step()

    def step(self) -> dict[str, int]:
        """Execute one instruction, and the entry of an interrupt that follows; the registers then."""
        state = self.core.state
        state.horizon = state.cycles + 1
        before = state.exccause
        stop = self.core.run()
        if stop is Stop.HOOK:
            raise IncomparableError("interrupt")
        if state.exccause == 3 and before != 3:
            raise IncomparableError("bytes of a word")
        return self.registers()

    def resume(self) -> None:
        """Go on behind an exception."""
        for name, value in resumed(self.registers()).items():
            setattr(self.core.state, name, value)

    def registers(self) -> dict[str, int]:
        """What is compared."""
        state = self.core.state
        return {name: state.a[int(name[1:])] if name[0] == "a" else getattr(state, name) for name in COMPARED}


def put(write: Callable[[int, bytes], None], case: Case) -> None:
    """Put the bytes of a case into a memory."""
    write(DATA, bytes.fromhex(case.data))
    write(case.at, bytes.fromhex(case.code))
