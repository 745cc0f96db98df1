from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.executed import Bench

TEXTS = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b""))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def word(value: int) -> int:
    return value & 0xFFFFFFFF


def sign(value: int) -> int:
    return 0 if not value else -1 if value >> 31 else 1


@pytest.mark.parametrize("name", ["memcpy", "ets_memcpy", "memmove", "ets_memmove"])
def test_copies_return_where_to(bench: Bench, name: str) -> None:
    source, to = bench.put(b"0123456789"), bench.put(bytes(12))
    assert bench.call(name, to, source, 10) == to
    assert bench.memory.read(to, 12) == b"0123456789\0\0"


def test_memmove_of_overlapping_areas(bench: Bench) -> None:
    place = bench.put(b"abcdef\0\0")
    bench.call("memmove", place + 2, place, 6)
    assert bench.memory.read(place, 8) == b"ababcdef"


def test_nothing_is_copied_from_nowhere(bench: Bench) -> None:
    assert bench.call("memcpy", 0, 0, 0) == 0


def test_copies_reach_registers_word_by_word(bench: Bench) -> None:
    bench.call("memcpy", 0x60001200, bench.put(b"12345678"), 8)
    to = bench.put(bytes(8))
    bench.call("ets_memcpy", to, 0x60001200, 8)
    assert bench.memory.read(to, 8) == b"12345678"


@pytest.mark.parametrize("name", ["memset", "ets_memset"])
def test_memset_takes_the_low_byte(bench: Bench, name: str) -> None:
    place = bench.put(b"xxxxxx")
    assert bench.call(name, place, 0x141, 4) == place
    assert bench.memory.read(place, 6) == b"AAAAxx"


@pytest.mark.parametrize("name", ["bzero", "ets_bzero"])
def test_bzero(bench: Bench, name: str) -> None:
    place = bench.put(b"xxxx")
    bench.call(name, place, 3)
    assert bench.memory.read(place, 4) == b"\0\0\0x"


@settings(max_examples=40, deadline=None)
@given(left=TEXTS, right=TEXTS, limit=st.integers(0, 50))
def test_comparisons_agree_with_python(bench: Bench, left: bytes, right: bytes, limit: int) -> None:
    bench._at = 0x3FFE9000
    one, two = bench.put(left + b"\0"), bench.put(right + b"\0")
    assert sign(bench.call("strcmp", one, two)) == (left > right) - (left < right)
    cut_left, cut_right = left[:limit], right[:limit]
    assert sign(bench.call("ets_strncmp", one, two, limit)) == (cut_left > cut_right) - (cut_left < cut_right)
    same = min(len(left), len(right))
    assert sign(bench.call("memcmp", one, two, same)) == (left[:same] > right[:same]) - (left[:same] < right[:same])
    assert bench.call("strlen", one) == len(left)
    found = left.find(right)
    assert bench.call("strstr", one, two) == (one + found if found >= 0 else 0)


def test_strcmp_gives_the_difference_of_the_bytes(bench: Bench) -> None:
    assert bench.call("ets_strcmp", bench.text("ab"), bench.text("ad")) == word(-2)
    assert bench.call("ets_strcmp", bench.text("ab"), bench.text("a")) == ord("b")


def test_strcpy_copies_the_end_too(bench: Bench) -> None:
    to = bench.put(b"xxxxx")
    bench.call("strcpy", to, bench.text("abc"))
    assert bench.memory.read(to, 5) == b"abc\0x"


def test_strncpy_fills_up_and_may_lack_the_end(bench: Bench) -> None:
    to = bench.put(b"xxxxxx")
    bench.call("strncpy", to, bench.text("ab"), 4)
    assert bench.memory.read(to, 6) == b"ab\0\0xx"
    bench.call("ets_strncpy", to, bench.text("abcdef"), 4)
    assert bench.memory.read(to, 6) == b"abcdxx"


def test_mac_from_text(bench: Bench) -> None:
    to = bench.put(bytes(6))
    bench.call("ets_str2macaddr", to, bench.text("5c:CF:7f:00:01:fe"))
    assert bench.memory.read(to, 6).hex() == "5ccf7f0001fe"


def test_hexadecimal_digit(bench: Bench) -> None:
    assert [bench.call("ets_char2xdigit", ord(char)) for char in "09aFg"] == [0, 9, 10, 15, 255]
