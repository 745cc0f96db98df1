"""A virtual board behind an RFC 2217 server on loopback, for programs that can open `rfc2217://127.0.0.1:PORT`.

The negotiation is pyserial's own (`serial.rfc2217.PortManager`); here are the socket and the board.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

import serial.rfc2217

from flashpipe.sim.host_line import HostLine
from flashpipe.sim.ports.inline import InlinePort
from flashpipe.sim.servers.loopback import LoopbackServer
from flashpipe.sim.servers.notes import to_stderr
from flashpipe.sim.sockets import wait

EN_RISE_S: Final = 1.0
"""Over RFC 2217 each line change takes about 0.1 s, longer than any capacitor on EN would bridge; a real server makes
the same allowance by doing the whole reset itself."""
_LONGEST_NAP_S: Final = 0.25
_CHUNK: Final = 1 << 16
_SHOWN: Final = 40
_TAKEN_S: Final = 2.0
"""Within which a client must take what it is sent: one that never reads shall not keep the next one out."""
_LONGEST_OPTION: Final = 256
"""Bytes of a telnet subnegotiation; those of RFC 2217 have 6 at most, a signature apart."""


class _Sender:
    """What PortManager writes its answers to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


class _Manager(serial.rfc2217.PortManager):
    """Says what it cannot understand of a negotiation, and goes on; pyserial 3.5 raises whatever comes of it.

    A setting is looked up before it is made: one that is not understood has changed nothing.
    """

    def __init__(self, port: InlinePort, sender: _Sender, notify: Callable[[str], None]) -> None:
        self._notify = notify
        super().__init__(port, sender)  # type: ignore[arg-type]  # the stubs ask for classes of which it uses little

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        try:
            super()._telnet_process_subnegotiation(suboption)  # type: ignore[misc]  # absent from the stubs
        except (ValueError, LookupError, TypeError, struct.error):
            self._notify(f"subnegotiation not understood, and ignored: {suboption[:_SHOWN].hex(' ')}")

    def data_in(self, received: bytes) -> bytes:
        """The data among telnet's commands; the commands are obeyed.

        Raises:
            ValueError: what came is no telnet, and nothing after it can be understood.
        """
        try:
            data = b"".join(self.filter(received))
        except TypeError as error:  # pyserial takes None for what was never begun
            raise ValueError("a telnet subnegotiation ends that never began") from error
        if self.suboption is not None and len(self.suboption) > _LONGEST_OPTION:
            raise ValueError("a telnet subnegotiation without an end")
        return data


class Rfc2217Server(LoopbackServer):
    """Serves one board to one client at a time."""

    scheme = "rfc2217"

    def __init__(self, link: HostLine, port: int = 0, notify: Callable[[str], None] = to_stderr) -> None:
        super().__init__(link, port, notify)
        link.en_rise_s = EN_RISE_S

    def welcome(self, connection: socket.socket) -> None:
        """One client after the other."""
        self.serve(connection)

    def talk(self, connection: socket.socket) -> None:
        """Negotiate, and pass everything between client and board."""
        connection.settimeout(_TAKEN_S)
        sender = _Sender(connection)
        manager = _Manager(InlinePort.of(self.link), sender, lambda text: self._notify(f"{self.name}: {text}"))
        while not self._stop.is_set():
            if wait(connection, min(_LONGEST_NAP_S, self.link.nap_s())):
                received = connection.recv(_CHUNK)
                if not received:
                    return
                self.link.write(manager.data_in(received))
            arrived = self.link.take()
            if arrived:
                connection.sendall(b"".join(manager.escape(arrived)))
