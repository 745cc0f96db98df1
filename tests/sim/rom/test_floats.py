from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.executed import Bench

DOUBLES = st.floats(allow_nan=False, allow_infinity=False, width=64)
SINGLES = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def bits32(value: float) -> int:
    try:
        return int(struct.unpack("<I", struct.pack("<f", value))[0])
    except OverflowError:
        return 0xFF800000 if value < 0 else 0x7F800000


def bits64(value: float) -> tuple[int, int]:
    low, high = struct.unpack("<II", struct.pack("<d", value))
    return low, high


def double(value: int) -> float:
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])


@settings(max_examples=60, deadline=None)
@given(left=DOUBLES, right=DOUBLES)
def test_doubles(bench: Bench, left: float, right: float) -> None:
    arguments = (*bits64(left), *bits64(right))
    assert double(bench.call_long("__adddf3", *arguments)) == left + right
    assert double(bench.call_long("__subdf3", *arguments)) == left - right
    assert double(bench.call_long("__muldf3", *arguments)) == left * right
    if right:
        assert double(bench.call_long("__divdf3", *arguments)) == left / right


@settings(max_examples=60, deadline=None)
@given(left=SINGLES, right=SINGLES)
def test_singles(bench: Bench, left: float, right: float) -> None:
    arguments = (bits32(left), bits32(right))
    assert bench.call("__addsf3", *arguments) == bits32(left + right)
    assert bench.call("__subsf3", *arguments) == bits32(left - right)
    assert bench.call("__mulsf3", *arguments) == bits32(left * right)


def test_division_by_zero(bench: Bench) -> None:
    assert double(bench.call_long("__divdf3", *bits64(-1.0), *bits64(0.0))) == -math.inf
    assert math.isnan(double(bench.call_long("__divdf3", *bits64(0.0), *bits64(0.0))))


@settings(max_examples=60, deadline=None)
@given(value=st.integers(-(2**31), 2**31 - 1))
def test_whole_numbers_there_and_back(bench: Bench, value: int) -> None:
    word = value & 0xFFFFFFFF
    assert double(bench.call_long("__floatsidf", word)) == value
    assert double(bench.call_long("__floatunsidf", word)) == word
    assert bench.call("__floatsisf", word) == bits32(float(value))
    assert bench.call("__floatunsisf", word) == bits32(float(word))
    assert bench.call("__fixdfsi", *bits64(float(value))) == word
    assert bench.call("__fixunsdfsi", *bits64(float(word))) == word


@pytest.mark.parametrize(
    ("value", "result"), [(1.9, 1), (-1.9, 0xFFFFFFFF), (1e20, 0x7FFFFFFF), (-1e20, 0x80000000), (math.nan, 0x7FFFFFFF)]
)
def test_conversions_cut_and_clamp(bench: Bench, value: float, result: int) -> None:
    assert bench.call("__fixdfsi", *bits64(value)) == result


@pytest.mark.parametrize(("value", "result"), [(1.9, 1), (4e9, 4_000_000_000), (1e20, 0xFFFFFFFF)])
def test_unsigned_conversions(bench: Bench, value: float, result: int) -> None:
    assert bench.call("__fixunsdfsi", *bits64(value)) == result
    assert bench.call("__fixunssfsi", bits32(value)) == int(struct.unpack("<f", struct.pack("<f", value))[0]) or (
        result == 0xFFFFFFFF
    )


def test_widths(bench: Bench) -> None:
    assert double(bench.call_long("__extendsfdf2", bits32(0.1))) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert bench.call("__truncdfsf2", *bits64(0.1)) == bits32(0.1)
    assert bench.call("__truncdfsf2", *bits64(1e300)) == 0x7F800000
