from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.executed import Bench

WORDS = st.integers(0, 0xFFFFFFFF)
LONGS = st.integers(0, (1 << 64) - 1)
MASK64 = (1 << 64) - 1


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def signed(value: int, bits: int = 32) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def towards_zero(left: int, right: int) -> int:
    return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def halves(value: int) -> tuple[int, int]:
    return value & 0xFFFFFFFF, value >> 32


@settings(max_examples=60, deadline=None)
@given(left=WORDS, right=WORDS.filter(bool))
def test_divisions_of_words(bench: Bench, left: int, right: int) -> None:
    assert bench.call("__udivsi3", left, right) == left // right
    assert bench.call("__umodsi3", left, right) == left % right
    assert bench.call("__divsi3", left, right) == towards_zero(signed(left), signed(right)) & 0xFFFFFFFF


@settings(max_examples=60, deadline=None)
@given(left=LONGS, right=LONGS.filter(bool))
def test_64_bits(bench: Bench, left: int, right: int) -> None:
    arguments = (*halves(left), *halves(right))
    assert bench.call_long("__muldi3", *arguments) == left * right & MASK64
    assert bench.call_long("__udivdi3", *arguments) == left // right
    assert bench.call_long("__umoddi3", *arguments) == left % right
    assert bench.call_long("__divdi3", *arguments) == towards_zero(signed(left, 64), signed(right, 64)) & MASK64


def test_product_of_two_words(bench: Bench) -> None:
    assert bench.call_long("__umulsidi3", 0xFFFFFFFF, 0xFFFFFFFF) == 0xFFFFFFFE00000001


def test_the_most_negative_number_by_minus_one(bench: Bench) -> None:
    assert bench.call("__divsi3", 0x80000000, 0xFFFFFFFF) == 0x80000000


@pytest.mark.parametrize(("value", "unit", "result"), [(0, 4, 0), (1, 4, 4), (4, 4, 4), (13, 8, 16)])
def test_roundup2(bench: Bench, value: int, unit: int, result: int) -> None:
    assert bench.call("roundup2", value, unit) == result
    assert bench.call("multofup", value, unit) == result


def test_a_seed_repeats_its_numbers(bench: Bench) -> None:
    bench.call("srand", 5)
    first = [bench.call("rand") for _ in range(5)]
    bench.call("srand", 5)
    assert [bench.call("rand") for _ in range(5)] == first
    assert all(value < 1 << 31 for value in first)
    assert len(set(first)) == 5
