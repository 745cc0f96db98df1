"""A plain serial monitor: what the board says, what you type. The board is not reset, and others may have the port."""

from __future__ import annotations

import codecs
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from flashpipe.board.ports.lock import PortLock, PortOwner, owner_of, wait_until_free
from flashpipe.board.session.session import Session
from flashpipe.board.session.text import garbage_bytes, readable
from flashpipe.errors import PortBusyError
from flashpipe.text.crash_names import CrashAnnotator
from flashpipe.values import dataclass

FIRMWARE_BAUD: Final = 115200
"""What NodeMCU and most firmware talk at (facts: esp8266 §2.6)."""
_NOISE: Final = 12
_TEXT: Final = 8
"""Bytes that no text can be made of, and letters of text, that say something about the rate."""
_NOISE_S: Final = 3.0
"""So long nothing but the former: the log of the ROM, at a rate of its own, is over in a twentieth of a second."""
_KEPT: Final = 512
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
        owner_of = self._typed[: self._seen] if self._seen < len(self._typed) - 1 else ""  # that was no echo
        self._typed, self._seen = "", 0
        return owner_of + char


class RateDoubt:
    """Notices that what comes is no text at this rate."""

    def __init__(self) -> None:
        self._heard, self._said = b"", False
        self._since: float | None = None

    def hear(self, data: bytes, now: float) -> bool:
        """Whether it is time to say so, which is once; `now` in seconds."""
        if self._said:
            return False
        self._heard = (self._heard + data)[-_KEPT:]
        if len(readable(self._heard).strip()) >= _TEXT:
            self._heard, self._since = b"", None
        elif garbage_bytes(self._heard) >= _NOISE:
            self._since = now if self._since is None else self._since
            self._said = now - self._since >= _NOISE_S
        return self._said


def monitor(
    session: Session,
    *,
    stop: threading.Event,
    gentle: threading.Event,
    baud: int = FIRMWARE_BAUD,
    before: str = "",
    places: CrashAnnotator | None = None,
) -> None:
    """Copy the line to standard output, and typed lines to the board, until Ctrl-C or the port goes away.

    The port is given to whoever asks for it on this machine, a flash for instance; what that tells is shown, and
    afterwards the port is taken again, without resetting the board.

    Args:
        session: Not necessarily open.
        stop: Set when asked to end.
        gentle: Set by us while that is a good end.
        baud: Rate to listen and talk at.
        before: What the board has said on this session already.
        places: Names the addresses of crashes.

    Raises:
        PortError: the port cannot be opened, or went away.
    """
    session.offers = True
    session.open()  # what is typed from here on has somewhere to go
    gentle.set()
    session.say(f"monitor on {session.port}, {baud} baud; Ctrl-C ends it")
    screen, places, doubt = Screen(), places or CrashAnnotator(lambda _line: []), RateDoubt()
    _show(places.show(before))
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_type, args=(session, screen, stop), daemon=True).start()

    def text(data: bytes) -> str:
        if doubt.hear(data, time.monotonic()):
            session.say(
                f"what comes is no text at {baud} baud: `flashpipe monitor baud=9600` listens at another rate "
                "(the ROM's own log is at 74880)"
            )
        return places.show(screen.show(data))

    try:
        while not stop.is_set():
            asker = _listen(session, baud, text, stop)
            if asker is not None:
                _step_aside(session, asker, stop)
    finally:
        gentle.clear()
        stop.clear()


def _listen(session: Session, baud: int, text: Callable[[bytes], str], stop: threading.Event) -> PortOwner | None:
    """Show what the board says until somebody asks for the port, or for an end."""
    lock = session.lock
    assert lock is not None
    lock.offer()
    end = _End(lock, stop)
    for data in session.listen(baud, end):
        _show(text(data))
    return end.asker


@dataclass
class _End:
    """The end of listening: somebody wants the port, or an end."""

    lock: PortLock
    stop: threading.Event
    asker: PortOwner | None = None

    def is_set(self) -> bool:
        self.asker = self.asker or self.lock.asked()
        return self.asker is not None or self.stop.is_set()


def _step_aside(session: Session, asker: PortOwner, stop: threading.Event) -> None:
    session.close()
    session.say(f"{session.port}: given to {asker}")
    while wait_until_free(session.port, stop.is_set, lambda line: session.say(f"| {line}")):
        try:
            session.open()
        except PortBusyError:
            if not owner_of(session.port):
                raise  # by a program that asks nobody
            continue
        session.say(f"{session.port}: free again, the monitor goes on; it has not reset the board")
        return


def _show(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _type(session: Session, screen: Screen, stop: threading.Event) -> None:
    while not stop.is_set():
        line = sys.stdin.readline()
        if not line:
            return
        screen.typed(line.rstrip("\n"))
        if session.lock is None:
            session.say("not sent: the port is given away")
        else:
            session.send(line.rstrip("\n").encode() + b"\r\n")
