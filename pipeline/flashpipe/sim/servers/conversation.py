"""One port in another process talks to one board here; `messages` says in which words.

Nothing that the port sends can do more harm than end its own connection, and neither side makes the other wait: what a
port does not take stays with the board, which forgets the oldest as any driver does.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from flashpipe.errors import PipelineError
from flashpipe.sim import messages
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.messages import BadMessageError
from flashpipe.sim.sockets import wait

LONGEST_NAP_S: Final = 0.25
_CHUNK: Final = 1 << 16
_HANDFUL_S: Final = 0.004
"""For which the bytes of a stream are gathered."""
_LAST_WORD_S: Final = 5.0
"""For a port to take the message with which a conversation ends."""
_UNTAKEN_LIMIT: Final = 1 << 22
"""Bytes of answers that a port may leave untaken; one that asks and never listens is no port."""


class Conversation:
    """A connection, and the messages on it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0.0)
        self._connection = connection
        self._parser = messages.MessageParser()
        self._incoming: list[tuple[bytes, bytes]] = []
        self._outgoing = bytearray()
        self._left = False
        """The port has closed the connection."""
        self._longest_nap_s = LONGEST_NAP_S
        """For which the board may be left alone: no longer than the line says, where nobody else has it in hand."""

    # --- messages ----------------------------------------------------------------------------------------------------

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Send a message, as far as the port takes it now.

        Raises:
            OSError: the port has gone, or takes nothing any more.
        """
        self._outgoing += messages.pack(kind, body)
        self._flush()

    def send_end(self, error: PortGoneError | PipelineError) -> None:
        """Say why the port will hear nothing more."""
        if isinstance(error, PortGoneError):
            self.send_last(messages.GONE, str(error).encode())
        else:
            self.send_last(messages.ERROR, messages.encode_error(error))

    def send_last(self, kind: bytes, body: bytes = b"") -> None:
        """Send a message and give the port some time to take it; it may have gone."""
        with contextlib.suppress(OSError, ValueError):
            self.send(kind, body)
            deadline = time.monotonic() + _LAST_WORD_S
            while self._outgoing and time.monotonic() < deadline:
                self._exchange(LONGEST_NAP_S)

    def opened(self, about: Mapping[str, str]) -> None:
        """Say that the board is there, and what is known of it.

        Raises:
            OSError: the port has gone.
        """
        self.send(messages.OPENED, json.dumps(dict(about)).encode())

    def next_message(self, timeout_s: float | None) -> tuple[bytes, bytes] | None:
        """The next message; None where the port has closed, or nothing came within `timeout_s`.

        Raises:
            BadMessageError: what came is none.
            OSError: the connection broke.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._incoming and not self._left:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left < 0:
                return None
            self._exchange(left)
        return self._incoming.pop(0) if self._incoming else None

    def _exchange(self, timeout_s: float | None) -> None:
        """Wait until something can be taken or sent, for `timeout_s` or as long as it takes, and do so."""
        wait(self._connection, timeout_s, sending=bool(self._outgoing))
        self._flush()
        with contextlib.suppress(BlockingIOError):
            data = self._connection.recv(_CHUNK)
            self._left = not data
            self._incoming += self._parser.feed(data)

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._outgoing:
                written = self._connection.send(self._outgoing[:_CHUNK])
                del self._outgoing[:written]
        if len(self._outgoing) > _UNTAKEN_LIMIT:
            raise TimeoutError("the port takes nothing")

    # --- a board -----------------------------------------------------------------------------------------------------

    def serve(self, line: HostLine, ended: Callable[[], bool] | None = None) -> bool:
        """Pass everything between port and board; whether the port was closed, and the connection was not.

        A port that wants nothing costs nothing: without `ended`, which is asked now and then, its next word is awaited.

        Raises:
            BadMessageError: the port sent something else.
            PortGoneError: the virtual port has vanished; `send_end` tells the port.
            PipelineError: the board cannot go on; as above.
            OSError: the connection broke.
        """
        self._longest_nap_s = math.inf if ended is None else LONGEST_NAP_S
        line.clear_received()
        while not (self._left or (ended is not None and ended())):
            while self._incoming:
                kind, body = self._incoming.pop(0)
                if kind == messages.CLOSE:
                    return True
                self._obey(line, kind, body)
            self._exchange(None if ended is None else self._longest_nap_s)
        return False

    def _obey(self, line: HostLine, kind: bytes, body: bytes) -> None:
        if kind == messages.DATA:
            with contextlib.suppress(PortGoneError):  # met again by the next look
                line.write(body)
        elif kind == messages.RATE:
            line.set_baud(messages.rate_of(body))
        elif kind == messages.LINES:
            dtr, rts = messages.lines_of(body)
            line.set_lines(dtr=dtr, rts=rts)
        elif kind == messages.READ:
            self._read(line, *messages.read_of(body))
        elif kind == messages.WAIT:
            number, limit_s = messages.seconds_of(body)
            self._outgoing += messages.pack_data(line.hear(limit_s, self._pause))
            self._tell_time(line, number)
        elif kind == messages.TIME:
            self._tell_time(line, messages.number_of(body))
        elif kind == messages.PING:
            self._outgoing += messages.pack_data(line.catch_up())
            self.send(messages.PING, str(messages.number_of(body)).encode())
        else:
            raise BadMessageError(f"a message of the kind {kind!r} in the middle of a conversation")

    def _pause(self, seconds: float) -> bool:
        """Let time pass until the port wants something."""
        self._exchange(min(seconds, self._longest_nap_s))
        return not (self._incoming or self._left)

    def _tell_time(self, line: HostLine, number: int) -> None:
        self._outgoing += messages.pack_seconds(messages.TIME, number, line.own_time())
        self._flush()

    def _read(self, line: HostLine, number: int, size: int, timeout_s: float | None) -> None:
        """Send what the board says, until it is `size` bytes, or the time is over, or the port wants something else."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            arrived = self._take(line)
            size -= arrived
            left = math.inf if deadline is None else deadline - time.monotonic()
            if size <= 0 or self._incoming or self._left or left <= 0:
                break
            self._exchange(min(left, self._longest_nap_s, line.nap_s()))
        if arrived:
            self._gather(line)
        self.send(messages.PING, str(number).encode())

    def _gather(self, line: HostLine) -> None:
        """Wait a moment for what is just coming, and send it with the rest, as adapters do: a port asks less often."""
        until = time.monotonic() + _HANDFUL_S
        while (left := until - time.monotonic()) > 0 and (coming_s := line.coming_s()):
            if wait(self._connection, min(left, max(coming_s, _HANDFUL_S / 4))):
                break
            self._take(line)

    def _take(self, line: HostLine) -> int:
        data = line.take()
        self._outgoing += messages.pack_data(data)
        return len(data)
