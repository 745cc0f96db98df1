"""Interrupts of level 1: the handlers that the program attaches, and masking. They are called by code.py.

Table: 16 pairs of handler and argument at 0x3FFFC204, interrupt 15 first (XTOS's MAPINT; that wDev_ProcessFiq of
interrupt 0 stands at 0x3FFFC27C is noted in core_esp8266_postmortem.cpp of the Arduino core).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import CLEARABLE_MASK
from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import rom

TABLE: Final = 0x3FFFC204
INTERRUPTS: Final = 16
UNHANDLED: Final = 0x4000DC3C


def _place(number: int) -> int:
    return TABLE + 8 * (INTERRUPTS - 1 - number % INTERRUPTS)


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
    return guest.state.clocks + guest.state.ccount_offset


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
    state.arm_timer()
