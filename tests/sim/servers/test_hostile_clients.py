"""A client can break its own connection, and nothing else; `tests/bench/fuzz_servers.py` does this a thousand times."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.lines import until
from tests.sim.servers import hostile
from tests.sim.servers.hostile import Victim, Wreck, telnet

CONNECTIONS = 25
"""Of each kind; `tests/bench/fuzz_servers.py` asks for more by an environment variable."""
LAWS: dict[str, tuple[Callable[[], AbstractContextManager[Victim]], st.SearchStrategy[Wreck]]] = {
    "rfc2217": (hostile.rfc2217, hostile.TELNET),
    "attach": (hostile.attach, hostile.ATTACH),
    "board process": (partial(hostile.board_process, trusted=False), hostile.PROCESS),
    "board process, from its starter": (partial(hostile.board_process, trusted=True), hostile.PROCESS),
}


@pytest.mark.parametrize("name", LAWS)
def test_whatever_a_client_sends_the_next_one_is_served(name: str) -> None:
    start, wrecks = LAWS[name]
    connections = int(os.environ.get(hostile.CONNECTIONS, CONNECTIONS))
    with start() as victim:

        @settings(
            max_examples=connections,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(wrecks)
        def law(wreck: Wreck) -> None:
            victim.suffer(wreck)
            assert victim.answers()

        law()
        assert victim.at_rest(), "threads of clients that have left go on"
        assert all("\n" not in line and line.isprintable() for line in victim.said)


@pytest.mark.parametrize(
    "piece",
    [telnet(3, b"\x63"), telnet(1, b"\x01"), telnet(1, b""), telnet(2, b""), telnet(4, b"\xfe"), telnet(10, b"")],
    ids=["SET_PARITY 99", "short SET_BAUDRATE", "empty SET_BAUDRATE", "no size", "SET_STOPSIZE 254", "no mask"],
)
def test_a_bad_subnegotiation_is_said_and_the_connection_goes_on(piece: bytes) -> None:
    with hostile.rfc2217() as victim:
        victim.suffer(Wreck([piece, telnet(12, b"\x09"), telnet(7, b"")], rudely=False))
        assert victim.answers()
        assert [line for line in victim.said if piece[2:-2].hex(" ") in line]
        assert not [line for line in victim.said if "connection closed" in line]


@pytest.mark.parametrize("piece", [b"\xff\xf0", b"\xff\xfa" + b"x" * 1000])
def test_what_is_no_telnet_costs_the_connection(piece: bytes) -> None:
    with hostile.rfc2217() as victim:
        victim.suffer(Wreck([piece], rudely=False))
        assert victim.answers()
        assert until(lambda: any("connection closed" in line for line in victim.said))


@pytest.mark.parametrize(
    "piece",
    [
        b"B\xff\xff\xff\x7f",
        b"Q\0\0\0\0",
        b"D\xff\xff\xff\xff",
        b"B\x03\0\0\0nan",
        b"B\0\0\0\0",
        b"L\0\0\0\0",
        b"L\1\0\0\0\x08",
        b"P\1\0\0\0x",
        b"O\0\0\0\0",
    ],
)
def test_a_bad_message_costs_the_connection(piece: bytes) -> None:
    with hostile.attach() as victim:
        victim.suffer(Wreck([piece.ljust(8, b"\0")], rudely=False))
        assert victim.answers()
        assert until(lambda: any("connection closed" in line for line in victim.said))


def test_who_never_reads_keeps_nobody_out() -> None:
    with hostile.rfc2217() as victim:
        victim.suffer(Wreck([b"\xff\xfd\x05" * 20_000], rudely=True))
        assert victim.answers()
