"""Whole numbers: what the compiler calls for division and 64 bits (libgcc), and small helpers.

Division by 32 bits stands in code.py.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.table import Long, rom

_LONG_MASK: Final = (1 << 64) - 1
_DIVISION_CYCLES: Final = 70
_LONG_CYCLES: Final = 40
_LONG_DIVISION_CYCLES: Final = 200


def _signed_long(value: int) -> int:
    return (value ^ 1 << 63) - (1 << 63)


def _quotient(left: int, right: int) -> int:
    """Division that cuts towards zero."""
    quotient = abs(left) // abs(right)
    return -quotient if (left < 0) != (right < 0) else quotient


@rom("__muldi3", 0x40000650, _LONG_CYCLES)
def muldi3(_guest: Guest, left: Long, right: Long) -> Long:
    """64-bit product."""
    return left * right & _LONG_MASK


@rom("__umulsidi3", 0x4000DCF0, _LONG_CYCLES)
def umulsidi3(_guest: Guest, left: int, right: int) -> Long:
    """64-bit product of two words."""
    return left * right


@rom("__udivdi3", 0x4000D310, _LONG_DIVISION_CYCLES)
def udivdi3(_guest: Guest, left: Long, right: Long) -> Long:
    """Unsigned 64-bit division; by zero the result means nothing, here 0."""
    return left // right if right else 0


@rom("__umoddi3", 0x4000D770, _LONG_DIVISION_CYCLES)
def umoddi3(_guest: Guest, left: Long, right: Long) -> Long:
    """Unsigned 64-bit remainder."""
    return left % right if right else 0


@rom("__divdi3", 0x4000CE60, _LONG_DIVISION_CYCLES)
def divdi3(_guest: Guest, left: Long, right: Long) -> Long:
    """Signed 64-bit division."""
    return _quotient(_signed_long(left), _signed_long(right)) & _LONG_MASK if right else 0


@rom("roundup2", 0x400031B4)
def roundup2(_guest: Guest, value: int, unit: int) -> int:
    """Up to a multiple of `unit`, a power of two (BSD macro of that name)."""
    return value + unit - 1 & ~(unit - 1)


@rom("multofup", 0x400031C0, _DIVISION_CYCLES)
def multofup(_guest: Guest, value: int, unit: int) -> int:
    """Up to a multiple of `unit`."""
    return -(-value // unit) * unit if unit else value


@rom("srand", 0x400005F0)
def srand(guest: Guest, seed: int) -> None:
    """Begin a series of `rand`."""
    guest.devices.rand_state = seed


@rom("rand", 0x40000600)
def rand(guest: Guest) -> int:
    """0 to 2^31 - 1. The ROM's generator is newlib's; its multiplier is that of newlib's 64-bit version."""
    guest.devices.rand_state = guest.devices.rand_state * 6364136223846793005 + 1 & _LONG_MASK
    return guest.devices.rand_state >> 32 & 0x7FFFFFFF
