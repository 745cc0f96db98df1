"""SLIP as the loaders of this chip speak it, and the receivers of the ROM and of both stubs with their faults.

Rules (facts: esp8266-protocol §3.1, stub-executed §1):

- a frame is C0 … C0; inside, C0 is sent as DB DC and DB as DB DD;
- both stubs toggle at every C0, so one stray C0 puts them out of phase until another one comes;
- stub 2 owns two buffers and is deaf between the end of a frame and the moment its main loop takes it;
- stub 1 never stops listening: a frame that ends before its predecessor was taken replaces it;
- the ROM is not known that well: here a C0 in an empty frame starts the frame anew.
"""

from __future__ import annotations

from typing import Final

from flashpipe.values import dataclass

END: Final = 0xC0
ESCAPE: Final = 0xDB
_END: Final = b"\xc0"
_ESCAPE: Final = b"\xdb"
_ESCAPED_END: Final = b"\xdb\xdc"
_ESCAPED_ESCAPE: Final = b"\xdb\xdd"


def escape(payload: bytes) -> bytes:
    """The bytes of a frame between its two delimiters."""
    return payload.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_END, _ESCAPED_END)


def encode(payload: bytes) -> bytes:
    """One whole frame, delimiters included."""
    return _END + escape(payload) + _END


def unescape(body: bytes) -> bytes | None:
    """The payload of a frame's inside; None where an escape is followed by anything but DC or DD."""
    escapes = body.count(_ESCAPE)
    if not escapes:
        return body
    if escapes != body.count(_ESCAPED_END) + body.count(_ESCAPED_ESCAPE):
        return None
    return body.replace(_ESCAPED_END, _END).replace(_ESCAPED_ESCAPE, _ESCAPE)


@dataclass(frozen=True, slots=True)
class ReceiverRules:
    """How one receiver differs from the others."""

    capacity: int
    """Unescaped bytes that its buffer holds."""
    deaf_until_taken: bool
    """Stub 2: nothing is received between the end of a frame and its being taken."""
    empty_frames: bool
    """Stub 1: C0 C0 is a frame, whose bytes are those left in the buffer."""
    full_ends_frame: bool
    """Stub 1: a full buffer ends the frame, the rest becomes another; stub 2 and ROM drop it."""
    bad_escape_kept: bool
    """Stub 1: after a bad escape the frame goes on, its bytes are dropped; stub 2 and ROM drop the frame."""
    restart_when_empty: bool = False
    """ROM: a C0 in an empty frame opens it again instead of closing it."""


ROM_RULES: Final = ReceiverRules(0x2000, False, False, False, False, restart_when_empty=True)  # noqa: FBT003  a table row
"""Unconfirmed but for the upload blocks of 0x1800 + 24 bytes that the ROM takes (facts: esp8266-protocol §3.5)."""
STUB1_RULES: Final = ReceiverRules(0x4000 + 64, False, True, True, True)  # noqa: FBT003  a table row
"""Facts: stub-executed §1 rows 1, 4, 8, 9, 13."""
STUB2_RULES: Final = ReceiverRules(8 + 0x4000 + 0xFF, True, False, False, False)  # noqa: FBT003  a table row
"""Facts: stub-executed §1 rows 1 to 13."""


class Receiver:
    """The receiving half of a loader: bytes in, at most one pending frame out.

    Two buffers keep what earlier frames left in them, because short frames are answered from there (facts:
    stub-executed §1 row 10).
    """

    def __init__(self, rules: ReceiverRules) -> None:
        self.rules = rules
        self._stale = [bytearray(rules.capacity), bytearray(rules.capacity)]
        self._filling = 0
        self._open = False
        self._escaping = False
        self._event = False
        self._frame = bytearray()
        self.pending: bytes | None = None
        """The frame that waits to be taken."""
        self.failed = False
        """A frame was dropped; the receiver listens again once that was noticed (`take`)."""

    @property
    def deaf(self) -> bool:
        """Whether bytes are being thrown away until the main loop looks."""
        return self.failed or (self.rules.deaf_until_taken and self.pending is not None)

    @property
    def eventful(self) -> bool:
        """Whether the main loop has something to look at."""
        return self.failed or self.pending is not None

    def take(self) -> bytes | None:
        """The pending frame, or None; either way the receiver listens again."""
        frame, self.pending, self.failed = self.pending, None, False
        return frame

    def stale(self, length: int, frame: bytes) -> bytes:
        """`length` bytes of the buffer that `frame` was received into: the frame, then what was there before."""
        kept = self._stale[1 - self._filling]
        return bytes(kept[:length]) if len(frame) < length else frame[:length]

    def feed(self, data: bytes) -> int:
        """Receive until a frame ends or fails; returns how many bytes that took."""
        at = 0
        while at < len(data):
            if self.deaf and not self._open:
                return len(data)
            if not self._open:
                position = data.find(_END, at)
                if position < 0:
                    return len(data)
                self._begin()
                at = position + 1
                continue
            position = data.find(_END, at)
            end = len(data) if position < 0 else position
            at += self._append(data[at:end])
            if not self._event and position >= 0:
                at += 1
                self._close()
            if self._event:
                self._event = False
                return at
        return at

    def feed_all(self, data: bytes) -> None:
        """Receive all of it, whatever happens on the way."""
        at = 0
        while at < len(data):
            at += self.feed(data[at:])

    def _begin(self) -> None:
        self._open, self._escaping = True, False
        self._frame.clear()

    def _close(self) -> None:
        """What a C0 inside a frame does."""
        self._escaping = False
        if not self._frame and self.rules.restart_when_empty:
            return
        self._open = False
        if self._frame or self.rules.empty_frames:
            self._finish()

    def _finish(self) -> None:
        self._event = True
        frame = bytes(self._frame)
        self._stale[self._filling][: len(frame)] = frame
        self._filling = 1 - self._filling
        self.pending = frame
        self._frame.clear()

    def _append(self, body: bytes) -> int:
        """Add the inside of a frame; returns the bytes used, fewer than given only where the frame ended or failed."""
        if not body:
            return 0
        if not self._escaping and body[-1] != ESCAPE:
            plain = unescape(body)
            if plain is not None and len(self._frame) + len(plain) < self.rules.capacity:
                self._frame += plain
                return len(body)
        for used, byte in enumerate(body, start=1):
            if self._append_byte(byte):
                return used
        return len(body)

    def _append_byte(self, byte: int) -> bool:
        """One byte the slow way; whether it ended or dropped the frame."""
        if self._escaping:
            if byte not in (0xDC, 0xDD):
                if self.rules.bad_escape_kept:
                    return False
                return self._drop()
            self._escaping = False
            byte = END if byte == 0xDC else ESCAPE  # noqa: PLR2004  the escape codes named above
        elif byte == ESCAPE:
            self._escaping = True
            return False
        if len(self._frame) >= self.rules.capacity:
            return self._drop()
        self._frame.append(byte)
        if self.rules.full_ends_frame and len(self._frame) == self.rules.capacity:
            self._finish()
            return True
        return False

    def _drop(self) -> bool:
        self._event = True
        self._open = self._escaping = False
        self._frame.clear()
        self.failed = True
        return True
