"""A virtual board for one other process: a socket on which bytes, baud rate, DTR and RTS all pass.

Messages are a letter, a length, and a body; both ends are here. `D` data, `B` baud as text, `L` lines (bit 0 DTR, bit
1 RTS), `P` a ping that is answered when all before it has been done; from the board also `G`, the port is gone.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from typing import Final

from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.servers.loopback import LoopbackServer

"""Loopback only: whoever reaches the socket owns the board."""
_HEAD: Final = struct.Struct("<cI")
_LARGEST: Final = 1 << 24
BUSY: Final = b"X"
_HANDOVER_S: Final = 1.0
"""Whoever closes and opens again at once must not find its own old connection in the way."""


def pack(kind: bytes, body: bytes = b"") -> bytes:
    """One message."""
    return _HEAD.pack(kind, len(body)) + body


def read_message(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """The next message; None where the other side has closed."""
    head = _exactly(connection, _HEAD.size)
    if head is None:
        return None
    kind, size = _HEAD.unpack(head)
    body = _exactly(connection, size) if size <= _LARGEST else None
    return None if body is None else (kind, body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except OSError:
            return None
        if not more:
            return None
        data += more
    return bytes(data)


class AttachServer(LoopbackServer):
    """Serves one board to one client at a time."""

    scheme = "sim+attach"

    def __init__(self, link: HostLine, port: int = 0) -> None:
        super().__init__(link, port)
        self._taken = threading.Lock()

    def _welcome(self, connection: socket.socket) -> None:
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            if not self._taken.acquire(timeout=_HANDOVER_S):
                connection.sendall(pack(BUSY))
                return
            try:
                connection.sendall(pack(b"P"))
                self._talk(connection)
            except OSError:
                pass  # the client has gone; the board goes on
            finally:
                self._taken.release()

    def _talk(self, connection: socket.socket) -> None:
        self.link.clear_received()
        while not self._stop.is_set():
            ready = select.select([connection], [], [], min(0.25, self.link.nap_s()))[0]
            if ready:
                message = read_message(connection)
                if message is None:
                    return
                self._obey(connection, *message)
            try:
                arrived = self.link.take()
                if arrived:
                    connection.sendall(pack(b"D", arrived))
            except PortGoneError as error:
                connection.sendall(pack(b"G", str(error).encode()))
                return

    def _obey(self, connection: socket.socket, kind: bytes, body: bytes) -> None:
        if kind == b"D":
            with contextlib.suppress(PortGoneError):  # reported by the caller's next look
                self.link.write(body)
        elif kind == b"B":
            self.link.set_baud(float(body))
        elif kind == b"L":
            self.link.set_lines(dtr=bool(body[0] & 1), rts=bool(body[0] & 2))
        elif kind == b"P":
            arrived = self.link.take()
            if arrived:
                connection.sendall(pack(b"D", arrived))
            connection.sendall(pack(b"P"))
