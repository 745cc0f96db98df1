"""The core in pure Python: always there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.cpu.contract import (
    DEBUG_VECTOR,
    DOUBLE_VECTOR,
    KERNEL_VECTOR,
    LEVEL1_MASK,
    NMI_INTERRUPT,
    NMI_VECTOR,
    PS_EXCM,
    PS_INTLEVEL,
    PS_UM,
    TIMER_INTERRUPT,
    USER_VECTOR,
    Cause,
    CoreState,
    Devices,
    Stop,
)
from flashpipe.sim.cpu.decode import Instruction, decode
from flashpipe.sim.memory import (
    DRAM_SIZE,
    DRAM_START,
    FLASH_SIZE,
    FLASH_START,
    IRAM_SIZE,
    IRAM_START,
    ROM_SIZE,
    ROM_START,
    BusError,
    Memory,
)

Handler = Callable[["PythonCore", Instruction, int], int]
"""Executes one instruction at an address; returns the address of the next one."""

INSTRUCTION_BUS_END: Final = FLASH_START + FLASH_SIZE
"""From ROM_START up to here only whole words can be loaded and stored: else LoadStoreError."""
_DATA_START, _DATA_END = 0x20000000, 0x80000000
"""Fetching between these is an error of the bus, elsewhere it is prohibited (unconfirmed on a board)."""
_DEBUG_LEVEL: Final = 2


class Trap(Exception):
    """The instruction at `pc` raises an exception of the core."""

    def __init__(self, cause: Cause, pc: int, address: int | None = None) -> None:
        super().__init__(cause, pc, address)
        self.cause = cause
        self.pc = pc
        self.address = address
        """For EXCVADDR; None leaves it as it was."""


class PythonCore:
    """An lx106 that decodes each instruction once and executes it from then on by its handler.

    While it runs, registers, SAR and the cycle counter live in lists, which Python reaches faster than fields of a
    structure; `state` has them before and after.
    """

    name = "python"

    def __init__(self, memory: Memory, devices: Devices) -> None:
        from flashpipe.sim.cpu.handlers import HANDLERS  # noqa: PLC0415  handlers are written against this class

        self.memory = memory
        self.devices = devices
        self.state = CoreState()
        self.state.reset()
        self.registers = [0] * 16
        self.sar = [0]
        self.cycles = [0]
        self.dram8 = memory.dram
        self.dram16 = memoryview(memory.dram).cast("H")
        self.dram32 = memoryview(memory.dram).cast("I")
        self.iram32 = memoryview(memory.iram).cast("I")
        self.flash32 = memoryview(memory.flash).cast("I")
        self._handlers = HANDLERS
        self._limit = 0
        """Nothing has to be looked at before the cycle counter reaches this."""
        self._skipped = 0
        """Cycles of this run in which no instruction was executed."""
        self._hooks: frozenset[int] = frozenset()
        self._past: int | None = None
        """The hook whose instruction is to be executed next."""
        self._code: dict[int, tuple[Handler, Instruction]] = {}
        self._decoded = bytearray(IRAM_SIZE // 4)
        """Words of instruction RAM from which something was decoded."""

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self) -> Stop:
        """Execute until one of the reasons to stop."""
        state = self.state
        self.registers[:] = state.a
        self.sar[0] = state.sar
        started = self.cycles[0] = state.cycles
        self._limit = self._skipped = 0
        try:
            return self._run()
        finally:
            state.a[:] = self.registers
            state.sar = self.sar[0]
            state.cycles = self.cycles[0]
            state.instructions += self.cycles[0] - started - self._skipped

    def _run(self) -> Stop:
        state, cycles, code = self.state, self.cycles, self._code
        pc = state.pc
        while True:
            try:
                while True:
                    if cycles[0] >= self._limit:
                        state.pc = pc
                        if (stop := self._look_around()) is not None:
                            return stop
                        pc = state.pc
                    entry = code.get(pc) or self._enter(pc)
                    if entry is None:
                        state.pc = pc
                        return Stop.HOOK
                    cycles[0] += 1
                    pc = entry[0](self, entry[1], pc)
            except Trap as trap:
                pc = self._deliver(trap)

    def attend(self) -> None:
        """Look around before the next instruction."""
        self._limit = 0

    def _look_around(self) -> Stop | None:
        """See to everything that may be due between two instructions, in the order of the contract."""
        state, now = self.state, self.cycles[0]
        self._past = None
        if now >= state.timer_at:
            state.interrupt |= 1 << TIMER_INTERRUPT
            state.timer_at += 1 << 32
        if now >= state.horizon:
            return Stop.HORIZON
        if state.past_hook and not state.waiting:
            state.past_hook, self._past, self._limit = 0, state.pc, 0
            return None
        if not self._take_interrupt() and state.waiting:
            return Stop.WAITI
        self._limit = min(state.horizon, state.timer_at)
        return None

    # --- interrupts and exceptions -----------------------------------------------------------------------------------

    def _take_interrupt(self) -> bool:
        """Enter the handler of a pending interrupt, if one is allowed."""
        state = self.state
        level = state.ps & PS_INTLEVEL
        if state.interrupt & 1 << NMI_INTERRUPT and level < 3:  # noqa: PLR2004  the NMI's own level
            state.interrupt &= ~(1 << NMI_INTERRUPT)
            state.epc3, state.eps3 = state.pc, state.ps
            state.ps = state.ps & ~PS_INTLEVEL | PS_EXCM | 3
            state.pc = state.vecbase + NMI_VECTOR
        elif state.interrupt & state.intenable & LEVEL1_MASK and not level and not state.ps & PS_EXCM:
            state.pc = self._deliver(Trap(Cause.LEVEL1_INTERRUPT, state.pc))
        else:
            return False
        state.waiting = 0
        return True

    def _deliver(self, trap: Trap) -> int:
        """Enter the vector of an exception; its address."""
        state = self.state
        state.exccause = trap.cause
        if trap.address is not None:
            state.excvaddr = trap.address
        if state.ps & PS_EXCM:
            state.depc = trap.pc
            return state.vecbase + DOUBLE_VECTOR
        state.epc1 = trap.pc
        state.ps |= PS_EXCM
        return state.vecbase + (USER_VECTOR if state.ps & PS_UM else KERNEL_VECTOR)

    def debug_exception(self, pc: int, length: int) -> int:
        """What BREAK does: the debug vector, unless such an interrupt level is masked; then nothing."""
        state = self.state
        level = max(state.ps & PS_INTLEVEL, 1 if state.ps & PS_EXCM else 0)
        if level >= _DEBUG_LEVEL:
            return pc + length
        state.debugcause = 0x08 if length == 3 else 0x10  # noqa: PLR2004  BREAK or BREAK.N
        state.epc2, state.eps2 = pc, state.ps
        state.ps = state.ps & ~PS_INTLEVEL | PS_EXCM | _DEBUG_LEVEL
        return state.vecbase + DEBUG_VECTOR

    # --- instructions ------------------------------------------------------------------------------------------------

    def _enter(self, pc: int) -> tuple[Handler, Instruction] | None:
        """Decode the instruction at `pc`; None where a hook stops the run.

        Raises:
            Trap: nothing can be fetched there.
        """
        if 0 <= pc - ROM_START < ROM_SIZE or (pc in self._hooks and pc != self._past):
            return None
        at = pc - IRAM_START
        if 0 <= at < IRAM_SIZE:
            word = int.from_bytes(self.memory.iram[at : at + 3], "little")
        elif 0 <= pc - FLASH_START < FLASH_SIZE:
            word = int.from_bytes(self.memory.flash[pc - FLASH_START : pc - FLASH_START + 3], "little")
        else:
            self.cycles[0] += 1
            raise Trap(
                Cause.INSTRUCTION_FETCH_ERROR if _DATA_START <= pc < _DATA_END else Cause.FETCH_PROHIBITED, pc, pc
            )
        instruction = decode(word, pc)
        entry = self._handlers[instruction.operation], instruction
        if pc != self._past:
            self._code[pc] = entry
            if 0 <= at < IRAM_SIZE:
                self._decoded[at >> 2] = 1
                self._decoded[min(at + instruction.length - 1, IRAM_SIZE - 1) >> 2] = 1
        return entry

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        for address in self._hooks | addresses:
            self._code.pop(address, None)
        self._hooks = addresses

    def flush(self, start: int, length: int) -> None:
        """Forget what was decoded of these addresses."""
        first, end = start - 2, start + length  # an instruction of three bytes may begin before
        if length < len(self._code):
            for address in range(first, end):
                self._code.pop(address, None)
        else:
            for address in [address for address in self._code if first <= address < end]:
                del self._code[address]

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was decoded of the flash window; `start` counts from the window's first byte."""
        self.flush(FLASH_START + start, length)

    # --- memory ------------------------------------------------------------------------------------------------------

    def load(self, address: int, size: int, pc: int) -> int:
        """What a load of the instruction at `pc` gives.

        Raises:
            Trap: it cannot be done.
        """
        at = address - DRAM_START
        if address & size - 1:
            raise Trap(Cause.UNALIGNED, pc, address)
        if 0 <= at < DRAM_SIZE:
            return (self.dram32[at >> 2], self.dram16[at >> 1], self.dram8[at])[(4, 2, 1).index(size)]
        if 0 <= address - ROM_START < INSTRUCTION_BUS_END - ROM_START:
            if size != 4:  # noqa: PLR2004  bytes of a word
                raise Trap(Cause.LOAD_STORE_ERROR, pc, address)
            if address >= FLASH_START:
                return self.flash32[(address - FLASH_START) >> 2]
            if 0 <= address - IRAM_START < IRAM_SIZE:
                return self.iram32[(address - IRAM_START) >> 2]
        return self._read_device(address, size, pc)

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """Do a store of the instruction at `pc`.

        Raises:
            Trap: it cannot be done.
        """
        at = address - DRAM_START
        if address & size - 1:
            raise Trap(Cause.UNALIGNED, pc, address)
        if 0 <= at < DRAM_SIZE:
            self.dram8[at : at + size] = (value & (1 << size * 8) - 1).to_bytes(size, "little")
            return
        if 0 <= address - ROM_START < INSTRUCTION_BUS_END - ROM_START and size != 4:  # noqa: PLR2004
            raise Trap(Cause.LOAD_STORE_ERROR, pc, address)
        at = address - IRAM_START
        if 0 <= at < IRAM_SIZE:
            self.iram32[at >> 2] = value
            if self._decoded[at >> 2]:
                self.flush(address, 4)
            return
        self._write_device(address, size, value & (1 << size * 8) - 1, pc)

    def _read_device(self, address: int, size: int, pc: int) -> int:
        before = self._publish(pc)
        try:
            return self.devices.read(address, size)
        except BusError:
            raise Trap(Cause.LOAD_PROHIBITED, pc, address) from None
        finally:
            self._take_back(before)

    def _write_device(self, address: int, size: int, value: int, pc: int) -> None:
        before = self._publish(pc)
        try:
            self.devices.write(address, size, value)
        except BusError:
            raise Trap(Cause.STORE_PROHIBITED, pc, address) from None
        finally:
            self._take_back(before)

    def _publish(self, pc: int) -> int:
        """Show `state` what a device may want to know."""
        self.state.pc = pc
        self.state.cycles = self.cycles[0]
        return self.cycles[0]

    def _take_back(self, before: int) -> None:
        """Go on with what a device has made of `state`."""
        now = self.state.cycles
        self._skipped += now - before
        self.cycles[0] = now
        self._limit = 0
