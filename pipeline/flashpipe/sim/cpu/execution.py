"""What every instruction of the Python core works on: registers, memory, devices, exceptions."""

from __future__ import annotations

import struct
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
from flashpipe.sim.memory import (
    DRAM_SIZE,
    DRAM_START,
    FLASH_SIZE,
    FLASH_START,
    IRAM_SIZE,
    IRAM_START,
    ROM_START,
    BusError,
    Memory,
)

MARGIN: Final = 96
"""No block executes more instructions than this without looking at the cycle counter."""


def _place(field: str, size: int) -> int:
    offset: int = getattr(CoreState, field).offset
    return offset // size


_PC, _SAR, _INTERRUPT, _LITBASE, _WAITING, _PAST_HOOK, _FAST, _HALF = (
    _place(field, 4) for field in ("pc", "sar", "interrupt", "litbase", "waiting", "past_hook", "fast", "half")
)
_CYCLES, _INSTRUCTIONS, _HORIZON, _TIMER_AT, _PAUSE = (
    _place(field, 8) for field in ("cycles", "instructions", "horizon", "timer_at", "pause")
)
_INTERRUPT_AND_LITBASE, _WAITING_AND_PAST_HOOK = _place("interrupt", 8), _place("waiting", 8)
"""Places of the fields in views of the state as words and as pairs of them: faster than attributes of a structure."""
_REGISTERS: Final = struct.Struct("<16I")
WORD: Final = 4
"""Bytes of a word."""
_BUS_SIZE: Final = FLASH_START + FLASH_SIZE - ROM_START
"""From ROM_START on so far only whole words can be loaded and stored: else LoadStoreError."""
_DEBUG_LEVEL: Final = 2
_NMI_LEVEL: Final = 3
_BREAK, _BREAK_N = 0x08, 0x10
"""DEBUGCAUSE of the two BREAK instructions (ISA: debug option)."""


class Trap(Exception):  # noqa: N818  no error: the program's own affair
    """The instruction at `pc` raises an exception of the core."""

    def __init__(self, cause: Cause, pc: int, address: int | None = None) -> None:
        super().__init__(cause, pc, address)
        self.cause = cause
        self.pc = pc
        self.address = address
        """For EXCVADDR; None leaves it as it was."""


class RunningCore:
    """The state of a Python core while it runs.

    Registers, SAR and the counter live in lists, which Python reaches faster than fields of a structure; `state` has
    them before and after. The counter, and what it is compared with, is in clocks of the core meanwhile.
    """

    def __init__(self, memory: Memory, devices: Devices) -> None:
        self.memory = memory
        self.devices = devices
        self.state = CoreState()
        self.state.reset()
        self._bytes = memoryview(self.state).cast("B")
        self.words = self._bytes.cast("I")
        self.longs = self._bytes.cast("Q")
        self._a = self._bytes[:64].cast("I")
        self.registers = [0] * 16
        self.sar = [0]
        self.cycles = [0]
        self.limit = [0, 0]
        """Nothing has to be looked at before the counter reaches the second; before it reaches the first, not even if a
        whole block of instructions is executed in one go."""
        self.dram8 = memory.dram
        self.dram16 = memoryview(memory.dram).cast("H")
        self.dram32 = memoryview(memory.dram).cast("I")
        self.iram32 = memoryview(memory.iram).cast("I")
        self.flash32 = memoryview(memory.flash).cast("I")
        self.past: int | None = None
        """The hook whose instruction is to be executed next."""
        self._started = 0
        """The counter, had every clock from the start of the run on been an instruction."""
        self._fast = 0

    def begin(self) -> None:
        """Take over what `state` says."""
        longs = self.longs
        self.registers[:] = self._a.tolist()
        self.sar[0] = self.words[_SAR]
        fast = self._fast = self.words[_FAST]
        now = self._started = self.cycles[0] = longs[_CYCLES] << fast | self.words[_HALF]
        self.limit[0] = self.limit[1] = 0
        if not longs[_INTERRUPT_AND_LITBASE] and not longs[_WAITING_AND_PAST_HOOK]:
            due = min(longs[_HORIZON] << fast, longs[_TIMER_AT] << fast, longs[_PAUSE])
            if now < due:  # as nearly always: nothing to look around for
                self.past = None
                self.limit[:] = due - MARGIN, due
        elif self.words[_LITBASE] & 1:
            self.litbase_changed()

    def end(self) -> None:
        """Put everything back into `state`, except `pc`."""
        self._bytes[:64] = _REGISTERS.pack(*self.registers)
        self.words[_SAR] = self.sar[0]
        self.longs[_INSTRUCTIONS] += self.publish_time() - self._started

    # --- between two instructions ------------------------------------------------------------------------------------

    def attend(self) -> None:
        """Look around before the next instruction."""
        self.limit[0] = self.limit[1] = 0

    def look_around(self) -> Stop | None:
        """See to everything that may be due, in the order of the contract."""
        words, longs, fast = self.words, self.longs, self._fast
        clock = self.cycles[0]
        now = clock >> fast
        self.past = None
        if now >= longs[_TIMER_AT]:
            words[_INTERRUPT] |= 1 << TIMER_INTERRUPT
            longs[_TIMER_AT] += 1 << 32 - fast
        if now >= longs[_HORIZON]:
            return Stop.HORIZON
        if clock >= longs[_PAUSE]:
            return Stop.PAUSE
        waiting = words[_WAITING]
        if words[_PAST_HOOK] and not waiting:
            words[_PAST_HOOK], self.past = 0, words[_PC]
            self.attend()
            return None
        if words[_INTERRUPT] and self._take_interrupt():
            waiting = 0
        if waiting:
            return Stop.WAITI
        limit = self.limit
        limit[1] = min(longs[_HORIZON] << fast, longs[_TIMER_AT] << fast, longs[_PAUSE])
        limit[0] = limit[1] - MARGIN
        return None

    def _take_interrupt(self) -> bool:
        """Enter the handler of a pending interrupt, if one is allowed."""
        state = self.state
        level = state.ps & PS_INTLEVEL
        if state.interrupt & 1 << NMI_INTERRUPT and level < _NMI_LEVEL:
            state.interrupt &= ~(1 << NMI_INTERRUPT)
            state.epc3, state.eps3 = state.pc, state.ps
            state.ps = state.ps & ~PS_INTLEVEL | PS_EXCM | _NMI_LEVEL
            state.pc = state.vecbase + NMI_VECTOR
        elif state.interrupt & state.intenable & LEVEL1_MASK and not level and not state.ps & PS_EXCM:
            state.pc = self.deliver(Trap(Cause.LEVEL1_INTERRUPT, state.pc))
        else:
            return False
        state.waiting = 0
        return True

    # --- exceptions --------------------------------------------------------------------------------------------------

    def deliver(self, trap: Trap) -> int:
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

    def debug_exception(self, pc: int, *, narrow: bool) -> int:
        """What BREAK does: enter the debug vector, unless its level is masked; then nothing."""
        state = self.state
        if state.ps & PS_INTLEVEL >= _DEBUG_LEVEL:
            return pc + (2 if narrow else 3)
        state.debugcause = _BREAK_N if narrow else _BREAK
        state.epc2, state.eps2 = pc, state.ps
        state.ps = state.ps & ~PS_INTLEVEL | PS_EXCM | _DEBUG_LEVEL
        return state.vecbase + DEBUG_VECTOR

    # --- memory ------------------------------------------------------------------------------------------------------

    def load(self, address: int, size: int, pc: int) -> int:
        """What a load of the instruction at `pc` gives.

        Raises:
            Trap: it cannot be done.
        """
        if address & size - 1:
            raise Trap(Cause.UNALIGNED, pc, address)
        at = address - DRAM_START
        if 0 <= at < DRAM_SIZE:
            return self.dram32[at >> 2] if size == WORD else int.from_bytes(self.dram8[at : at + size], "little")
        if 0 <= address - ROM_START < _BUS_SIZE:
            if size != WORD:
                raise Trap(Cause.LOAD_STORE_ERROR, pc, address)
            if address >= FLASH_START:
                return self.flash32[address - FLASH_START >> 2]
            if 0 <= address - IRAM_START < IRAM_SIZE:
                return self.iram32[address - IRAM_START >> 2]
        before = self._publish(pc)
        try:
            return self.devices.read(address, size)
        except BusError:
            raise Trap(Cause.LOAD_PROHIBITED, pc, address) from None
        finally:
            self._take_back(before)

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """Do a store of the instruction at `pc`; of `value` the low bytes count.

        Raises:
            Trap: it cannot be done.
        """
        if address & size - 1:
            raise Trap(Cause.UNALIGNED, pc, address)
        value &= (1 << size * 8) - 1
        at = address - DRAM_START
        if 0 <= at < DRAM_SIZE:
            self.dram8[at : at + size] = value.to_bytes(size, "little")
            return
        if 0 <= address - ROM_START < _BUS_SIZE and size != WORD:
            raise Trap(Cause.LOAD_STORE_ERROR, pc, address)
        at = address - IRAM_START
        if 0 <= at < IRAM_SIZE:
            self.iram32[at >> 2] = value
            self.code_written(at)
            return
        before = self._publish(pc)
        try:
            self.devices.write(address, size, value)
        except BusError:
            raise Trap(Cause.STORE_PROHIBITED, pc, address) from None
        finally:
            self._take_back(before)

    def code_written(self, at: int) -> None:
        """The program has stored a word into instruction RAM, `at` bytes from its start."""
        raise NotImplementedError

    def litbase_changed(self) -> None:
        """The program has written LITBASE."""
        raise NotImplementedError

    def publish_time(self) -> int:
        """Show `state` what time it is; in clocks."""
        clock, fast = self.cycles[0], self._fast
        self.longs[_CYCLES] = clock >> fast
        self.words[_HALF] = clock & fast
        return clock

    def _publish(self, pc: int) -> int:
        """Show `state` what a device may want to know."""
        self.words[_PC] = pc
        return self.publish_time()

    def _take_back(self, before: int) -> None:
        """Go on with what a device has made of `state`."""
        fast = self._fast = self.words[_FAST]
        now = self.cycles[0] = self.longs[_CYCLES] << fast | self.words[_HALF]
        self._started += now - before
        self.limit[0] = self.limit[1] = 0
