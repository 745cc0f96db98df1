"""The core in pure Python: always there."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import Cause, Devices, Stop
from flashpipe.sim.cpu.decode import Instruction, decode
from flashpipe.sim.cpu.execution import Execution, Trap
from flashpipe.sim.cpu.handlers import HANDLERS, Handler
from flashpipe.sim.memory import FLASH_SIZE, FLASH_START, IRAM_SIZE, IRAM_START, ROM_SIZE, ROM_START, Memory

_DATA_START, _DATA_END = 0x20000000, 0x80000000
"""Fetching between these is an error of the bus, elsewhere it is prohibited (unconfirmed on a board)."""
_LONGEST: Final = 3
"""Bytes of a wide instruction."""


class PythonCore(Execution):
    """An lx106 that decodes each instruction once and executes it from then on by its handler."""

    name = "python"

    def __init__(self, memory: Memory, devices: Devices) -> None:
        super().__init__(memory, devices)
        self._hooks: frozenset[int] = frozenset()
        self._code: dict[int, tuple[Handler, Instruction]] = {}
        self._decoded = bytearray(IRAM_SIZE // 4 + 1)
        """Words of instruction RAM from which something was decoded."""

    def run(self) -> Stop:
        """Execute until one of the reasons to stop."""
        self.begin()
        try:
            return self._run()
        finally:
            self.end()

    def _run(self) -> Stop:
        state, cycles, limit, code = self.state, self.cycles, self.limit, self._code
        pc = state.pc
        while True:
            try:
                while True:
                    if cycles[0] >= limit[0]:
                        state.pc = pc
                        if (stop := self.look_around()) is not None:
                            return stop
                        pc = state.pc
                    entry = code.get(pc) or self._enter(pc)
                    if entry is None:
                        state.pc = pc
                        return Stop.HOOK
                    cycles[0] += 1
                    pc = entry[0](self, entry[1], pc)
            except Trap as trap:  # noqa: PERF203  rare
                pc = self.deliver(trap)

    def _enter(self, pc: int) -> tuple[Handler, Instruction] | None:
        """Decode the instruction at `pc`; None where a hook stops the run.

        Raises:
            Trap: nothing can be fetched there.
        """
        if 0 <= pc - ROM_START < ROM_SIZE or (pc in self._hooks and pc != self.past):
            return None
        at = pc - IRAM_START
        if 0 <= at < IRAM_SIZE:
            word = int.from_bytes(self.memory.iram[at : at + _LONGEST], "little")
        elif 0 <= pc - FLASH_START < FLASH_SIZE:
            word = int.from_bytes(self.memory.flash[pc - FLASH_START : pc - FLASH_START + _LONGEST], "little")
        else:
            self.cycles[0] += 1
            cause = Cause.INSTRUCTION_FETCH_ERROR if _DATA_START <= pc < _DATA_END else Cause.FETCH_PROHIBITED
            raise Trap(cause, pc, pc)
        instruction = decode(word, pc)
        entry = HANDLERS[instruction.operation], instruction
        if pc != self.past:
            self._code[pc] = entry
            if 0 <= at < IRAM_SIZE:
                self._decoded[at >> 2] = self._decoded[at + instruction.length - 1 >> 2] = 1
        return entry

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        for address in self._hooks | addresses:
            self._code.pop(address, None)
        self._hooks = addresses

    def flush(self, start: int, length: int) -> None:
        """Forget what was decoded of these addresses."""
        first, end = start - _LONGEST + 1, start + length  # an instruction may begin before
        if length < len(self._code):
            for address in range(first, end):
                self._code.pop(address, None)
        else:
            for address in [address for address in self._code if first <= address < end]:
                del self._code[address]

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was decoded of the flash window; `start` counts from the window's first byte."""
        self.flush(FLASH_START + start, length)

    def code_written(self, at: int) -> None:
        """The program has stored a word into instruction RAM, `at` bytes from its start."""
        if self._decoded[at >> 2]:
            self.flush(IRAM_START + at, 4)
