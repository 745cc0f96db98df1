"""A plain serial monitor: what the board says, what you type. The board is not reset, and others may have the port."""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Final

from flashpipe.board.boot.follower import RateFollower
from flashpipe.board.ports.lock import PortLock, PortOwner, owner_of, wait_until_free
from flashpipe.board.session.session import Session
from flashpipe.board.session.text import garbage_bytes, readable
from flashpipe.errors import PortBusyError
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
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
        kept_back = self._typed[: self._seen] if self._seen < len(self._typed) - 1 else ""  # that was no echo
        self._typed, self._seen = "", 0
        return kept_back + char


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


def _never() -> bool:
    return False


def _nothing(owner: str) -> None:
    del owner


def monitor(
    board: BoardRun,
    show: Callable[[str], None],
    typed: Iterable[str] = (),
    *,
    rate_given: bool,
    ended: Callable[[], bool] = _never,
) -> RateFollower:
    """Show what a board says, and send it typed lines, until Ctrl-C or the port goes away.

    After a boot check in the same run it goes on where that ended, at the rate that was understood. Where a reset, or a
    crash before the firmware sets its rate, is told at the ROM's, that one is listened to for as long as it takes.

    Args:
        board: Not necessarily connected.
        show: Takes the board's text.
        typed: Lines for the board, as they come; waited for in a thread of its own.
        rate_given: Whether `baud=` is the rate to listen at, not that of a write phase.
        ended: Whether enough was seen; asked many times a second.

    Returns:
        What is known of the rates at the end.

    Raises:
        PipelineError: the port cannot be opened, or went away; or a bad profile.
    """
    session, booted, baud = board.session(), board.last_outcome().verdict, FIRMWARE_BAUD
    if booted.log:
        baud = session.rate
        if lost := sum(gap.size for gap in booted.gaps):
            session.notify(f"its boot log lacks {lost} bytes that make no text at the rate that was listened at")
    elif rate_given and not board.inputs.serial().auto_baud:
        baud = board.inputs.serial().baud
    return listen(session, show, typed, baud=baud, before=booted.log, ended=ended, stop=board.stop)


def listen(
    session: Session,
    show: Callable[[str], None],
    typed: Iterable[str] = (),
    *,
    baud: int,
    before: str = "",
    ended: Callable[[], bool] = _never,
    stop: threading.Event = sessions.stop,
    given: Callable[[str], None] = _nothing,
) -> RateFollower:
    """As `monitor`, on a session, not necessarily open; `stop` ends it.

    The port is given to whoever asks for it on this machine, a flash for instance; what that tells is shown, and
    afterwards the port is taken again, without resetting the board. `given` is told who has it; empty: we do again.

    Raises:
        PortError: the port cannot be opened, or went away.
    """
    session.offers = True
    session.open()  # what is typed from here on has somewhere to go
    screen, doubt, rates = Screen(), RateDoubt(), RateFollower(baud)

    def follow() -> None:
        """Listen at the rate that tells most."""
        rates.look(time.monotonic())
        if session.lock is not None and session.rate != rates.baud:
            session.tune(rates.baud)

    def show_bytes(data: bytes) -> None:
        rates.hear(data, time.monotonic())
        if doubt.hear(data, time.monotonic()):
            session.notify(
                f"what comes is no text at {baud} baud: `flashpipe monitor baud=9600` listens at another rate "
                "(the ROM's own log is at 74880)"
            )
        show(screen.show(data))
        follow()

    def over() -> bool:
        follow()
        return ended()

    # What ends with the process alone ends well on the first Ctrl-C; where others are at work, that is for all of them.
    with sessions.ending_gently() if stop is sessions.stop else nullcontext():
        session.notify(f"monitor on {session.port}, {baud} baud" + "; Ctrl-C ends it" * (stop is sessions.stop))
        show(before)
        threading.Thread(target=_send_typed, args=(session, screen, rates, typed, stop), daemon=True).start()
        while not (stop.is_set() or ended()):
            asker = _until_asked(session, rates.baud, show_bytes, stop, over)
            if asker is not None:
                given(asker.program or "another program")
                _step_aside(session, asker, stop)
                given("")
    return rates


def _until_asked(
    session: Session, baud: int, show: Callable[[bytes], None], stop: threading.Event, ended: Callable[[], bool]
) -> PortOwner | None:
    """Show what the board says until somebody asks for the port, or for an end."""
    lock = session.lock
    assert lock is not None
    lock.offer()
    end = _End(lock, stop, ended)
    for data in session.listen(baud, end):
        show(data)
    return end.asker


@dataclass
class _End:
    """The end of listening: somebody wants the port, or an end."""

    lock: PortLock
    stop: threading.Event
    ended: Callable[[], bool]
    asker: PortOwner | None = None

    def is_set(self) -> bool:
        self.asker = self.asker or self.lock.asked()
        return self.asker is not None or self.stop.is_set() or self.ended()


def _step_aside(session: Session, asker: PortOwner, stop: threading.Event) -> None:
    session.release()
    session.notify(f"{session.port}: given to {asker}")
    while wait_until_free(session.port, stop.is_set, lambda line: session.notify(f"| {line}")):
        try:
            session.open()
        except PortBusyError:
            if not owner_of(session.port):
                raise  # by a program that asks nobody
            continue
        session.notify(f"{session.port}: free again, the monitor goes on; it has not reset the board")
        return


def _send_typed(
    session: Session, screen: Screen, rates: RateFollower, typed: Iterable[str], stop: threading.Event
) -> None:
    for line in typed:
        if stop.is_set():
            return
        screen.typed(line.rstrip("\n"))
        if session.lock is None:
            session.notify("not sent: the port is given away")
        else:
            rates.typed(time.monotonic())
            if session.rate != rates.baud:
                session.tune(rates.baud)
            session.send(line.rstrip("\n").encode() + b"\r\n")
