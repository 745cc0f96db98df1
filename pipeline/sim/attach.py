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

from pipeline.sim.faults import PortGoneError
from pipeline.sim.link import Link

HOST: Final = "127.0.0.1"
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


class AttachServer:
    """Serves one board to one client at a time."""

    def __init__(self, link: Link, port: int = 0) -> None:
        self.link = link
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.name = f"sim+attach://{HOST}:{self.port}"
        self._stop = threading.Event()
        self._taken = threading.Lock()
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
            ready = select.select([connection], [], [], min(0.25, self.link.next_event_s()))[0]
            if ready:
                message = read_message(connection)
                if message is None:
                    return
                self._obey(connection, *message)
            try:
                waiting = self.link.waiting()
                if waiting:
                    connection.sendall(pack(b"D", self.link.read(waiting, 0)))
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
            waiting = self.link.waiting()
            if waiting:
                connection.sendall(pack(b"D", self.link.read(waiting, 0)))
            connection.sendall(pack(b"P"))


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
