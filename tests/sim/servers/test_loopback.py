"""Servers are reached from this machine, and from nowhere else."""

from __future__ import annotations

import errno
import socket

import pytest
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.attach import AttachServer
from flashpipe.sim.servers.rfc2217 import Rfc2217Server
from flashpipe.sim.sockets import listen


def test_servers_listen_on_loopback_only() -> None:
    for server in (AttachServer(parse_url("sim://esp12").build()), Rfc2217Server(parse_url("sim://esp12").build())):
        assert server._socket.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError):  # noqa: PT011  the system's own error
            listen(server.port)
        server._socket.close()


def test_a_socket_of_another_program_is_refused_politely() -> None:
    listening = listen(0)
    with pytest.raises(OSError) as caught:  # noqa: PT011  the system's own error
        listen(listening.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
    listening.close()
    assert listening.family == socket.AF_INET


def test_a_board_that_has_just_ended_in_the_middle_of_a_talk_is_back_at_its_number_at_once() -> None:
    listening = listen(0)
    address = listening.getsockname()
    with socket.create_connection(address) as client:
        serving, _ = listening.accept()
        serving.close()  # the first to end it: the system keeps its side for a minute
        listening.close()
        assert client.recv(1) == b""
    listen(address[1]).close()
