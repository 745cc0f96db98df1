"""Exceptions: vectors, dispatch through the tables in data RAM, and the frame that C handlers get.

Tables and frame: cores/esp8266/esp8266_undocumented.h and exc-c-wrapper-handler.S of the Arduino core, after
Tensilica's XTOS. The vector leaves a frame of 256 bytes on the stack with a2 to a4 in it; the handler of the cause
finds the cause in a2. The SDK moves VECBASE to vectors of its own, which do the same and come here through
these tables. The C wrapper, which saves the rest and calls the C handler of the cause with interrupts on, and the way
back stand in code.py.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import (
    DOUBLE_VECTOR,
    KERNEL_VECTOR,
    PS_EXCM,
    PS_INTLEVEL,
    PS_UM,
    USER_VECTOR,
    Cause,
)
from flashpipe.sim.devices.device import NotThereError
from flashpipe.sim.memory import BusError
from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import rom, rom_raw

ASSEMBLY_TABLE: Final = 0x3FFFC000
"""64 addresses, one for each cause, that the vector jumps to."""
C_TABLE: Final = 0x3FFFC100
"""64 addresses of C functions, called with frame and cause."""
CAUSES: Final = 64
C_WRAPPER: Final = 0x40000598
LEVEL1_HANDLER: Final = 0x4000048C
UNHANDLED: Final = 0x4000DC44
SYSCALL_HANDLER: Final = 0x4000DBE4
ALLOCA_HANDLER: Final = 0x4000DBE0
CAUSE3_HANDLER: Final = 0x40000590
NOTHING: Final = 0x4000DBF8
"""_xtos_p_none: a C handler that does nothing, in the table where none is set."""

FRAME: Final = 0x100
_A2: Final = 0x14
"""Where a frame holds a2."""
_ENTRY_CYCLES: Final = 9
"""About as many instructions as such code has."""


def raise_exception(guest: Guest, cause: int, address: int | None = None, pc: int | None = None) -> None:
    """Deliver an exception of a ROM function to the program, as the core does for its own instructions."""
    state = guest.state
    at = state.pc if pc is None else pc
    state.exccause = cause
    if address is not None:
        state.excvaddr = address
    if state.ps & PS_EXCM:
        state.depc = at
        state.pc = state.vecbase + DOUBLE_VECTOR
        return
    state.epc1 = at
    state.ps |= PS_EXCM
    state.pc = state.vecbase + (USER_VECTOR if state.ps & PS_UM else KERNEL_VECTOR)


@rom_raw("_UserExceptionVector", 0x40000050, _ENTRY_CYCLES)
def user_vector(guest: Guest) -> None:
    """Make the frame and go to the handler of the cause."""
    state = guest.state
    registers = state.a
    stack = registers[1] - FRAME & MASK
    try:
        for register in (2, 3, 4):
            guest.memory.set_u32(stack + _A2 + 4 * (register - 2), registers[register])
    except BusError as error:  # the stack pointer points nowhere: nothing can be delivered any more
        raise NotThereError(f"exception {state.exccause} at 0x{state.epc1:08x}: no stack at 0x{stack:08x}") from error
    registers[1] = stack
    registers[2] = state.exccause
    registers[3] = state.pc = guest.memory.u32(ASSEMBLY_TABLE + 4 * (state.exccause % CAUSES))


@rom("_xtos_p_none", NOTHING)
def nothing(_guest: Guest) -> None:
    """A handler that does nothing."""


@rom_raw("_xtos_unhandled_exception", UNHANDLED)
def unhandled(guest: Guest) -> None:
    """The ROM breaks to a debugger and returns, so that the same exception comes again until the watchdog resets."""
    state = guest.state
    frame = state.a[1]
    for register in (2, 3, 4):
        state.a[register] = guest.memory.u32(frame + _A2 + 4 * (register - 2))
    state.a[1] = frame + FRAME
    state.ps &= ~PS_EXCM
    state.pc = state.epc1
    guest.hang()


@rom_raw("_NMIExceptionVector", 0x40000020)
@rom_raw("_KernelExceptionVector", 0x40000030)
def kernel_vector(guest: Guest) -> None:
    """The ROM breaks to a debugger for ever."""
    guest.hang()


@rom_raw("_DoubleExceptionVector", 0x40000070)
def double_vector(guest: Guest) -> None:
    """The ROM breaks to a debugger for ever."""
    guest.hang()


@rom_raw("_DebugExceptionVector", 0x40000010)
def debug_vector(guest: Guest) -> None:
    """The ROM waits for interrupts above level 2 for ever."""
    guest.hang()


@rom_raw("_xtos_syscall_handler", SYSCALL_HANDLER)
def syscall(guest: Guest) -> None:
    """No system call is known: -1 in a2, and on behind the instruction of three bytes (XTOS)."""
    state = guest.state
    frame = state.a[1]
    for register in (3, 4):
        state.a[register] = guest.memory.u32(frame + _A2 + 4 * (register - 2))
    state.a[1] = frame + FRAME
    state.a[2] = MASK
    state.ps &= ~PS_EXCM
    state.pc = state.epc1 + 3


@rom("_xtos_set_exception_handler", 0x40000454)
def set_exception_handler(guest: Guest, cause: int, function: int) -> int:
    """Set the C handler of a cause; 0 takes it away. Returns the one before, 0 if there was none."""
    if cause >= CAUSES:
        return 0
    place = C_TABLE + 4 * cause
    before = guest.memory.u32(place)
    guest.memory.set_u32(place, function or NOTHING)
    guest.memory.set_u32(ASSEMBLY_TABLE + 4 * cause, C_WRAPPER if function else UNHANDLED)
    return 0 if before == NOTHING else before


@rom("_xtos_set_intlevel", 0x4000DBFC)
@rom("_xtos_set_min_intlevel", 0x4000DC18)
def set_level(guest: Guest, level: int) -> int:
    """Set the level below which interrupts are masked; the whole PS before is returned."""
    before = guest.state.ps
    guest.state.ps = before & ~PS_INTLEVEL | level & PS_INTLEVEL
    return before


@rom("_xtos_restore_intlevel", 0x4000056C)
def restore_level(guest: Guest, before: int) -> None:
    """Put back what `_xtos_set_intlevel` returned."""
    guest.state.ps = before


DEFAULT_HANDLERS: Final = {
    **dict.fromkeys(range(CAUSES), UNHANDLED),
    Cause.SYSCALL: SYSCALL_HANDLER,
    Cause.LEVEL1_INTERRUPT: LEVEL1_HANDLER,
    5: ALLOCA_HANDLER,
    **dict.fromkeys(range(12, 16), CAUSE3_HANDLER),
}
"""What the ROM puts into ASSEMBLY_TABLE (pvvx, include/bios/xtos.h)."""
