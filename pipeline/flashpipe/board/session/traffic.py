"""What went over the wire, remembered: a ring of the last bytes in each direction, with the rate they had.

It runs along with every session, so it must cost nothing: two calls and an append for each read and write, a few KiB
of memory. Nothing is decoded before somebody asks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

KEPT: Final = 400
"""Transfers kept: the last seconds of a conversation."""
WHOLE: Final = 512
"""Bytes kept of one transfer; of a DATA block the head tells which one it was."""
FROM_HOST, FROM_BOARD = ">", "<"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One read or write."""

    at_s: float
    """Seconds since the log began."""
    way: str
    """`>` to the board, `<` from it."""
    baud: int
    count: int
    """Bytes, of which `data` holds the first."""
    data: bytes


class TrafficLog:
    """The recorder of one session."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._chunks: deque[Chunk] = deque(maxlen=KEPT)
        self.bytes_sent = 0
        """Bytes written since the beginning."""
        self.bytes_received = 0
        """Bytes read since the beginning."""
        self.private = False
        """True: only how many bytes pass is remembered, for they are the contents of somebody's files."""
        self.watch: Callable[[Chunk], None] | None = None
        """Is told of each transfer when it happens."""

    def received(self, baud: int, data: bytes) -> None:
        """Take bytes from the board."""
        self.bytes_received += len(data)
        self._note(FROM_BOARD, baud, data)

    def sent(self, baud: int, data: bytes) -> None:
        """Take bytes to the board."""
        self.bytes_sent += len(data)
        self._note(FROM_HOST, baud, data)

    def _note(self, way: str, baud: int, data: bytes) -> None:
        kept = b"" if self.private else bytes(data[:WHOLE])
        chunk = Chunk(time.monotonic() - self._began_s, way, baud, len(data), kept)
        self._chunks.append(chunk)
        if self.watch is not None:
            self.watch(chunk)

    def chunks(self) -> list[Chunk]:
        """What is remembered, the oldest first."""
        return list(self._chunks)

    def since(self, count: int) -> bytes:
        """The bytes from the board after the first `count` of them, as far as they are remembered."""
        wanted = self.bytes_received - count
        kept: list[bytes] = []
        for chunk in reversed(self._chunks):
            if wanted <= 0:
                break
            if chunk.way == FROM_BOARD:
                kept.append(chunk.data[-wanted:])
                wanted -= chunk.count
        return b"".join(reversed(kept))


def recorded(port: Any, traffic: TrafficLog) -> Any:
    """The same open port, whose reads and writes also go to its log."""
    read, write, hear = port.read, port.write, getattr(port, "hear", None)

    def recording_read(size: int = 1) -> bytes:
        data: bytes = read(size)
        if data:
            traffic.received(port.baudrate, data)
        return data

    def recording_write(data: bytes) -> Any:
        traffic.sent(port.baudrate, data)
        return write(data)

    def recording_hear(limit_s: float) -> bytes:
        assert hear is not None
        data: bytes = hear(limit_s)
        if data:
            traffic.received(port.baudrate, data)
        return data

    # The port itself is kept: esptool's reset strategies look at its class, name and file descriptor.
    port.read, port.write = recording_read, recording_write
    if hear is not None:
        port.hear = recording_hear
    return port
