"""`sim+attach://127.0.0.1:PORT`: the pyserial port of a board in another process (`flashpipe board --attach`)."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from serial.serialutil import PortNotOpenError, SerialBase, SerialException

from flashpipe.errors import BadValueError
from flashpipe.sim.servers.attach import BUSY, pack, read_message
from flashpipe.sim.servers.loopback import HOST
from flashpipe.sim.unwired import Unwired

_NAME_PREFIX: Final = "rfc2217:"
"""esptool sets DTR and RTS one by one, without ioctl, on ports whose name begins so."""
_PATIENCE_S: Final = 5.0
"""For the other process to answer a ping; it does so in a millisecond."""


class Serial(Unwired, SerialBase):
    """A port whose board runs in another process."""

    # Kept by pyserial's base class, but absent from its type stubs.
    _port: str | None
    _baudrate: int
    _timeout: float | None
    _dtr_state: bool
    _rts_state: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._socket: socket.socket | None = None
        self._changed = threading.Condition()
        self._received = bytearray()
        self._pings = 0
        self._ended = ""
        self._cancelled = False
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        """Connect.

        Raises:
            BadValueError: the URL names no port of this machine.
            SerialException: nobody listens there, or another client has the board.
        """
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        host, port = _address(self._port)
        try:
            connection = socket.create_connection((host, port), _PATIENCE_S)
        except OSError as error:
            raise SerialException(error.errno or errno.ENOENT, f"could not open port {self._port}: {error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = read_message(connection)
        if first is None or first[0] == BUSY:
            connection.close()
            raise SerialException(errno.EBUSY, f"could not open port {self._port}: [Errno 16] Device or resource busy")
        connection.settimeout(None)
        self._socket, self._ended, self._pings = connection, "", 0
        self.name = _NAME_PREFIX + self._port
        self.is_open = True
        threading.Thread(target=self._listen, args=(connection,), daemon=True).start()
        self._reconfigure_port()
        self._update_lines()
        self.reset_input_buffer()

    def close(self) -> None:
        """Disconnect; the board goes on."""
        if self.is_open and self._socket is not None:
            self.is_open = False
            with contextlib.suppress(OSError):  # the other side was faster
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
            with self._changed:
                self._received.clear()

    # --- the socket --------------------------------------------------------------------------------------------------

    def _listen(self, connection: socket.socket) -> None:
        ended = "the board's process has ended"
        while (message := read_message(connection)) is not None:
            kind, body = message
            with self._changed:
                if kind == b"D":
                    self._received += body
                elif kind == b"P":
                    self._pings += 1
                elif kind == b"G":
                    ended = body.decode()
                    break
                self._changed.notify_all()
        with self._changed:
            self._ended = ended
            self._changed.notify_all()

    def _send(self, kind: bytes, body: bytes = b"") -> None:
        if self._socket is None:
            raise PortNotOpenError
        try:
            self._socket.sendall(pack(kind, body))
        except OSError as error:
            raise SerialException(f"write failed: {error}") from error

    def _settle(self) -> None:
        """Wait until the board has done everything sent so far."""
        with self._changed:
            want = self._pings + 1
        self._send(b"P")
        self._wait(lambda: self._pings >= want or bool(self._ended), _PATIENCE_S)

    def _wait(self, done: Callable[[], bool], timeout_s: float | None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not done():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return
                self._changed.wait(left)

    # --- settings ----------------------------------------------------------------------------------------------------

    def _reconfigure_port(self, **_kwargs: Any) -> None:
        if self._baudrate <= 0:
            raise ValueError(f"Invalid baud rate: {self._baudrate!r}")
        self._send(b"B", str(self._baudrate).encode())

    def _update_lines(self) -> None:
        self._send(b"L", bytes((self._dtr_state | self._rts_state << 1,)))

    def _update_dtr_state(self) -> None:
        self._update_lines()

    def _update_rts_state(self) -> None:
        self._update_lines()

    def _update_break_state(self) -> None:
        """A break means nothing to this chip."""

    def fileno(self) -> int:
        """Modem ioctls are answered as by a device without modem lines."""
        raise OSError(errno.ENOTTY, "a virtual port has no file descriptor")

    # --- bytes -------------------------------------------------------------------------------------------------------

    @property
    def in_waiting(self) -> int:
        """Bytes that have arrived."""
        with self._changed:
            self._check()
            return len(self._received)

    def _check(self) -> None:
        if not self.is_open:
            raise PortNotOpenError
        if self._ended and not self._received:
            raise SerialException(
                "device reports readiness to read but returned no data "
                f"(device disconnected or multiple access on port?) [{self._ended}]"
            )

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes, waiting as long as the port's time-out says."""
        self._cancelled = False
        if not self.is_open:
            raise PortNotOpenError
        self._wait(
            lambda: len(self._received) >= size or bool(self._ended) or self._cancelled or not self.is_open,
            self._timeout,
        )
        with self._changed:
            if size:
                self._check()
            data = bytes(self._received[:size])
            del self._received[: len(data)]
            return data

    def write(self, data: Any, /) -> int:
        """Send bytes."""
        sent = bytes(data)
        self._send(b"D", sent)
        return len(sent)

    def flush(self) -> None:
        """Wait until the board has taken everything."""
        self._settle()

    def reset_input_buffer(self) -> None:
        """Forget what has arrived, and what is still on its way."""
        self._settle()
        with self._changed:
            self._received.clear()

    def reset_output_buffer(self) -> None:
        """Nothing is buffered on this side."""

    def cancel_read(self) -> None:
        """Let a read in another thread return."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if host not in {HOST, "localhost"} or not port:
        raise BadValueError(
            f"{url!r} names no virtual board", f"`flashpipe board --attach` prints one: sim+attach://{HOST}:PORT"
        )
    return HOST, port
