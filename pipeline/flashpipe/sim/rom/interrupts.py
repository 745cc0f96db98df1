"""Interrupts of level 1: dispatch to the handlers that the program has attached, and masking.

Table: 16 pairs of handler and argument at 0x3FFFC204, interrupt 15 first (XTOS's MAPINT; that wDev_ProcessFiq of
interrupt 0 stands at 0x3FFFC27C is noted in core_esp8266_postmortem.cpp of the Arduino core).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import CLEARABLE_MASK, LEVEL1_MASK, PS_INTLEVEL, PS_UM
from flashpipe.sim.rom.exceptions import LEVEL1_HANDLER, RETURN_FROM_EXCEPTION, save_frame
from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import continuation, rom, rom_raw

TABLE: Final = 0x3FFFC204
INTERRUPTS: Final = 16
UNHANDLED: Final = 0x4000DC3C
_LOCKED: Final = 3
"""ets_intr_lock masks everything but the NMI of level 3."""
_DISPATCH_CYCLES: Final = 15
_NEXT: Final = 0x4000F000


def _place(number: int) -> int:
    return TABLE + 8 * (INTERRUPTS - 1 - number % INTERRUPTS)


@rom_raw("_xtos_l1int_handler", LEVEL1_HANDLER)
def level1(guest: Guest) -> None:
    """Save everything, then serve one interrupt after the other."""
    save_frame(guest)
    guest.state.ps = PS_UM | 1
    dispatch(guest)


@continuation("level 1 interrupt served", 0)
def dispatch(guest: Guest) -> None:
    """Call the handler of the lowest pending interrupt, or return where none is left."""
    state = guest.state
    pending = state.interrupt & state.intenable & LEVEL1_MASK
    if not pending:
        state.pc = RETURN_FROM_EXCEPTION
        return
    bit = pending & -pending
    state.interrupt &= ~(bit & CLEARABLE_MASK)
    place = _place(bit.bit_length() - 1)
    guest.spend(_DISPATCH_CYCLES)
    guest.call(guest.memory.u32(place), guest.memory.u32(place + 4), state.a[1], resume=_NEXT)


@rom("_xtos_unhandled_interrupt", UNHANDLED)
def unhandled(_guest: Guest) -> None:
    """Nothing is attached: ignored."""


@rom("_xtos_set_interrupt_handler_arg", 0x4000BD28)
def set_handler_arg(guest: Guest, number: int, function: int, argument: int) -> int:
    """Attach; returns the handler before, 0 if there was none."""
    if number >= INTERRUPTS:
        return 0
    place = _place(number)
    before = guest.memory.u32(place)
    guest.memory.set_u32(place, function or UNHANDLED)
    guest.memory.set_u32(place + 4, argument)
    return 0 if before == UNHANDLED else before


@rom("_xtos_set_interrupt_handler", 0x4000BD70)
def set_handler(guest: Guest, number: int, function: int) -> int:
    """Attach a handler that gets its number."""
    return set_handler_arg(guest, number, function, number)


@rom("ets_isr_attach", 0x40000F88)
def isr_attach(guest: Guest, number: int, function: int, argument: int) -> None:
    """Attach (ets_sys.h)."""
    set_handler_arg(guest, number, function, argument)


@rom("_xtos_ints_on", 0x4000BD84)
def ints_on(guest: Guest, mask: int) -> int:
    """Enable interrupts; returns what was enabled before."""
    before = guest.state.intenable
    guest.state.intenable = before | mask & MASK
    return before


@rom("_xtos_ints_off", 0x4000BDA4)
def ints_off(guest: Guest, mask: int) -> int:
    """Disable interrupts; returns what was enabled before."""
    before = guest.state.intenable
    guest.state.intenable = before & ~mask & MASK
    return before


@rom("ets_isr_unmask", 0x40000FA8)
def isr_unmask(guest: Guest, mask: int) -> None:
    """Enable interrupts (ets_sys.h)."""
    ints_on(guest, mask)


@rom("ets_isr_mask", 0x40000F98)
def isr_mask(guest: Guest, mask: int) -> None:
    """Disable interrupts (ets_sys.h)."""
    ints_off(guest, mask)


@rom_raw("ets_intr_lock", 0x40000F74, 2)
def intr_lock(guest: Guest) -> None:
    """Mask all interrupts but the NMI; the PS before is left in a2, as RSIL leaves it."""
    state = guest.core.state
    state.a[2] = state.ps
    state.ps = state.ps & ~PS_INTLEVEL | _LOCKED
    state.pc = state.a[0]


@rom_raw("ets_intr_unlock", 0x40000F80, 2)
def intr_unlock(guest: Guest) -> None:
    """Let all interrupts through: calls do not nest (ets_sys.h of the Arduino core warns of it)."""
    state = guest.core.state
    state.a[2] = state.ps
    state.ps &= ~PS_INTLEVEL
    state.pc = state.a[0]


@rom("xthal_get_interrupt", 0x4000DD58)
def get_interrupt(guest: Guest) -> int:
    """INTERRUPT."""
    return guest.state.interrupt


@rom("xthal_set_intclear", 0x4000DD60)
def set_intclear(guest: Guest, mask: int) -> None:
    """INTCLEAR."""
    guest.state.interrupt &= ~(mask & CLEARABLE_MASK)


@rom("xthal_get_ccount", 0x4000DD38)
def get_ccount(guest: Guest) -> int:
    """CCOUNT."""
    return guest.state.cycles + guest.state.ccount_offset


@rom("xthal_get_ccompare", 0x4000DD4C)
def get_ccompare(guest: Guest, number: int) -> int:
    """CCOMPARE of a timer; there is one."""
    return guest.state.ccompare0 if not number else 0


@rom("xthal_set_ccompare", 0x4000DD40)
def set_ccompare(guest: Guest, number: int, value: int) -> None:
    """Set CCOMPARE, which also takes its interrupt away."""
    if number:
        return
    state = guest.state
    state.ccompare0 = value
    state.interrupt &= ~(1 << 6)
    ahead = value - (state.cycles + state.ccount_offset) & MASK
    state.timer_at = state.cycles + (ahead or 1 << 32)
