"""The messages between a port and a board in another process. No I/O: bytes in, messages out.

A message is a letter, a length and a body. The board moves on when its port asks for something, as one in the port's
own process does, and not by itself: what becomes of it depends on what was asked, and not on which of two processes was
given the CPU.

On a connection of `sim+attach://` the board greets with `OPENED`, or with `BUSY` where another port has it, and the
port closes by closing the connection. On a connection to the process that holds the boards of a run, the port sends
`OPEN` with the URL first, and may `CLOSE` and `OPEN` again: the connection is the port object, which keeps its board
from one opening to the next.
"""

from __future__ import annotations

import json
import struct
from typing import Final

from flashpipe import errors
from flashpipe.errors import PipelineError

SECRET: Final = b"S"
"""To the process that holds the boards, before anything else: what only its starter knows."""
OPEN: Final = b"O"
"""To the board: open it; JSON with `url`, the current `folder` and the environment variables of this project."""
OPENED: Final = b"O"
"""From the board: it is open; JSON with what is known of it (`ports.registry.Seat.about`)."""
CLOSE: Final = b"C"
"""To the board: the port is closed; from it: the flash file is released."""
DATA: Final = b"D"
READ: Final = b"R"
"""To the board, `request`: send what comes, until there is enough or the time is over, or another message comes."""
RATE: Final = b"B"
"""To the board: the host's baud rate, as text."""
LINES: Final = b"L"
"""To the board: bit 0 DTR, bit 1 RTS; a set bit is asserted, that is low."""
PING: Final = b"P"
"""To the board, with a number: it comes back when all before it has been done, and what was said by then was sent. So
does the number of a `READ` that is over."""
WAIT: Final = b"W"
"""To the board, a number and seconds: send what comes first within so many seconds of the board's own time."""
TIME: Final = b"T"
"""To the board, a number: a host counts in the board's time. From it: that number, or the one of a `WAIT`, and the
board's time in seconds."""
SAY: Final = b"N"
"""From the board, while it is opened: a line for the user, as text. What is told of takes a while."""
GONE: Final = b"G"
"""From the board: the port is gone; how, as text."""
BUSY: Final = b"X"
"""From the board: another port has it."""
ERROR: Final = b"E"
"""From the board: `encode_error`."""
KINDS: Final = frozenset({SECRET, OPEN, CLOSE, DATA, READ, WAIT, TIME, RATE, LINES, PING, SAY, GONE, BUSY, ERROR})

LARGEST: Final = 1 << 20
"""Bytes of a body; a sender cuts its data."""
HIGHEST_RATE: Final = 100e6
_DIGITS: Final = 18
_HEAD: Final = struct.Struct("<cI")


class BadMessageError(Exception):
    """The other side sent what is no message; the text says what."""


def pack(kind: bytes, body: bytes = b"") -> bytes:
    """One message."""
    return _HEAD.pack(kind, len(body)) + body


def pack_data(data: bytes) -> bytes:
    """Data, in as many messages as it needs."""
    return b"".join(pack(DATA, data[at : at + LARGEST]) for at in range(0, len(data), LARGEST))


def pack_read(number: int, size: int, timeout_s: float | None) -> bytes:
    """A request for `size` bytes within `timeout_s`; None: for ever."""
    return pack(READ, f"{number} {size} {'-' if timeout_s is None else f'{timeout_s:.6f}'}".encode())


def pack_seconds(kind: bytes, number: int, seconds: float) -> bytes:
    """A `WAIT` or `TIME` with its number and seconds."""
    return pack(kind, f"{number} {seconds:.9f}".encode())


class MessageParser:
    """Takes bytes as they come and gives messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that are whole now.

        Raises:
            BadMessageError: an unknown kind, or a length that no message has; nothing after it can be understood.
        """
        self._bytes += data
        messages = []
        while len(self._bytes) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._bytes)
            if kind not in KINDS:
                raise BadMessageError(f"a message of the kind {kind!r}")
            if size > LARGEST:
                raise BadMessageError(f"a message of {size} bytes")
            if len(self._bytes) < _HEAD.size + size:
                break
            messages.append((kind, bytes(self._bytes[_HEAD.size : _HEAD.size + size])))
            del self._bytes[: _HEAD.size + size]
        return messages


def rate_of(body: bytes) -> float:
    """The baud rate in a message.

    Raises:
        BadMessageError: it is none.
    """
    try:
        rate = float(body.decode("ascii"))
    except ValueError:
        rate = 0.0
    if not 1 <= rate <= HIGHEST_RATE:
        raise BadMessageError(f"{body[:40]!r} as a baud rate")
    return rate


def lines_of(body: bytes) -> tuple[bool, bool]:
    """DTR and RTS in a message.

    Raises:
        BadMessageError: it holds no such bits.
    """
    if len(body) != 1 or body[0] & ~3:
        raise BadMessageError(f"{body[:40]!r} as modem lines")
    return bool(body[0] & 1), bool(body[0] & 2)


def number_of(body: bytes) -> int:
    """The number in a ping.

    Raises:
        BadMessageError: there is none.
    """
    if not body.isdigit() or len(body) > _DIGITS:
        raise BadMessageError(f"{body[:40]!r} as a number")
    return int(body)


def read_of(body: bytes) -> tuple[int, int, float | None]:
    """Number, bytes wanted and seconds of a request for data.

    Raises:
        BadMessageError: it is none.
    """
    number, _, rest = body.partition(b" ")
    size, _, timeout = rest.partition(b" ")
    try:
        timeout_s = None if timeout == b"-" else float(timeout)
    except ValueError:
        timeout_s = -1.0
    if timeout_s is not None and not 0 <= timeout_s < float("inf"):
        raise BadMessageError(f"{body[:40]!r} as a request for data")
    return number_of(number), number_of(size), timeout_s


def seconds_of(body: bytes) -> tuple[int, float]:
    """Number and seconds.

    Raises:
        BadMessageError: it holds no such things.
    """
    number, _, rest = body.partition(b" ")
    try:
        seconds = float(rest)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise BadMessageError(f"{body[:40]!r} as seconds")
    return number_of(number), seconds


def texts_of(body: bytes) -> dict[str, str]:
    """A JSON object of texts.

    Raises:
        BadMessageError: it is none.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BadMessageError(f"{body[:40]!r} as texts by name")
    return value


def encode_error(error: PipelineError | OSError) -> bytes:
    """A failure on the board's side, so that the port can raise it as its own."""
    if isinstance(error, PipelineError):
        kind = next(kind for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
        fields = {"class": kind.__name__, "message": error.message, "hint": error.hint}
    else:
        fields = {"errno": str(error.errno or 0), "message": error.strerror or str(error)}
    return json.dumps(fields).encode()


def decode_error(body: bytes) -> PipelineError | OSError:
    """The failure that `encode_error` has packed.

    Raises:
        BadMessageError: it is none.
    """
    fields = texts_of(body)
    message = fields.get("message", "")
    kind = getattr(errors, fields.get("class", ""), None)
    if isinstance(kind, type) and issubclass(kind, PipelineError):
        return kind(message, fields.get("hint", ""))
    number = fields.get("errno", "")
    return OSError(int(number) if number.isdecimal() else 0, message)
