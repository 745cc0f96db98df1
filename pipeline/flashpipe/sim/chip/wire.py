"""The serial line between host and chip in board time: bytes on their way, each at the baud it was sent with."""

from __future__ import annotations

from collections import deque
from typing import Final

from flashpipe.values import dataclass

BITS_PER_BYTE: Final = 10
"""8N1: start bit, eight data bits, stop bit."""
TOLERANCE: Final = 0.035
"""How far two rates may differ and still understand each other: about a third of a bit over ten bits. The worst rate
that real hosts use, 1.5 MBd from the divider 34, is 2 % off (facts: esp8266-protocol §3.7)."""
FIFO: Final = 128
"""Bytes the UART holds in each direction (facts: stub-executed §7)."""
_JUNK: Final = bytes((value * 0x9D + 0x17) & 0xFF for value in range(256))


def understood(sent: float, heard: float) -> bool:
    """Whether bytes sent at one rate arrive whole at the other."""
    return abs(sent - heard) <= TOLERANCE * heard


def garble(data: bytes, sent: float, heard: float) -> bytes:
    """What a receiver at `heard` makes of bytes sent at `sent`: other bytes, and another number of them."""
    if understood(sent, heard):
        return data
    ratio = max(1 / 8, min(4.0, heard / sent))
    count = max(1, int(len(data) * ratio)) if data else 0
    return bytes(_JUNK[data[int(at / ratio) % len(data)] ^ (at * 29 & 0xFF)] for at in range(count))


@dataclass(slots=True)
class Burst:
    """Bytes sent without a gap: the byte `index` has arrived whole at `start + (index + 1) * byte_s`."""

    start: float
    baud: float
    data: bytes
    at: int = 0
    """Bytes of it that were taken."""

    @property
    def byte_s(self) -> float:
        """Seconds one byte takes."""
        return BITS_PER_BYTE / self.baud

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self.data) - self.at

    @property
    def end(self) -> float:
        """When its last byte has arrived."""
        return self.start + len(self.data) * self.byte_s

    @property
    def next_at(self) -> float:
        """When the next byte not yet taken arrives."""
        return self.start + (self.at + 1) * self.byte_s

    def arrived(self, until: float) -> int:
        """How many bytes not yet taken have arrived by `until`."""
        if until >= self.end:
            return self.left
        # The tolerance of a thousandth of a byte keeps rounding from losing the byte that arrives just now.
        return max(0, min(self.left, int((until - self.start) / self.byte_s + 1e-3) - self.at))


class LineDirection:
    """One direction of the line: bursts in the order they were sent."""

    def __init__(self) -> None:
        self._bursts: deque[Burst] = deque()
        self.free_at = 0.0
        """When the last byte will have left."""

    def send(self, data: bytes, now: float, baud: float) -> None:
        """Put bytes on the line at `now`, or as soon as those before them have left."""
        if data:
            burst = Burst(max(now, self.free_at), baud, data)
            self._bursts.append(burst)
            self.free_at = burst.end

    def head(self) -> Burst | None:
        """The burst with the next byte, or None on an empty line."""
        return self._bursts[0] if self._bursts else None

    def take(self, count: int) -> bytes:
        """Remove up to `count` bytes of the first burst."""
        burst = self._bursts[0]
        data = burst.data[burst.at : burst.at + count]
        burst.at += len(data)
        if not burst.left:
            self._bursts.popleft()
        return data

    def clear(self) -> None:
        """Forget what is under way."""
        self._bursts.clear()
        self.free_at = 0.0

    def arrived(self, until: float) -> int:
        """Bytes that have arrived by `until`."""
        total = 0
        for burst in self._bursts:
            count = burst.arrived(until)
            total += count
            if count < burst.left:
                break
        return total

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._bursts


class LineUart:
    """The chip's UART 0: the line in each direction and the divider that sets its rate."""

    def __init__(self, clock_hz: float) -> None:
        self.clock_hz = clock_hz
        """Twice the crystal in ROM and stub (facts: esp8266-protocol §3.7)."""
        self.divider = 0
        self.inbound = LineDirection()
        self.outbound = LineDirection()
        self.set_baud(115_200)

    @property
    def baud(self) -> float:
        """Rate that the divider gives."""
        return self.clock_hz / max(1, self.divider)

    def set_baud(self, baud: float) -> None:
        """Set the divider as the ROM's measurement does: 452 for 115200 at 26 MHz (§3.7, a real sample)."""
        self.divider = max(1, -(-int(self.clock_hz) // max(1, int(baud))))

    def say(self, data: bytes, now: float) -> None:
        """Queue bytes for sending."""
        self.outbound.send(data, now, self.baud)

    def room_at(self) -> float:
        """When the transmit FIFO has room for more: only its last 128 bytes are left to send."""
        return self.outbound.free_at - FIFO * BITS_PER_BYTE / self.baud
