"""At which rate a monitor listens: the firmware's, and the ROM's where a board starts again and again without a word.

The chip's ROM and SDK talk at a rate of their own (facts: esp8266 §2.4), and so does a crash before the firmware has
set its own: garbage at the firmware's rate. Bytes that are lost so do not come back, but such a board says the same
again. Without any I/O:

1. One burst of garbage is a start; what the firmware says behind it must not be missed. Stay.
2. Another burst before a readable word, or one that is longer than any start: why it starts again is what counts.
   Listen at the ROM's rate until that is heard.
3. Garbage there is the firmware, at its own rate: back at once. So is a long silence, for somebody may want to type.
"""

from __future__ import annotations

from typing import Final

from flashpipe.board.boot.stay import NOISE
from flashpipe.board.session.text import garbage_bytes, stretches

ROM_BAUD: Final = 74880
"""Of a board with a crystal of 26 MHz, which nearly all have."""
TEXT: Final = 8
"""Printable characters in a row that show the right rate: noise has no more than seven (`session.text`)."""
START_BYTES: Final = 1500
"""No ROM, loader and SDK say more in one start."""
PAUSE_S: Final = 0.6
"""No pause within a start is longer."""
STALE_S: Final = 0.06
"""Garbage right after a change of the rate was sampled before it, and says nothing of the new one."""
SILENCE_S: Final = 9.0
"""Longer than the hardware watchdog takes to reset a firmware that hangs."""
AGAIN_S: Final = 3.0
"""Where the ROM's rate gave garbage as well, it is not tried again before."""
_KEPT: Final = 1024


class RateFollower:
    """Says which rate to listen at, from bytes and times. Times are seconds of any one clock."""

    def __init__(self, firmware_baud: int) -> None:
        """`firmware_baud`: where it talks as a rule; if that is the ROM's, there is nothing to follow."""
        self._firmware_baud = firmware_baud
        self.baud = firmware_baud
        """The rate to listen at."""
        self._window = b""
        """What came at this rate since the last text at the firmware's."""
        self._count = self._bursts = 0
        """Bytes and bursts of it."""
        self._last_s = float("-inf")
        self._stale_s = self._not_before_s = float("-inf")
        self.any_text = self.any_garbage = False
        """Whether some of what came was readable, and some was not."""

    def hear(self, data: bytes, now: float) -> None:
        """Take bytes that came at `baud`."""
        if now < self._stale_s and garbage_bytes(data):
            return
        self._bursts += now - self._last_s >= PAUSE_S
        self._window = (self._window + data)[-_KEPT:]
        self._count += len(data)
        self._last_s = now
        text, garbage = self._is_text(), garbage_bytes(self._window) >= NOISE
        self.any_text |= text
        self.any_garbage |= garbage
        if self.baud != self._firmware_baud:
            if garbage and not text:
                self._not_before_s = now + AGAIN_S
                self._listen_at(self._firmware_baud, now)
        elif text:
            self._window, self._count, self._bursts = b"", 0, 0
        elif garbage and now >= self._not_before_s and (self._bursts > 1 or self._count >= START_BYTES):
            self._listen_at(ROM_BAUD, now)

    def look(self, now: float) -> None:
        """Time has passed."""
        if self.baud != self._firmware_baud and now - self._last_s >= SILENCE_S:
            self._listen_at(self._firmware_baud, now)

    def typed(self, now: float) -> None:
        """Somebody types for the firmware."""
        if self.baud != self._firmware_baud:
            self._listen_at(self._firmware_baud, now)

    def _listen_at(self, baud: int, now: float) -> None:
        self.baud, self._window, self._count, self._bursts = baud, b"", 0, 0
        self._last_s, self._stale_s = now, now + STALE_S

    def _is_text(self) -> bool:
        """Whether what came last is readable."""
        text = list(stretches(self._window))[-1][0]
        return sum(char.isprintable() for char in text.decode("ascii", "ignore")) >= TEXT
