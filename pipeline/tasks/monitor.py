"""A plain serial monitor: what the board says, what you type. The board is not reset."""

from __future__ import annotations

import codecs
import sys
import threading
from typing import Final

from pipeline.board.session import Session

FIRMWARE_BAUD: Final = 115200
"""What NodeMCU and most firmware talk at (facts: esp8266 §2.6)."""
_SHOWN_CONTROLS: Final = frozenset("\t\n\b")
"""Others stay away from the terminal: a ROM log, at another rate, is garbage that may switch its character set."""


class Screen:
    """Bytes of the board to text for a terminal that has shown the typed line itself."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._typed, self._seen = "", 0
        self._lock = threading.Lock()

    def typed(self, line: str) -> None:
        """The terminal showed `line`: the board's echo of it is not shown again."""
        with self._lock:
            self._typed, self._seen = f"{line}\n", 0

    def show(self, data: bytes) -> str:
        """The text to write for `data`; characters and line ends may be spread over several calls."""
        with self._lock:
            return "".join(map(self._new, self._decoder.decode(data)))

    def _new(self, char: str) -> str:
        if not (char.isprintable() or char in _SHOWN_CONTROLS):
            return ""
        if self._typed[self._seen :].startswith(char):
            self._seen += 1
            return ""
        held = self._typed[: self._seen] if self._seen < len(self._typed) - 1 else ""  # that was no echo
        self._typed, self._seen = "", 0
        return held + char


def monitor(session: Session, *, stop: threading.Event, gentle: threading.Event) -> None:
    """Copy the line to standard output, and typed lines to the board, until Ctrl-C or the port goes away.

    Raises:
        PortError: the port cannot be opened, or went away.
    """
    session.open()  # what is typed from here on has somewhere to go
    gentle.set()
    session.say(f"monitor on {session.port}, {FIRMWARE_BAUD} baud; Ctrl-C ends it")
    screen = Screen()
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_type, args=(session, screen, stop), daemon=True).start()
    encoding = sys.stdout.encoding or "utf-8"
    try:
        for data in session.listen(FIRMWARE_BAUD, stop):
            sys.stdout.write(screen.show(data).encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()
    finally:
        gentle.clear()
        stop.clear()


def _type(session: Session, screen: Screen, stop: threading.Event) -> None:
    while not stop.is_set():
        line = sys.stdin.readline()
        if not line:
            return
        screen.typed(line.rstrip("\n"))
        session.send(line.rstrip("\n").encode() + b"\r\n")
