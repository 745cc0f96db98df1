"""Turns a trace, a run of instructions that usually follow each other, into the source of one Python function.

The function is called without arguments and returns the address of the next instruction. It keeps the registers it
uses in local variables. Whatever is rare ends it: registers are written back, and `step(pc)` executes that one
instruction as the interpreter does. A trace whose end leads back to its start becomes a loop.

Names that a function finds in its namespace: `R` registers, `C` cycle counter, `L` limits, `S` shift amount (all lists,
see `Execution`), `D8`, `D16`, `D32`, `F32` memory, `step`, and `M`, 32 ones.
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

LONGEST: Final = 60
"""Instructions in a trace; together with what a loop adds less than execution.MARGIN."""
_DRAM_END, _FLASH_END = DRAM_START + DRAM_SIZE, FLASH_START + FLASH_SIZE
_PLACES: Final = {1: "D8[t - {start}]", 2: "D16[t - {start} >> 1]", 4: "D32[t - {start} >> 2]"}
_INDIRECT: Final = frozenset({"jx", "ret", "callx0"})
_CALLS: Final = frozenset({"call0", "callx0"})
_WORDS: Final = frozenset({"l32i", "s32i"})
_STACK: Final = 1
"""The stack pointer, which never points into the flash."""


@dataclass(frozen=True, slots=True)
class TracedInstruction:
    """An instruction of a trace."""

    pc: int
    instruction: Instruction
    literal: int | None = None
    """What `l32r` loads, if it never changes unnoticed."""
    to: int | None = None
    """Where a jump by register goes, if that is known."""
    stepped: bool = False
    """Whether it is left to the interpreter."""

    @property
    def behind(self) -> int:
        """The address behind the instruction."""
        return self.pc + self.instruction.length & MASK


@dataclass(frozen=True, slots=True)
class InstructionTrace:
    """Instructions in the order in which they are executed if no branch leaves."""

    lines: tuple[TracedInstruction, ...]
    end: int
    """Where it goes on after the last one."""

    @property
    def start(self) -> int:
        """Address of the first instruction."""
        return self.lines[0].pc


# --- what belongs to a trace -----------------------------------------------------------------------------------------

Fetch = Callable[[int], Instruction | None]
"""The instruction at an address; None where a trace must end: hooks, mask ROM, no code."""
Literal = Callable[[int], int | None]
"""The word at an address, if a change of it would be noticed."""


def follow(start: int, fetch: Fetch, literal: Literal) -> InstructionTrace | None:
    """The trace that begins at `start`; None if there is nothing to translate.

    It goes on through jumps and calls, also those by a register whose value is a constant of the trace. What changes
    more than registers and memory (interrupts masked, exceptions left) is executed by the interpreter, as its last one.
    """
    lines: list[TracedInstruction] = []
    seen: set[int] = set()
    constants: dict[int, int] = {}
    pc = start
    while len(lines) < LONGEST and pc not in seen:
        instruction = fetch(pc)
        if instruction is None:
            break
        line = _line(pc, instruction, literal, constants)
        lines.append(line)
        seen.add(pc)
        _learn(line, constants)
        if line.stepped or (instruction.operation in _INDIRECT and line.to is None):
            break
        pc = _next(line)
    return InstructionTrace(tuple(lines), pc) if lines else None


def _is_translatable(instruction: Instruction) -> bool:
    operation = instruction.operation
    if operation in {"rsr", "wsr"}:
        return SPECIAL_REGISTERS[instruction.imm] == "sar"
    return (
        operation in COMPUTE
        or operation in CONDITION
        or operation in LOADS
        or operation in STORES
        or operation in _INDIRECT
        or operation in {"l32r", "j", "call0"}
    )


def _line(pc: int, i: Instruction, literal: Literal, constants: dict[int, int]) -> TracedInstruction:
    """An instruction with what is known of it."""
    if not _is_translatable(i):
        return TracedInstruction(pc, i, stepped=True)
    if i.operation == "l32r":
        value = literal(i.imm)
        return TracedInstruction(pc, i, literal=value, stepped=value is None)  # one that may change is loaded each time
    if i.operation in _INDIRECT:
        return TracedInstruction(pc, i, to=constants.get(0 if i.operation == "ret" else i.s))
    return TracedInstruction(pc, i)


def _learn(line: TracedInstruction, constants: dict[int, int]) -> None:
    """What an instruction makes of the constants in registers."""
    i = line.instruction
    register = written(i)
    if register is None:
        return
    values = {"l32r": line.literal, "movi": i.imm, "mov": constants.get(i.s)} | dict.fromkeys(_CALLS, line.behind)
    value = values.get(i.operation)
    if value is None:
        constants.pop(register, None)
    else:
        constants[register] = value


def written(i: Instruction) -> int | None:
    """The register that a translatable instruction changes."""
    operation = i.operation
    if operation in _CALLS:
        return 0
    if operation in LOADS or operation in {"l32r", "rsr"}:
        return i.t
    template = COMPUTE.get(operation, "")
    return i.r if "{r} = " in template else i.t if "{t} = " in template else None


def _next(line: TracedInstruction) -> int:
    i = line.instruction
    if line.to is not None:
        return line.to
    return i.imm if i.operation in {"j", "call0"} else line.behind


# --- words in memory -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Window:
    """Words that are loaded and stored by one register, as long as it keeps its value: checked once, all together."""

    register: int
    offsets: list[int] = field(default_factory=list)
    stores: bool = False
    open: bool = False
    """Whether the check has been written."""

    def area(self, start: int, end: int) -> str:
        """That all of them lie between two addresses, and are aligned."""
        name = f"a{self.register}"
        low, high = start - min(self.offsets), end - 4 - max(self.offsets)
        return f"{low} <= {name} <= {high} and not {name} & 3"


def find_windows(trace: InstructionTrace) -> dict[int, Window]:
    """The windows of a trace, for the index of each line that goes through one; lonely accesses have none."""
    current: dict[int, Window] = {}
    windows: dict[int, Window] = {}
    for index, line in enumerate(trace.lines):
        i = line.instruction
        if i.operation in _WORDS:
            window = windows[index] = current.setdefault(i.s, Window(i.s))
            window.offsets.append(i.imm)
            window.stores = window.stores or i.operation == "s32i"
        register = written(i)
        if register is not None:
            current.pop(register, None)
    return {index: window for index, window in windows.items() if len(window.offsets) > 1}


# --- its source ------------------------------------------------------------------------------------------------------


def source(trace: InstructionTrace) -> str:
    """The source of a trace's function, named `block`."""
    writer = _Writer(trace, find_windows(trace))
    for index, line in enumerate(trace.lines):
        if line.stepped:
            writer.write_step(index, line)
        else:
            writer.write(index, line)
    return writer.finish()


@dataclass(slots=True)
class _Writer:
    trace: InstructionTrace
    windows: dict[int, Window]
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

    def write(self, index: int, line: TracedInstruction) -> None:
        """One instruction."""
        self.count = index + 1
        operation, i = line.instruction.operation, line.instruction
        if operation in COMPUTE:
            self._compute(COMPUTE[operation], i)
        elif operation in CONDITION:
            self._branch(CONDITION[operation], line)
        elif index in self.windows:
            self._word(line, self.windows[index])
        elif operation in LOADS:
            self._load(line, LOADS[operation])
        elif operation in STORES:
            self._store(line, STORES[operation])
        elif operation == "l32r":
            self.put(f"{self.target(i.t)} = {line.literal}")
        elif operation in {"rsr", "wsr"}:
            self.put(f"{self.target(i.t)} = S[0]" if operation == "rsr" else f"S[0] = {self.register(i.t)} & 63")
        elif operation in _CALLS:
            self._call(line)
        elif operation in _INDIRECT and line.to is None:
            self._exit(self.register(i.s if operation == "jx" else 0))

    def write_step(self, index: int, line: TracedInstruction) -> None:
        """The last instruction, which is left to the interpreter."""
        self.count = index + 1
        self._step(line, frozenset(self.changed), 0)
        self.ended = True

    def _fields(self, template: str, i: Instruction) -> dict[str, str]:
        names = {name for _, name, _, _ in Formatter().parse(template) if name}
        fields = {name: self.register(getattr(i, name)) for name in names & {"r", "s", "t"}}
        return fields | {"imm": str(i.imm), "imm2": str(i.imm2)}

    def _compute(self, template: str, i: Instruction) -> None:
        if template == "pass":
            return
        register = written(i)
        if register is not None:
            self.target(register)
        self.put(template.format(**self._fields(template, i)).replace("SAR", "S[0]"))

    def _branch(self, template: str, line: TracedInstruction) -> None:
        i = line.instruction
        self.put(f"if {template.format(**self._fields(template, i))}:")
        self._go(i.imm, 1)

    def _call(self, line: TracedInstruction) -> None:
        i = line.instruction
        known = line.to is not None or i.operation == "call0"
        if not known:
            self.put(f"t = {self.register(i.s)}")
        self.put(f"{self.target(0)} = {line.behind}")
        if not known:
            self._exit("t")

    # --- memory ------------------------------------------------------------------------------------------------------

    def _word(self, line: TracedInstruction, window: Window) -> None:
        """A word through a window."""
        i, base = line.instruction, window.register
        view = "D32" if window.stores or base == _STACK else f"v{base}"
        if not window.open:
            window.open = True
            self._open(line, window, view)
        place = f"{view}[w{base} + {i.imm >> 2}]" if i.imm else f"{view}[w{base}]"
        if i.operation == "s32i":
            self.put(f"{place} = {self.register(i.t)}")
        else:
            self.put(f"{self.target(i.t)} = {place}")

    def _open(self, line: TracedInstruction, window: Window, view: str) -> None:
        name = self.register(window.register)
        index = f"w{window.register} = {name} - {{}} >> 2"
        choose = "" if view == "D32" else f"{view} = {{}}; "
        self.put(f"if {window.area(DRAM_START, _DRAM_END)}: {choose.format('D32')}{index.format(DRAM_START)}")
        if choose:
            self.put(f"elif {window.area(FLASH_START, _FLASH_END)}: {choose.format('F32')}{index.format(FLASH_START)}")
        self._slow(line, frozenset(self.changed))

    def _address(self, i: Instruction) -> str:
        base = self.register(i.s)
        return f"t = {base} + {i.imm} & M" if i.imm else f"t = {base}"

    def _load(self, line: TracedInstruction, size: int) -> None:
        i = line.instruction
        self.put(self._address(i))
        value = _PLACES[size].format(start=DRAM_START)
        if i.operation == "l16si":
            value = f"({value} ^ 0x8000) - 0x8000 & M"
        aligned = f" and not t & {size - 1}" if size > 1 else ""
        before = frozenset(self.changed)
        target = self.target(i.t)
        self.put(f"if {DRAM_START} <= t < {_DRAM_END}{aligned}: {target} = {value}")
        if i.operation == "l32i":
            self.put(f"elif {FLASH_START} <= t < {_FLASH_END}{aligned}: {target} = F32[t - {FLASH_START} >> 2]")
        self._slow(line, before)

    def _store(self, line: TracedInstruction, size: int) -> None:
        i = line.instruction
        self.put(self._address(i))
        value = self.register(i.t) + {1: " & 255", 2: " & 65535", 4: ""}[size]
        aligned = f" and not t & {size - 1}" if size > 1 else ""
        self.put(f"if {DRAM_START} <= t < {_DRAM_END}{aligned}: {_PLACES[size].format(start=DRAM_START)} = {value}")
        self._slow(line, frozenset(self.changed))

    def _slow(self, line: TracedInstruction, changed: frozenset[int]) -> None:
        self.put("else:")
        self._step(line, changed, 1)

    def _step(self, line: TracedInstruction, changed: frozenset[int], indent: int) -> None:
        """Leave by an instruction that the interpreter executes."""
        if self.count > 1:
            self.put(f"C[0] += {self.count - 1}", indent)
        self.body.append((indent, f"return step({line.pc})", changed))

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
