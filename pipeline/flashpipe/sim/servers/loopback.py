"""What every server of a virtual board does: listen on loopback, keep the board going, take clients."""

from __future__ import annotations

import select
import socket
import threading
from typing import ClassVar, Final

from flashpipe.sim.host_line import HostLine

HOST: Final = "127.0.0.1"


class LoopbackServer:
    """Accepts clients for one board; what a client is told is the subclass's."""

    scheme: ClassVar[str]
    """Of the URL under which the board is found."""

    def __init__(self, link: HostLine, port: int = 0) -> None:
        self.link = link
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.name = f"{self.scheme}://{HOST}:{self.port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=f"board on {self.name}", daemon=True)

    def start(self) -> None:
        """Begin serving."""
        self._thread.start()

    def stop(self) -> None:
        """End serving."""
        self._stop.set()
        self._thread.join(2)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._socket], [], [], 0.1)[0]:
                self.link.pump()
                continue
            connection, _ = self._socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._welcome(connection)

    def _welcome(self, connection: socket.socket) -> None:
        raise NotImplementedError


def listen(port: int) -> socket.socket:
    """A listening socket on loopback.

    Raises:
        OSError: the port number is in use.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
