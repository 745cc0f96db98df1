"""A virtual board behind an RFC 2217 server on loopback, for programs that can open `rfc2217://127.0.0.1:PORT`.

The negotiation is pyserial's own (`serial.rfc2217.PortManager`); here are the socket and the board.
"""

from __future__ import annotations

import select
import socket
import threading
from typing import Final

import serial.rfc2217

from pipeline.sim.attach import HOST, listen
from pipeline.sim.faults import PortGoneError
from pipeline.sim.link import Link
from pipeline.sim.protocol_sim import Serial

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


class Rfc2217Server:
    """Serves one board to one client at a time."""

    def __init__(self, link: Link, port: int = 0) -> None:
        self.link = link
        link.en_rise_s = EN_RISE_S
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.name = f"rfc2217://{HOST}:{self.port}"
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
            with connection:
                try:
                    self._talk(connection)
                except (OSError, PortGoneError):
                    continue  # the client has gone, or the port has; the board goes on

    def _talk(self, connection: socket.socket) -> None:
        sender = _Sender(connection)
        port = Serial.of(self.link)
        # pyserial's stubs ask for its own classes; it only uses the attributes that these have too.
        manager = serial.rfc2217.PortManager(port, sender)  # type: ignore[arg-type]
        while not self._stop.is_set():
            if select.select([connection], [], [], min(0.25, self.link.next_event_s()))[0]:
                data = connection.recv(65536)
                if not data:
                    return
                heard = b"".join(manager.filter(data))
                if heard:
                    self.link.write(heard)
            waiting = self.link.waiting()
            if waiting:
                sender.write(b"".join(manager.escape(self.link.read(waiting, 0))))
