"""The core in pure Python: always there.

Code that runs for the first times is interpreted, instruction by instruction; what is entered often is translated into
Python functions (`translate`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

from flashpipe.sim.cpu.contract import MASK, Cause, Devices, Stop
from flashpipe.sim.cpu.decode import Instruction, decode
from flashpipe.sim.cpu.execution import RunningCore, Trap
from flashpipe.sim.cpu.handlers import HANDLERS, Handler
from flashpipe.sim.cpu.translate import follow, source
from flashpipe.sim.cpu.translations import TracedBytes, open_translations, traced_bytes
from flashpipe.sim.memory import FLASH_SIZE, FLASH_START, IRAM_SIZE, IRAM_START, ROM_SIZE, ROM_START, Memory

HOT: Final = 60
"""How often a place is entered before it is worth translating: compiling takes as long as interpreting it so often."""
WARM: Final = 1
"""How often before it is worth looking for a translation that was made earlier."""
GRANULE: Final = 8
"""Bits of an address within one granule: what was translated is forgotten granule by granule."""
_DATA_START, _DATA_END = 0x20000000, 0x80000000
"""Fetching between these is an error of the bus, elsewhere it is prohibited (unconfirmed on a board)."""
_NEVER: Final = -(1 << 60)
"""The heat of a place that cannot be translated."""
_LONGEST: Final = 3
"""Bytes of a wide instruction."""

Block = Callable[[], int]


class PythonCore(RunningCore):
    """An lx106 in Python."""

    name = "python"

    def __init__(self, memory: Memory, devices: Devices, *, hot: int = HOT, warm: int = WARM) -> None:
        """Make one; a place entered `warm` times is looked up, one entered more than `hot` times translated."""
        super().__init__(memory, devices)
        self._hot = hot
        self._warm = warm
        self._translations = open_translations()
        self._hooks: frozenset[int] = frozenset()
        self._decoded: dict[int, tuple[Handler, Instruction]] = {}
        self._blocks: dict[int, Block] = {}
        self._heat: dict[int, int] = {}
        self._in_granule: dict[int, set[int]] = {}
        """Starts of the blocks that were made from the bytes of a granule."""
        self._read = bytearray(IRAM_SIZE // 4 + 1)
        """Words of instruction RAM from which something was decoded or translated."""
        self._extended = False
        """Whether L32R goes by LITBASE: nobody does that, and nothing is translated then."""
        self._namespace: dict[str, Any] = {
            "R": self.registers, "C": self.cycles, "L": self.limit, "S": self.sar, "D8": self.dram8, "D16": self.dram16,
            "D32": self.dram32, "F32": self.flash32, "M": MASK, "step": self._step, "__builtins__": {},
        }  # fmt: skip

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self) -> Stop:
        """Execute until one of the reasons to stop."""
        self.begin()
        if self._extended:
            self.litbase_changed()
        try:
            return self._run()
        finally:
            self.end()

    def _run(self) -> Stop:
        state, cycles, limit, blocks = self.state, self.cycles, self.limit, self._blocks
        pc = state.pc
        while True:
            try:
                while True:
                    if cycles[0] < limit[0]:
                        block = blocks.get(pc)
                        if block is not None:
                            pc = block()
                            continue
                        following = self._dispatch(pc)
                    else:
                        state.pc = pc
                        if (stop := self.look_around()) is not None:
                            return stop
                        pc = state.pc
                        if cycles[0] < limit[0]:
                            continue
                        following = self._interpret(pc)  # too near to what is due for a whole block
                    if following is None:
                        return Stop.HOOK
                    pc = following
            except Trap as trap:
                pc = self.deliver(trap)

    def _dispatch(self, pc: int) -> int | None:
        """Execute what begins at `pc`, and translate it if that happens often; None as `_interpret`."""
        if 0 <= pc - ROM_START < ROM_SIZE and pc not in self._decoded and self._decode(pc) is None:
            self.state.pc = pc
            return None
        entered = self._heat.get(pc, 0) + 1
        self._heat[pc] = entered
        if (entered > self._hot or entered == self._warm) and not self._extended:
            block = self._find(pc)
            if block is None and entered > self._hot:
                block = self._translate(pc)
            if block is not None:
                return block()
        return self._interpret(pc)

    def _interpret(self, pc: int) -> int | None:
        """Execute instructions one by one up to the next jump; where it goes on.

        Returns:
            None where a hook stands in the way: `state.pc` is its address.
        """
        decoded, cycles, limit = self._decoded, self.cycles, self.limit
        while True:
            entry = decoded.get(pc) or self._enter(pc)
            if entry is None:
                self.state.pc = pc
                return None
            handler, instruction = entry
            cycles[0] += 1
            following = handler(self, instruction, pc)
            if following != pc + instruction.length or cycles[0] >= limit[1]:
                return following
            pc = following

    def _step(self, pc: int) -> int:
        """Execute one instruction, for a block that cannot."""
        entry = self._decoded.get(pc) or self._enter(pc)
        assert entry is not None, "no block goes over a hook"
        self.cycles[0] += 1
        return entry[0](self, entry[1], pc)

    # --- code --------------------------------------------------------------------------------------------------------

    def _enter(self, pc: int) -> tuple[Handler, Instruction] | None:
        """Decode the instruction at `pc`; None where a hook stops the run.

        Raises:
            Trap: nothing can be fetched there.
        """
        if pc in self._hooks and pc != self.past:
            return None
        instruction = self._decode(pc)
        if instruction is None and 0 <= pc - ROM_START < ROM_SIZE:
            return None
        if instruction is None:
            self.cycles[0] += 1
            cause = Cause.INSTRUCTION_FETCH_ERROR if _DATA_START <= pc < _DATA_END else Cause.FETCH_PROHIBITED
            raise Trap(cause, pc, pc)
        entry = HANDLERS[instruction.operation], instruction
        if pc != self.past:
            self._decoded[pc] = entry
            self._mark(pc, instruction.length)
        return entry

    def _decode(self, pc: int) -> Instruction | None:
        """The instruction at `pc`; None where no code can be."""
        code = self._code_at(pc, _LONGEST)
        if not code or (0 <= pc - ROM_START < ROM_SIZE and not any(code)):
            return None
        return decode(int.from_bytes(code, "little"), pc)

    def _code_at(self, address: int, length: int) -> bytes | bytearray:
        """Bytes of code, fewer at the end of memory, none where no code can be."""
        if 0 <= (at := address - FLASH_START) < FLASH_SIZE:
            return self.memory.flash[at : at + length]
        if 0 <= (at := address - IRAM_START) < IRAM_SIZE:
            return self.memory.iram[at : at + length]
        if 0 <= (at := address - ROM_START) < ROM_SIZE:
            return self.memory.rom[at : at + length]
        return b""

    def _mark(self, address: int, length: int) -> None:
        """Remember that a change of these bytes matters."""
        at = address - IRAM_START
        if 0 <= at < IRAM_SIZE:
            words = range(at >> 2, min(at + length - 1 >> 2, IRAM_SIZE // 4) + 1)
            self._read[words.start : words.stop] = b"\1" * len(words)

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        for address in self._hooks ^ addresses:
            self.flush(address, 1)
        self._hooks = addresses

    def flush(self, start: int, length: int) -> None:
        """Forget what was made of these addresses."""
        first, end = start - _LONGEST + 1, start + length  # an instruction may begin before
        _forget(self._decoded, first, end)
        _forget(self._heat, first, end)
        granules = range(first >> GRANULE, (end - 1 >> GRANULE) + 1)
        for granule in granules if len(granules) < len(self._in_granule) else list(self._in_granule):
            if granule in granules:
                for block in self._in_granule.pop(granule, ()):
                    self._blocks.pop(block, None)

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was made of the flash window; `start` counts from the window's first byte."""
        self.flush(FLASH_START + start, length)

    def code_written(self, at: int) -> None:
        """The program has stored a word into instruction RAM, `at` bytes from its start."""
        if self._read[at >> 2]:
            self.flush(IRAM_START + at, 4)

    # --- translation -------------------------------------------------------------------------------------------------

    def _find(self, pc: int) -> Block | None:
        """The function of the trace that begins at `pc`, if it was translated before."""
        known = self._translations.find(pc, self._code_at)
        if known is None or (self._hooks and self._hooked(known[0])):
            return None
        return self._use(pc, *known)

    def _translate(self, pc: int) -> Block | None:
        """The function of the trace that begins at `pc`, kept for the next time; None if there is none."""
        trace = follow(pc, self._instruction, self._literal)
        if trace is None:
            self._heat[pc] = _NEVER  # a hook, or nothing at all
            return None
        origin, code = traced_bytes(trace, self._code_at), _compile(source(trace))
        self._translations.put(pc, origin, code)
        return self._use(pc, origin, code)

    def _use(self, pc: int, origin: TracedBytes, code: CodeType) -> Block:
        block: Block = FunctionType(code, self._namespace)
        for address, length in origin.areas():
            self._mark(address, length)
            for granule in range(address >> GRANULE, (address + length - 1 >> GRANULE) + 1):
                self._in_granule.setdefault(granule, set()).add(pc)
        self._blocks[pc] = block
        return block

    def _hooked(self, origin: TracedBytes) -> bool:
        return any(address <= hook < address + length for address, length in origin.areas() for hook in self._hooks)

    def _instruction(self, pc: int) -> Instruction | None:
        """What a trace finds at an address."""
        if pc in self._hooks:
            return None
        entry = self._decoded.get(pc)
        return entry[1] if entry is not None else self._decode(pc)

    def _literal(self, address: int) -> int | None:
        """A word of code, which cannot change without a flush."""
        if not (0 <= address - FLASH_START < FLASH_SIZE or 0 <= address - IRAM_START < IRAM_SIZE):
            return None
        return self.memory.u32(address)

    def litbase_changed(self) -> None:
        """L32R may mean something else from now on."""
        if bool(self.state.litbase & 1) != self._extended:
            self._extended = not self._extended
            self._blocks.clear()


def _compile(text: str) -> CodeType:
    """The code of the one function in `text`."""
    (code,) = (constant for constant in compile(text, "<lx106>", "exec").co_consts if isinstance(constant, CodeType))
    return code


def _forget(table: dict[int, Any], first: int, end: int) -> None:
    """Take addresses out of a table, by whichever way is shorter."""
    if end - first < len(table):
        for address in range(first, end):
            table.pop(address, None)
    else:
        for address in [address for address in table if first <= address < end]:
            del table[address]
