"""Telnet's framing, in whatever pieces it arrives."""

from __future__ import annotations

from contextlib import suppress

import pytest
from flashpipe.board.ports import telnet
from flashpipe.board.ports.telnet import DO, LONGEST, WILL, Option, Subnegotiation, TelnetReader
from flashpipe.errors import WireError
from hypothesis import given
from hypothesis import strategies as st

Part = bytes | Option | Subnegotiation
parts = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(Option, st.integers(0xFB, 0xFE), st.integers(0, 255)),
    st.builds(Subnegotiation, st.integers(0, 254), st.binary(max_size=40)),
)


def stream_of(found: list[Part]) -> bytes:
    def one(part: Part) -> bytes:
        if isinstance(part, bytes):
            return telnet.escaped(part)
        if isinstance(part, Option):
            return telnet.option(part.verb, part.option)
        return telnet.subnegotiation(part.option, part.body)

    return b"".join(map(one, found))


def joined(found: list[Part]) -> list[Part]:
    """Data that follow each other as one piece: how they are cut means nothing."""
    whole: list[Part] = []
    for part in found:
        if isinstance(part, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += part
        else:
            whole.append(part)
    return whole


@given(st.lists(parts, max_size=12), st.lists(st.integers(1, 30), max_size=40))
def test_a_stream_means_the_same_however_it_is_cut(said: list[Part], cuts: list[int]) -> None:
    stream, reader, found = stream_of(said), TelnetReader(), list[Part]()
    for size in [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        found += reader.feed(piece)
    assert joined(found) == joined(said)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_end_the_conversation(noise: bytes) -> None:
    reader = TelnetReader()
    with suppress(WireError):
        for at in range(0, len(noise), 7):
            list(reader.feed(noise[at : at + 7]))


def test_commands_that_ask_for_nothing_are_passed_over() -> None:
    reader = TelnetReader()
    assert list(reader.feed(b"a\xff\xf1b\xff\xf0c\xff\xfa\xff\xf0d")) == [b"a", b"b", b"c", b"d"]


def test_a_subnegotiation_without_an_end_is_none() -> None:
    reader = TelnetReader()
    assert list(reader.feed(b"\xff\xfa," + bytes(LONGEST - 3))) == []
    with pytest.raises(WireError):
        list(reader.feed(b"ab"))


def test_the_words_are_those_of_the_standard() -> None:
    assert telnet.option(WILL, 44) == b"\xff\xfb\x2c"
    assert telnet.option(DO, 0) == b"\xff\xfd\x00"
    assert telnet.subnegotiation(44, b"\x01\x00\x01\xff\x00") == b"\xff\xfa\x2c\x01\x00\x01\xff\xff\x00\xff\xf0"
