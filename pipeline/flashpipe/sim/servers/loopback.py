"""What every server of a virtual board does: listen on loopback, keep the board going, take clients.

A client that breaks the rules costs its own connection and one line on stderr; the board goes on for the next one.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import ClassVar, Final

from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.servers.notes import to_stderr
from flashpipe.sim.sockets import HOST, listen, wait

_LOOK_S: Final = 0.1
"""How often the board is moved on while nobody talks to it, and how soon a server ends."""


class LoopbackServer:
    """Accepts clients for one board; what a client is told is the subclass's."""

    scheme: ClassVar[str]
    """Of the URL under which the board is found."""

    def __init__(self, link: HostLine, port: int = 0, notify: Callable[[str], None] = to_stderr) -> None:
        self.link = link
        self._notify = notify
        self._socket = listen(port)
        self._socket.settimeout(0.0)
        self.port: int = self._socket.getsockname()[1]
        self.name = f"{self.scheme}://{HOST}:{self.port}"
        self._stop = threading.Event()
        self._stands = False
        """The board has met something that it cannot go on after."""
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
            wait(self._socket, _LOOK_S)
            try:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BlockingIOError:
                self._idle()
            except OSError as error:  # the client has gone already, or there are no descriptors left
                self._notify(f"{self.name}: no client: {error}")
                self._stop.wait(_LOOK_S)
            else:
                self.welcome(connection)

    def busy(self) -> bool:
        """Whether a client in another thread moves the board on."""
        return False

    def _idle(self) -> None:
        if self._stands or self.busy():
            return
        try:
            self.link.pump()
        except Exception as error:  # noqa: BLE001  what stops the board is told to its clients, by this thread
            self._stands = True
            self._notify(f"{self.name}: the board stands: {type(error).__name__}: {error}")

    def welcome(self, connection: socket.socket) -> None:
        """Talk to a client, in this thread or another one."""
        raise NotImplementedError

    def talk(self, connection: socket.socket) -> None:
        """Talk to a client until one of us ends it."""
        raise NotImplementedError

    def serve(self, connection: socket.socket) -> None:
        """Talk to a client; whatever comes of it, the board goes on."""
        try:
            with connection:
                self.talk(connection)
        except (OSError, PortGoneError):
            pass  # the client has gone, or the virtual port has, which it was told
        except Exception as error:  # noqa: BLE001  whatever a client can cause ends its connection and nothing else
            self._notify(f"{self.name}: connection closed: {type(error).__name__}: {error}")
