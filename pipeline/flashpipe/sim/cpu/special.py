"""Special registers of the lx106: what RSR reads and WSR changes, on a `CoreState`."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import (
    CLEARABLE_MASK,
    INTERRUPT_MASK,
    MASK,
    PRID,
    PS_EXCM,
    PS_INTLEVEL,
    PS_UM,
    SOFTWARE_MASK,
    TIMER_INTERRUPT,
    CoreState,
)

CONSTANTS: Final = {"prid": PRID, "configid0": 0xC28CDAFA, "configid1": 0x1082B6F6}
"""Registers whose value never changes (core-isa.h: XCHAL_HW_CONFIGID0 and 1)."""

WRITABLE_BITS: Final = {
    "sar": 0x3F, "litbase": 0xFFFFF001, "ps": PS_INTLEVEL | PS_EXCM | PS_UM, "eps2": 0x3F, "eps3": 0x3F,
    "exccause": 0x3F, "intenable": INTERRUPT_MASK, "ibreakenable": 1, "icountlevel": 0x0F,
}  # fmt: skip
"""Bits that a register has, where it has not all 32."""


def read_special(state: CoreState, name: str) -> int:
    """The value of a special register."""
    if name == "ccount":
        return (state.clocks + state.ccount_offset) & MASK
    if name in CONSTANTS:
        return CONSTANTS[name]
    value: int = getattr(state, name)
    return value


def write_special(state: CoreState, name: str, value: int) -> None:
    """Change a special register that can be written."""
    if name == "interrupt":
        state.interrupt |= value & SOFTWARE_MASK
    elif name == "intclear":
        state.interrupt &= ~(value & CLEARABLE_MASK)
    elif name == "ccount":
        state.ccount_offset = (value - state.clocks) & MASK
        state.arm_timer()
    elif name == "ccompare0":
        state.ccompare0 = value
        state.interrupt &= ~(1 << TIMER_INTERRUPT)
        state.arm_timer()
    else:
        setattr(state, name, value & WRITABLE_BITS.get(name, MASK))
