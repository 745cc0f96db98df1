"""Loopback sockets: where a virtual board is reached from other processes of this machine, and from nowhere else."""

from __future__ import annotations

import os
import select
import socket
from typing import Final

HOST: Final = "127.0.0.1"


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback; 0 takes any free port number.

    Raises:
        OSError: the port number is in use.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # where a connection has just ended; on Windows it would let two programs listen
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def wait(connection: socket.socket, timeout_s: float | None, *, sending: bool = False) -> bool:
    """Wait for something to read, or to be able to write if `sending`, at most `timeout_s`; True: it can be read.

    A closed connection can be read: nothing comes.

    Raises:
        OSError, ValueError: this side has closed it.
    """
    timeout_s = None if timeout_s is None else max(0.0, timeout_s)
    if hasattr(select, "poll"):  # select itself knows no descriptor above 1023
        poller = select.poll()
        poller.register(connection, select.POLLIN | select.POLLOUT if sending else select.POLLIN)
        return any(
            events & ~select.POLLOUT for _, events in poller.poll(None if timeout_s is None else timeout_s * 1000)
        )
    return bool(select.select([connection], [connection] if sending else [], [], timeout_s)[0])
