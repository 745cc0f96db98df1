"""What came while one baud rate was listened to, and how much of it is text.

Noise has printable bytes too: of random ones every third is, and in the rests of enough of them any short line stands.
So what proves that somebody speaks is not a line, but that most of what came since then is text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from flashpipe.board.boot.patterns import LUA_PROMPT, is_known
from flashpipe.board.session.text import garbage_bytes, readable_stretches

PAUSE_S: Final = 0.02
"""A line that was idle for so long carries something new: the firmware behind the SDK, at another rate."""
NOISE: Final = 12
"""Bytes of garbage that show a wrong rate; a reset makes one or two."""
_BEGINNING: Final = 16
"""Characters by which the beginning of a text is found again."""
_OWN_PROMPTS: Final = 5
"""Prompts that a console shows without a knock: its first one, and those of a question and its answer."""


def _known(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if is_known(line))


@dataclass(slots=True)
class Stay:
    """What came while listening at one rate."""

    baud: int
    since_s: float
    last_s: float
    """Time of the last byte, or of the beginning."""
    rom: bool = False
    """Whether the ROM is expected to speak, rather than the firmware."""
    linger: bool = False
    """At the ROM's rate: stay, to hear why the board does not go on."""
    data: bytearray = field(default_factory=bytearray)
    burst_s: float = 0.0
    """When the bytes after the last pause began to come."""
    knocks: int = 0
    knocked_s: float = -1.0
    noise_after_knock: bool = False
    """Whether garbage came only as an answer."""
    noise_s: float | None = None
    """Since when garbage has come without text after it."""
    _closed: list[tuple[str, int]] = field(default_factory=list)
    """Text and garbage of the bytes before `_pause`: garbage does not reach across it."""
    _pause: int = 0

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes."""
        if now - self.last_s >= PAUSE_S:
            # A few bytes are no piece of their own: noise that comes slowly would be read byte by byte, and half of it
            # is printable.
            if len(self.data) - self._pause >= NOISE:
                self._closed += readable_stretches(bytes(self.data[self._pause :]))
                self._pause = len(self.data)
            self.burst_s = now
        self.data += data
        self.last_s = now

    def garbled(self) -> int:
        """Bytes that make no text."""
        return garbage_bytes(bytes(self.data))

    def text(self) -> str:
        """What can be believed of it.

        That is everything from a point on behind which there is more text than garbage. Of what came before, it is the
        words that are known by heart: of the ROM, of loaders and SDKs, of failures, of firmwares that say their name.
        """
        stretches = [*self._closed, *readable_stretches(bytes(self.data[self._pause :]))]
        begin, balance = len(stretches), 0
        for number in reversed(range(len(stretches))):
            text, garbled = stretches[number]
            balance += len(text) - garbled
            if balance > 0:
                begin = number
        text = _known("".join(text for text, _ in stretches[:begin])) + "".join(text for text, _ in stretches[begin:])
        if len(LUA_PROMPT.findall(text)) > self.knocks + _OWN_PROMPTS:  # nobody has asked for them
            text = LUA_PROMPT.sub("", text)
        return text

    def left_out(self, text: str) -> int:
        """Bytes, but for line ends, that are not in the text that was made of it."""
        return len(self.data.replace(b"\r", b"")) - len(text.encode())

    def skipped(self, text: str) -> int:
        """Bytes before the text that was made of it; 0 where its beginning cannot be found again."""
        return max(0, self.data.replace(b"\r", b"").find(text[:_BEGINNING].encode()))

    def last_text(self) -> str:
        """The same of a rate that is left: where it is left because of garbage, the words known by heart at most."""
        return self.text() if self.noise_s is None else _known(self.text())
