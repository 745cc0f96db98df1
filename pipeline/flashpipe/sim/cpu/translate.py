"""Turns a trace, a run of instructions that usually follow each other, into the source of one Python function.

The function is called without arguments and returns the address of the next instruction. It keeps the registers it uses
in local variables. Whatever is rare ends it: registers are written back, and `step(pc)` executes that one instruction as
the interpreter does. A trace whose end leads back to its start becomes a loop.

Names that a function finds in its namespace: `R` registers, `C` cycle counter, `L` limits, `S` shift amount (all lists, see
`Execution`), `D8`, `D16`, `D32`, `F32` memory, `step`, and `M`, 32 ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from string import Formatter
from typing import Final

from flashpipe.sim.cpu.contract import MASK
from flashpipe.sim.cpu.decode import SPECIAL_REGISTERS, Instruction
from flashpipe.sim.cpu.semantics import COMPUTE, CONDITION, LOADS, STORES
from flashpipe.sim.memory import DRAM_SIZE, DRAM_START, FLASH_SIZE, FLASH_START

LONGEST: Final = 40
"""Instructions in a trace; together with what a loop adds less than execution.MARGIN."""
VERSION: Final = 1
"""Raised whenever the same trace gives another source."""
_DRAM_END, _FLASH_END = DRAM_START + DRAM_SIZE, FLASH_START + FLASH_SIZE
_VIEWS: Final = {1: "D8[t - {start}]", 2: "D16[t - {start} >> 1]", 4: "D32[t - {start} >> 2]"}
_ENDING: Final = frozenset({"jx", "ret", "callx0"})


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction of a trace."""

    pc: int
    instruction: Instruction
    literal: int | None = None
    """What `l32r` loads, if it never changes unnoticed."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Instructions in the order in which they are executed if no branch leaves."""

    lines: tuple[Line, ...]
    end: int
    """Where it goes on after the last one."""

    @property
    def start(self) -> int:
        """Address of the first instruction."""
        return self.lines[0].pc


Fetch = Callable[[int], Instruction | None]
"""The instruction at an address; None where a trace must end: hooks, mask ROM, no code."""
Literal = Callable[[int], int | None]
"""The word at an address, if a change of it would be noticed."""


def follow(start: int, fetch: Fetch, literal: Literal) -> Trace | None:
    """The trace that begins at `start`; None if there is nothing to translate."""
    lines: list[Line] = []
    seen: set[int] = set()
    pc = start
    while len(lines) < LONGEST and pc not in seen:
        instruction = fetch(pc)
        if instruction is None:
            break
        operation = instruction.operation
        constant = literal(instruction.imm) if operation == "l32r" else None
        if not _is_translatable(instruction) or (operation == "l32r" and constant is None):
            break
        lines.append(Line(pc, instruction, constant))
        seen.add(pc)
        if operation in _ENDING:
            break
        pc = instruction.imm if operation in {"j", "call0"} else pc + instruction.length & MASK
    return Trace(tuple(lines), pc) if lines else None


def _is_translatable(instruction: Instruction) -> bool:
    operation = instruction.operation
    if operation in {"rsr", "wsr"}:
        return SPECIAL_REGISTERS[instruction.imm] == "sar"
    return (
        operation in COMPUTE
        or operation in CONDITION
        or operation in LOADS
        or operation in STORES
        or operation in _ENDING
        or operation in {"l32r", "j", "call0"}
    )


def source(trace: Trace) -> str:
    """The source of a trace's function, named `block`."""
    writer = _Writer(trace)
    for index, line in enumerate(trace.lines):
        writer.write(index, line)
    return writer.finish()


@dataclass(slots=True)
class _Writer:
    trace: Trace
    body: list[tuple[int, str, frozenset[int] | None]] = field(default_factory=list)
    """Indentation, text, and for an exit the registers to write back before it."""
    used: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    count: int = 0
    loops: bool = False
    ended: bool = False

    # --- registers ---------------------------------------------------------------------------------------------------

    def register(self, number: int) -> str:
        self.used.add(number)
        return f"a{number}"

    def target(self, number: int) -> str:
        self.changed.add(number)
        return self.register(number)

    def put(self, text: str, indent: int = 0) -> None:
        self.body.append((indent, text, None))

    def leave(self, text: str, indent: int = 0) -> None:
        """Write back what has changed so far, then `text`."""
        self.body.append((indent, text, frozenset(self.changed)))

    # --- instructions ------------------------------------------------------------------------------------------------

    def write(self, index: int, line: Line) -> None:
        """One instruction."""
        self.count = index + 1
        operation, i = line.instruction.operation, line.instruction
        if operation in COMPUTE:
            self._compute(COMPUTE[operation], i)
        elif operation in CONDITION:
            self._branch(CONDITION[operation], line)
        elif operation in LOADS:
            self._load(line, LOADS[operation])
        elif operation in STORES:
            self._store(line, STORES[operation])
        elif operation == "l32r":
            self.put(f"{self.target(i.t)} = {line.literal}")
        elif operation in {"rsr", "wsr"}:
            self.put(f"{self.target(i.t)} = S[0]" if operation == "rsr" else f"S[0] = {self.register(i.t)} & 63")
        elif operation in {"call0", "callx0"}:
            self._call(line)
        elif operation in {"jx", "ret"}:
            self._exit(self.register(i.s if operation == "jx" else 0))

    def _fields(self, template: str, i: Instruction) -> dict[str, str]:
        """What a template's places are filled with; what it assigns to counts as changed."""
        names = {name for _, name, _, _ in Formatter().parse(template) if name}
        fields = {name: self.register(getattr(i, name)) for name in names & {"r", "s", "t"}}
        return fields | {"imm": str(i.imm), "imm2": str(i.imm2)}

    def _compute(self, template: str, i: Instruction) -> None:
        if template == "pass":
            return
        for name in ("r", "t"):
            if f"{{{name}}} = " in template:
                self.target(getattr(i, name))
        self.put(template.format(**self._fields(template, i)).replace("SAR", "S[0]"))

    def _branch(self, template: str, line: Line) -> None:
        i = line.instruction
        self.put(f"if {template.format(**self._fields(template, i))}:")
        self._go(i.imm, 1)

    def _call(self, line: Line) -> None:
        i = line.instruction
        back = line.pc + i.length & MASK
        if i.operation == "callx0":
            self.put(f"t = {self.register(i.s)}")
        self.put(f"{self.target(0)} = {back}")
        if i.operation == "callx0":
            self._exit("t")

    def _address(self, i: Instruction) -> str:
        base = self.register(i.s)
        return f"t = {base} + {i.imm} & M" if i.imm else f"t = {base}"

    def _load(self, line: Line, size: int) -> None:
        i = line.instruction
        self.put(self._address(i))
        value = _VIEWS[size].format(start=DRAM_START)
        if i.operation == "l16si":
            value = f"({value} ^ 0x8000) - 0x8000 & M"
        aligned = f" and not t & {size - 1}" if size > 1 else ""
        before = frozenset(self.changed)
        target = self.target(i.t)
        self.put(f"if {DRAM_START} <= t < {_DRAM_END}{aligned}: {target} = {value}")
        if i.operation == "l32i":
            self.put(f"elif {FLASH_START} <= t < {_FLASH_END}{aligned}: {target} = F32[t - {FLASH_START} >> 2]")
        self._slow(line, before)

    def _store(self, line: Line, size: int) -> None:
        i = line.instruction
        self.put(self._address(i))
        value = self.register(i.t) + {1: " & 255", 2: " & 65535", 4: ""}[size]
        aligned = f" and not t & {size - 1}" if size > 1 else ""
        self.put(f"if {DRAM_START} <= t < {_DRAM_END}{aligned}: {_VIEWS[size].format(start=DRAM_START)} = {value}")
        self._slow(line, frozenset(self.changed))

    def _slow(self, line: Line, changed: frozenset[int]) -> None:
        self.put("else:")
        if self.count > 1:
            self.put(f"C[0] += {self.count - 1}", 1)
        self.body.append((1, f"return step({line.pc})", changed))

    # --- leaving -----------------------------------------------------------------------------------------------------

    def _go(self, target: int, indent: int) -> None:
        """Leave for a known address: once more from the start, as long as nothing is due, or out."""
        self.put(f"C[0] += {self.count}", indent)
        if target == self.trace.start:
            self.loops = True
            self.put("if C[0] < L[0]: continue", indent)
        self.leave(f"return {target}", indent)

    def _exit(self, target: str) -> None:
        self.put(f"C[0] += {self.count}")
        self.leave(f"return {target}")
        self.ended = True

    def finish(self) -> str:
        """All of it."""
        if not self.ended:
            self._go(self.trace.end, 0)
        indent = 2 if self.loops else 1
        lines = ["def block():", *(f" a{number} = R[{number}]" for number in sorted(self.used))]
        if self.loops:
            lines.append(" while True:")
        for depth, text, changed in self.body:
            if changed is not None:
                # Round a loop everything may have changed that any pass changes.
                lines += _write_back(self.changed if self.loops else changed, indent + depth)
            lines.append(" " * (indent + depth) + text)
        return "\n".join(lines) + "\n"


def _write_back(registers: Iterable[int], indent: int) -> list[str]:
    text = "; ".join(f"R[{number}] = a{number}" for number in sorted(registers))
    return [" " * indent + text] if text else []
