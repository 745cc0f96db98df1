"""A port whose board is in another process: `sim+attach://127.0.0.1:PORT` of `flashpipe board --attach`.

There is no thread here: who reads asks the board, which waits in its own process. So a time-out is a silent board, and
not a process that was given no CPU.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from serial.serialutil import PortNotOpenError, SerialException

from flashpipe.errors import BadValueError, PipelineError
from flashpipe.sim import messages
from flashpipe.sim.messages import BadMessageError
from flashpipe.sim.ports.virtual_port import VirtualPort, gone
from flashpipe.sim.sockets import HOST, wait

PATIENCE_S: Final = 30.0
"""For the other process to take something or to answer, which it does in a millisecond where it gets the CPU."""
_LONGEST_S: Final = 120.0
"""For it to open a board where it has said that this takes a while: it compiles the core."""
_SLICE_S: Final = 0.05
"""How often a read looks whether it was cancelled, or another thread took what it waits for."""
_CHUNK: Final = 1 << 16
_SLOWEST: Final = 100.0
"""Seconds on the wall in which a busy program gets on by one, at most."""
NO_ANSWER: Final = "the board's process does not answer"


class AttachedPort(VirtualPort):
    """A port whose board runs in another process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._socket: socket.socket | None = None
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._parser = messages.MessageParser()
        self._received = bytearray()
        self._asked = self._answered = 0
        """The number of the last question, and of the last one that was answered."""
        self._time_s = 0.0
        """Board time, as last told."""
        self._time_stands = False
        """Whether that is the time still: nothing was asked since that lets it pass."""
        self._answers: list[tuple[bytes, bytes]] = []
        """What came of the kinds that answer an opening or a closing."""
        self._failure: PipelineError | None = None
        """What the board met; raised by whatever is done next."""
        self._ended = ""
        """Why nothing more will come."""
        self._takes_longer = False
        """Whether the other side has said what it does meanwhile."""
        super().__init__(*args, **kwargs)

    # --- opening and closing -----------------------------------------------------------------------------------------

    def reach(self, url: str) -> None:
        """Connect."""
        port = _port_number(url)
        try:
            connection = socket.create_connection((HOST, port), PATIENCE_S)
        except OSError as error:
            raise SerialException(error.errno or errno.ENOENT, f"could not open port {url}: {error}") from error
        self.use(connection)
        try:
            self.await_opening(url)
        except BaseException:
            self.let_go()
            raise

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which more can come."""
        return self._socket is not None and not self._over

    def use(self, connection: socket.socket) -> None:
        """Begin a conversation on a connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(0.0)
        self._socket, self._ended, self._failure = connection, "", None
        self._parser = messages.MessageParser()
        self._received.clear()
        self._answers.clear()
        self._asked = self._answered = 0
        self._time_stands = False

    def await_opening(self, url: str) -> None:
        """Wait until the board is there.

        Raises:
            PipelineError: what is wrong with the URL.
            SerialException: the board cannot be had.
        """
        kind, body = self.await_answer()
        if kind == messages.ERROR:
            error = messages.decode_error(body)
            raise SerialException(error.errno, error.strerror) if isinstance(error, OSError) else error
        if kind != messages.OPENED:
            raise SerialException(errno.EBUSY, f"could not open port {url}: [Errno 16] Device or resource busy")
        self.learn(messages.texts_of(body))

    def await_answer(self) -> tuple[bytes, bytes]:
        """The next message that is an answer.

        Raises:
            SerialException: none comes.
        """
        self._takes_longer = False
        self._wait(lambda: bool(self._answers or self._ended) or self._takes_longer, PATIENCE_S)
        if self._takes_longer:
            self._wait(lambda: bool(self._answers or self._ended), _LONGEST_S)
        with self._receiving:
            if self._answers:
                return self._answers.pop(0)
        raise SerialException(errno.ENOENT, self._ended or NO_ANSWER)

    def close(self) -> None:
        """Disconnect; the board goes on."""
        if self.is_open:
            self.is_open = False
            self.let_go()

    def let_go(self) -> None:
        """Close the connection, if there is one."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    # --- the socket --------------------------------------------------------------------------------------------------

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Send a message, as soon as the other side takes it.

        Raises:
            PortNotOpenError: closed.
            SerialException: the other side has closed, or takes nothing.
            PipelineError: the board has met something that it cannot go on after.
        """
        self._send(messages.pack(kind, body))

    def _send(self, data: bytes) -> None:
        connection = self._socket
        if connection is None:
            raise PortNotOpenError
        self._go_on()
        try:
            with self._sending:
                self._send_all(connection, memoryview(data))
        except (OSError, ValueError) as error:
            self._receive(0.0)  # why it has closed may have been said before
            raise self._end(f"write failed: {error}") from error

    def _send_all(self, connection: socket.socket, data: memoryview) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while data:
            sent = _send_some(connection, data)
            if sent:
                data, deadline = data[sent:], time.monotonic() + PATIENCE_S
            elif time.monotonic() > deadline:
                raise TimeoutError(NO_ANSWER)
            else:
                wait(connection, _SLICE_S, sending=True)
                self._receive(0.0)  # or both sides would wait for each other

    def _end(self, otherwise: str = "") -> PipelineError | SerialException:
        """What to raise once nothing more will come."""
        return self._failure or gone(self._ended or otherwise)

    def why_it_ended(self) -> str:
        """Why the other side has closed the connection without a word."""
        return "the board's process has ended"

    def _receive(self, timeout_s: float) -> None:
        """Take what comes first within `timeout_s`."""
        connection = self._socket
        if connection is None or self._ended:
            return
        try:
            wait(connection, timeout_s)
            with self._receiving, contextlib.suppress(BlockingIOError):  # another thread may have been faster
                self._take(connection.recv(_CHUNK))
        except (OSError, ValueError):
            if self._socket is not None:  # else this side has closed
                self._ended = self.why_it_ended()

    def _take(self, data: bytes) -> None:
        if not data:
            self._ended = self.why_it_ended()
            return
        try:
            for kind, body in self._parser.feed(data):
                self._obey(kind, body)
        except BadMessageError as error:
            self._ended = f"what answers is no virtual board: {error}"

    def _obey(self, kind: bytes, body: bytes) -> None:
        if kind == messages.DATA:
            self._received += body
        elif kind == messages.PING:
            self._answered = messages.number_of(body)
        elif kind == messages.TIME:
            self._answered, self._time_s = messages.seconds_of(body)
        elif kind == messages.SAY:
            self._takes_longer = True
            sys.stderr.write(f"sim: {body.decode('utf-8', 'replace')}\n")
        elif kind == messages.GONE:
            self._ended = body.decode("utf-8", "replace")
        elif kind == messages.ERROR and self.is_open:
            error = messages.decode_error(body)
            if isinstance(error, PipelineError):
                self._failure = error
            else:
                self._ended = str(error)
        else:
            self._answers.append((kind, body))

    def _wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Receive until it is done; False where the time is over first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if left <= 0:
                return False
            self._receive(left)
        return True

    def _catch_up(self) -> None:
        """Let the board do everything sent so far, and move on to now.

        Raises:
            SerialException: it does not answer.
        """
        number = self._next_number()
        self._send(messages.pack(messages.PING, str(number).encode()))
        self._await(number, PATIENCE_S)

    def _next_number(self) -> int:
        with self._sending:
            self._asked += 1
            return self._asked

    def _await(self, number: int, timeout_s: float | None) -> None:
        if not self._wait(lambda: self._answered >= number or self._over or not self.is_open, timeout_s):
            self._ended = NO_ANSWER
            raise gone(self._ended)

    @property
    def _over(self) -> bool:
        return bool(self._ended) or self._failure is not None

    def _go_on(self) -> None:
        if self._over:
            raise self._end()

    def _check(self) -> None:
        if not self.is_open:
            raise PortNotOpenError
        if self._over and not self._received:
            raise self._end()

    # --- settings ----------------------------------------------------------------------------------------------------

    def set_rate(self, baud: float) -> None:
        """The host's rate is `baud` from now on."""
        self.send(messages.RATE, f"{baud:g}".encode() if baud != int(baud) else str(int(baud)).encode())

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """The host asserts (True) or releases DTR and RTS."""
        self._time_stands = False
        self.send(messages.LINES, bytes((dtr | rts << 1,)))

    # --- the board's own time ----------------------------------------------------------------------------------------

    def own_time(self) -> float:
        """Seconds of board time, as of the last answer where nothing since has let it pass."""
        if not self._time_stands:
            self._check()
            number = self._next_number()
            self._send(messages.pack(messages.TIME, str(number).encode()))
            self._await(number, PATIENCE_S)
            self._go_on()
            self._time_stands = True
        return self._time_s

    def hear(self, limit_s: float) -> bytes:
        """What the board says within `limit_s` of its own time."""
        self._check()
        if not self._received:
            number = self._next_number()
            self._send(messages.pack_seconds(messages.WAIT, number, limit_s))
            self._await(number, PATIENCE_S + limit_s * _SLOWEST)
            self._time_stands = not self._over
            self._check()
        with self._receiving:
            data = bytes(self._received)
            self._received.clear()
        return data

    # --- bytes -------------------------------------------------------------------------------------------------------

    @property
    def in_waiting(self) -> int:
        """Bytes that have arrived."""
        if self.is_open and not self._received and not self._over:
            self._ask(1, 0.0)
        self._check()
        return len(self._received)

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes, waiting as long as the port's time-out says."""
        self._cancelled = False
        if not self.is_open:
            raise PortNotOpenError
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while len(self._received) < size and not (self._over or self._cancelled or not self.is_open):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            self._ask(size - len(self._received), left)
            if left == 0:
                break
        with self._receiving:
            if size:
                self._check()
            data = bytes(self._received[:size])
            del self._received[: len(data)]
            return data

    def _ask(self, size: int, timeout_s: float | None) -> None:
        """Have the board send so many bytes; it does less where another thread wants something meanwhile."""
        self._time_stands = False
        number = self._next_number()
        self._send(messages.pack_read(number, size, timeout_s))
        self._await(number, None if timeout_s is None else timeout_s + PATIENCE_S)

    def write(self, data: Any, /) -> int:
        """Send bytes."""
        sent = bytes(data)
        self._send(messages.pack_data(sent))
        return len(sent)

    def flush(self) -> None:
        """Wait until the board has taken everything."""
        self._catch_up()
        self._go_on()

    def reset_input_buffer(self) -> None:
        """Forget what has arrived, and what is still on its way."""
        self._catch_up()
        self._go_on()
        with self._receiving:
            self._received.clear()

    def reset_output_buffer(self) -> None:
        """Nothing is buffered on this side."""

    def cancel_read(self) -> None:
        """Let a read in another thread return."""
        self._cancelled = True
        with contextlib.suppress(SerialException, PipelineError):
            self.send(messages.PING, str(self._next_number()).encode())  # ends what the board waits for


def _send_some(connection: socket.socket, data: memoryview) -> int:
    """Bytes that the connection took now."""
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0


def _port_number(url: str) -> int:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if host not in {HOST, "localhost"} or not port:
        raise BadValueError(
            f"{url!r} names no virtual board", f"`flashpipe board --attach` prints one: sim+attach://{HOST}:PORT"
        )
    return port
