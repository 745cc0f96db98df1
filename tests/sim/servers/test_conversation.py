"""A conversation that nobody holds costs nothing: no side looks again and again whether there is something."""

from __future__ import annotations

import socket
import threading

import pytest
from flashpipe.sim import messages
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers import conversation
from flashpipe.sim.servers.conversation import Conversation
from flashpipe.sim.sockets import wait


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How long each wait for the port was to last; none of these ends by itself."""
    asked: list[float | None] = []

    def noting(connection: socket.socket, timeout_s: float | None, *, sending: bool = False) -> bool:
        asked.append(timeout_s)
        return wait(connection, timeout_s, sending=sending)

    monkeypatch.setattr(conversation, "wait", noting)
    return asked


def test_a_closed_port_is_waited_for_without_looking(waits: list[float | None]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Timer(0.05, lambda: theirs.sendall(messages.pack(messages.CLOSE))).start()
        assert Conversation(ours).next_message(None) == (messages.CLOSE, b"")
        threading.Timer(0.05, theirs.close).start()
        assert Conversation(ours).next_message(None) is None
    assert waits
    assert set(waits) == {None}


def test_an_open_port_that_wants_nothing_is_waited_for_without_looking(waits: list[float | None]) -> None:
    ours, theirs = socket.socketpair()
    line = parse_url("sim://esp12?fill=ff&execute=off").build()
    with ours, theirs:
        threading.Timer(0.05, lambda: theirs.sendall(messages.pack(messages.CLOSE))).start()
        assert Conversation(ours).serve(line)
    line.close()
    assert waits
    assert set(waits) == {None}


def test_who_may_be_ended_from_elsewhere_looks_now_and_then(waits: list[float | None]) -> None:
    ours, theirs = socket.socketpair()
    line = parse_url("sim://esp12?fill=ff&execute=off").build()
    with ours, theirs:
        assert not Conversation(ours).serve(line, lambda: len(waits) == 2)
    line.close()
    assert waits == [conversation.LONGEST_NAP_S] * 2
