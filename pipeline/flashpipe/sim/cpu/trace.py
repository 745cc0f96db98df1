"""Every instruction that a program executes, with the registers that it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flashpipe.sim.cpu.contract import Core, Stop
from flashpipe.sim.cpu.decode import SPECIAL_REGISTERS, Instruction, decode
from flashpipe.sim.cpu.onlooker import Onlooker
from flashpipe.sim.cpu.semantics import COMPUTE, CONDITION, LOADS, STORES
from flashpipe.sim.memory import BusError

_LONGEST: Final = 3


@dataclass(frozen=True, slots=True)
class ExecutedStep:
    """One step of a program."""

    cycles: int
    """The board's cycles before it."""
    pc: int
    instruction: Instruction | None
    """None where nothing could be fetched, or an interrupt came first and its vector is mask ROM."""
    changed: dict[int, int]
    """Registers a0 to a15 that have another value since."""
    then: int
    """Where the program stands after it."""

    def __str__(self) -> str:
        text = disassemble(self.instruction) if self.instruction is not None else "?"
        changes = " ".join(f"a{number}={value:08x}" for number, value in self.changed.items())
        return f"{self.cycles:>12} {self.pc:08x} {text:<32} {changes}".rstrip()


class Tracer(Onlooker):
    """Tells of each instruction; a run takes hundreds of times as long."""

    def __init__(self, core: Core, tell: Callable[[ExecutedStep], None]) -> None:
        super().__init__(core)
        self._tell = tell
        self._before = (0, 0, 0, [0] * 16)

    def next_look(self) -> int:
        """Behind the next instruction."""
        state = self.state
        self._before = (state.cycles, state.instructions, state.pc, list[int](state.a))
        return state.clocks + 1

    def look(self, _stop: Stop) -> None:
        """Tell what was executed, if anything."""
        cycles, instructions, pc, registers = self._before
        state = self.state
        if state.instructions == instructions:
            return
        after = list[int](state.a)
        changed = {number: value for number, value in enumerate(after) if value != registers[number]}
        self._tell(ExecutedStep(cycles, pc, self._instruction(pc), changed, state.pc))

    def _instruction(self, pc: int) -> Instruction | None:
        try:
            return decode(int.from_bytes(self.memory.read(pc, _LONGEST), "little"), pc)
        except BusError:
            return None


def disassemble(i: Instruction) -> str:
    """An instruction in the manual's notation; targets and literals by their addresses."""
    name = f"{i.operation}.n" if i.length < _LONGEST else i.operation
    operands = _operands(i)
    return f"{name} {', '.join(operands)}" if operands else name


def _operands(i: Instruction) -> list[str]:
    operation = i.operation
    if operation in COMPUTE:
        order = [place for place in ("{r}", "{t}", "{s}") if f"{place} = " in COMPUTE[operation]]
        order += [place for place in ("{s}", "{t}", "{imm}") if place in COMPUTE[operation] and place not in order]
        return [_operand(i, place) for place in order]
    if operation in CONDITION:
        used = [place for place in ("{s}", "{t}", "{imm2}") if place in CONDITION[operation]]
        return [*(_operand(i, place) for place in used), f"0x{i.imm:x}"]
    if operation in LOADS or operation in STORES:
        return [f"a{i.t}", f"a{i.s}", str(i.imm)]
    if operation in {"rsr", "wsr", "xsr"}:
        return [f"a{i.t}", SPECIAL_REGISTERS[i.imm]]
    return {
        "l32r": [f"a{i.t}", f"0x{i.imm:x}"], "j": [f"0x{i.imm:x}"], "call0": [f"0x{i.imm:x}"], "jx": [f"a{i.s}"],
        "callx0": [f"a{i.s}"], "rsil": [f"a{i.t}", str(i.s)], "waiti": [str(i.s)], "rfi": [str(i.s)],
    }.get(operation, [])  # fmt: skip


def _operand(i: Instruction, place: str) -> str:
    field = place.strip("{}")
    value: int = getattr(i, field)
    if field in {"r", "s", "t"}:
        return f"a{value}"
    return str(value - (1 << 32) if value >> 31 else value)
