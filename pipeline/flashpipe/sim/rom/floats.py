"""Floating point: what the compiler calls for float and double (libgcc's soft-fp names; IEEE 754, round to nearest).

Operands arrive as their bits. Python's floats are doubles, so that doubles are exact; single results are rounded once
more from the exact double, which is right for sum, difference and product of two singles (Figueroa, 1995).
"""

from __future__ import annotations

import math
import struct
from typing import Final

from flashpipe.sim.rom.guest import MASK, Guest, signed
from flashpipe.sim.rom.table import Long, rom

_CYCLES: Final = 60
_DIVIDE_CYCLES: Final = 400
_INFINITY32, _SIGN32 = 0x7F800000, 0x80000000
_QUIET_NAN32: Final = 0x7FC00000
_LARGEST, _SMALLEST = 0x7FFFFFFF, -0x80000000
_PACK32: Final = struct.Struct("<f")
_PACK64: Final = struct.Struct("<d")


def _single(bits: int) -> float:
    value: float = _PACK32.unpack(bits.to_bytes(4, "little"))[0]
    return value


def _single_bits(value: float) -> int:
    if math.isnan(value):
        return _QUIET_NAN32
    try:
        return int.from_bytes(_PACK32.pack(value), "little")
    except OverflowError:
        return _INFINITY32 | (_SIGN32 if value < 0 else 0)


def _double(bits: int) -> float:
    value: float = _PACK64.unpack(bits.to_bytes(8, "little"))[0]
    return value


def _double_bits(value: float) -> int:
    return int.from_bytes(_PACK64.pack(value), "little")


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if math.isnan(left) or not left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


@rom("__addsf3", 0x4000C180, _CYCLES)
def addsf3(_guest: Guest, left: int, right: int) -> int:
    """Sum of singles."""
    return _single_bits(_single(left) + _single(right))


@rom("__subsf3", 0x4000C268, _CYCLES)
def subsf3(_guest: Guest, left: int, right: int) -> int:
    """Difference of singles."""
    return _single_bits(_single(left) - _single(right))


@rom("__mulsf3", 0x4000C3DC, _CYCLES)
def mulsf3(_guest: Guest, left: int, right: int) -> int:
    """Product of singles."""
    return _single_bits(_single(left) * _single(right))


@rom("__adddf3", 0x4000C538, _CYCLES)
def adddf3(_guest: Guest, left: Long, right: Long) -> Long:
    """Sum of doubles."""
    return _double_bits(_double(left) + _double(right))


@rom("__subdf3", 0x4000C688, _CYCLES)
def subdf3(_guest: Guest, left: Long, right: Long) -> Long:
    """Difference of doubles."""
    return _double_bits(_double(left) - _double(right))


@rom("__muldf3", 0x4000C8F0, _CYCLES)
def muldf3(_guest: Guest, left: Long, right: Long) -> Long:
    """Product of doubles."""
    return _double_bits(_double(left) * _double(right))


@rom("__divdf3", 0x4000CB94, _DIVIDE_CYCLES)
def divdf3(_guest: Guest, left: Long, right: Long) -> Long:
    """Quotient of doubles."""
    return _double_bits(_quotient(_double(left), _double(right)))


@rom("__extendsfdf2", 0x4000CDFC, _CYCLES)
def extendsfdf2(_guest: Guest, value: int) -> Long:
    """Single to double."""
    return _double_bits(_single(value))


@rom("__truncdfsf2", 0x4000CD5C, _CYCLES)
def truncdfsf2(_guest: Guest, value: Long) -> int:
    """Double to single."""
    return _single_bits(_double(value))


@rom("__fixdfsi", 0x4000CCB8, _CYCLES)
def fixdfsi(_guest: Guest, value: Long) -> int:
    """Double to signed word."""
    number = _double(value)
    if math.isnan(number):
        return _LARGEST
    return math.trunc(max(_SMALLEST, min(_LARGEST, number)))


@rom("__fixunsdfsi", 0x4000CD00, _CYCLES)
def fixunsdfsi(_guest: Guest, value: Long) -> int:
    """Double to unsigned word."""
    return _unsigned(_double(value))


@rom("__fixunssfsi", 0x4000C4C4, _CYCLES)
def fixunssfsi(_guest: Guest, value: int) -> int:
    """Single to unsigned word."""
    return _unsigned(_single(value))


def _unsigned(number: float) -> int:
    """Too large: all ones. Negative: as a signed conversion, which is how the code without a special case falls out."""
    if math.isnan(number) or number > MASK:
        return MASK
    return math.trunc(max(_SMALLEST, number)) & MASK


@rom("__floatsidf", 0x4000E2F0, _CYCLES)
def floatsidf(_guest: Guest, value: int) -> Long:
    """Signed word to double."""
    return _double_bits(float(signed(value)))


@rom("__floatunsidf", 0x4000E2E8, _CYCLES)
def floatunsidf(_guest: Guest, value: int) -> Long:
    """Unsigned word to double."""
    return _double_bits(float(value))


@rom("__floatsisf", 0x4000E2AC, _CYCLES)
def floatsisf(_guest: Guest, value: int) -> int:
    """Signed word to single."""
    return _single_bits(float(signed(value)))


@rom("__floatunsisf", 0x4000E2A4, _CYCLES)
def floatunsisf(_guest: Guest, value: int) -> int:
    """Unsigned word to single."""
    return _single_bits(float(value))
