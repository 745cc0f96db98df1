"""A virtual board behind an RFC 2217 server on loopback, for programs that can open `rfc2217://127.0.0.1:PORT`.

The negotiation is pyserial's own (`serial.rfc2217.PortManager`); here are the socket and the board.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from typing import Final

import serial.rfc2217

from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.protocol_sim import Serial
from flashpipe.sim.servers.loopback import LoopbackServer

EN_RISE_S: Final = 1.0
"""Over RFC 2217 each line change takes about 0.1 s, longer than any capacitor on EN would bridge; a real server makes
the same allowance by doing the whole reset itself."""


class _Sender:
    """What PortManager writes its answers to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            self._connection.sendall(data)


class Rfc2217Server(LoopbackServer):
    """Serves one board to one client at a time."""

    scheme = "rfc2217"

    def __init__(self, link: HostLine, port: int = 0) -> None:
        super().__init__(link, port)
        link.en_rise_s = EN_RISE_S

    def _welcome(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, PortGoneError):  # the client has gone, or the port has; the board goes on
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        sender = _Sender(connection)
        port = Serial.of(self.link)
        # pyserial's stubs ask for its own classes; it only uses the attributes that these have too.
        manager = serial.rfc2217.PortManager(port, sender)  # type: ignore[arg-type]
        while not self._stop.is_set():
            if select.select([connection], [], [], min(0.25, self.link.nap_s()))[0]:
                data = connection.recv(65536)
                if not data:
                    return
                heard = b"".join(manager.filter(data))
                if heard:
                    self.link.write(heard)
            arrived = self.link.take()
            if arrived:
                sender.write(b"".join(manager.escape(arrived)))
