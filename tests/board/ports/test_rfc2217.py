"""The client's waiting for answers, which stand behind whatever the board has said before."""

from __future__ import annotations

import queue

import pytest
import serial
from flashpipe.board.ports.rfc2217 import RemotePort


class Server:
    """Stands in for the event that an answer sets: each wait ends without one, while the board says something."""

    def __init__(self, port: RemotePort, talks: int) -> None:
        self.port, self.talks, self.waits = port, talks, 0
        port._read_buffer = queue.Queue()
        port._network_timeout = 0.001
        port._answered = self  # type: ignore[assignment]  # as much of an event as is used

    def wait(self, _timeout: float) -> bool:
        self.waits += 1
        if self.waits <= self.talks:
            self.port._read_buffer.put(b"rf[16] : ")
        return False

    def clear(self) -> None:
        pass


def test_an_answer_behind_much_that_the_board_says_is_waited_for() -> None:
    server = Server(RemotePort(None), talks=9)
    server.port._wait_until(lambda: server.waits == 9, "a modem line")
    assert server.waits == 9


def test_a_server_that_says_nothing_does_not_answer() -> None:
    server = Server(RemotePort(None), talks=2)
    with pytest.raises(serial.SerialException, match="modem line"):
        server.port._wait_until(lambda: False, "a modem line")
    assert server.waits == 3
