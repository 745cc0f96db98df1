"""Reset a board and watch what it says, by wire, by hand or not at all: a session serves a watcher of boot logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from flashpipe.board.boot.progress import BootProgress
from flashpipe.board.boot.watcher import ALIVE_S, SILENCE_S, SWEEP_S, BootWatcher, SendText, Verdict, rom_baud
from flashpipe.board.session.manual_reset import LIMIT_S, STILL_HELD
from flashpipe.board.session.session import READ_SLICE_S, Session
from flashpipe.errors import ConnectError

NO_WIRE: Final = "the reset line does not reach the chip, which is still in its loader"
"""What is wrong with a silent board whose loader answers; bare modules on plain adapters are such boards."""
IN_LOADER: Final = "the chip is in its serial loader; nothing was reset"
_SHORTEST_S: Final = 0.001


def boot(
    session: Session, *, timeout_s: float, wait_for: str = "", patient: bool = False, look: bool = False
) -> Verdict:
    """Reset into the application and watch its boot log until it proves something, or says `wait_for`.

    `patient`: silence proves nothing before the time is over. NodeMCU up to 2.x formats its file system at first boot
    without a word, for most of a minute on 4 MB. `look`: where no wire resets the board and nobody can be asked to,
    judge it as it runs.

    Raises:
        ConnectError: a person would have to press RESET and nobody can be asked.
        PortLostError: the port went away.
    """
    crystal = session.device.crystal_mhz if session.device else 26

    def watched(silence_s: float, first: bytes = b"") -> Verdict:
        watcher = BootWatcher(
            now=time.monotonic(),
            crystal_mhz=crystal,
            timeout_s=timeout_s,
            wait_for=wait_for,
            quiet_s=timeout_s if patient else ALIVE_S,
            silence_s=silence_s,
        )
        watcher.feed(first, time.monotonic())
        return watch(session, watcher, timeout_s)

    if session.restart(rom_baud(crystal)):
        return _unless_in_loader(session, watched(SILENCE_S), NO_WIRE)
    if look and session.reset == "none":
        return _look(session, watched)
    try:
        return _by_hand(session, lambda first: watched(SILENCE_S, first))
    except ConnectError:  # nobody can be asked
        if look:
            return _look(session, watched)
        raise


def watch(session: Session, watcher: BootWatcher, timeout_s: float) -> Verdict:
    """Serve a watcher with what the line says until it gives its verdict.

    Raises:
        PortLostError: the port went away.
        StoppedError: somebody asked to stop.
    """
    progress = BootProgress(session.port, session.listener, timeout_s)
    while True:
        session.check_stop()
        wish = watcher.next(time.monotonic())
        if isinstance(wish, Verdict):
            return wish
        if isinstance(wish, SendText):
            session.send(wish.data)
            continue
        session.tune(wish.baud)
        data = session.hear(max(_SHORTEST_S, min(READ_SLICE_S, wish.until_s - time.monotonic())))
        watcher.feed(data, time.monotonic())
        progress.show(watcher)


def _look(session: Session, watched: Callable[[float], Verdict]) -> Verdict:
    """The verdict on a board as it runs; every usual rate is knocked at."""
    verdict = _unless_in_loader(session, watched(SWEEP_S), IN_LOADER)
    return verdict if verdict.summary == IN_LOADER else replace(verdict, summary=f"{verdict.summary}; it was not reset")


def _by_hand(session: Session, watched: Callable[[bytes], Verdict]) -> Verdict:
    """A person resets the board, again where GPIO0 was still low; the time for the log runs from the reset on."""
    person, rate, asked_again = session.hands, session.rate, False
    person.into_application()
    until = person.clock() + LIMIT_S
    while True:
        session.tune(rate)
        first = b""
        while not first and person.clock() < until:
            first = session.hear(READ_SLICE_S)
            person.remind()
        if first:
            person.heard()
        verdict = _unless_in_loader(session, watched(first), "the chip is still in its loader")
        if verdict.kind == "download-mode" and not asked_again:
            asked_again, until = True, person.clock() + LIMIT_S
            person.request(STILL_HELD)
        elif verdict.kind != "silence" or person.clock() >= until:  # else only a wire was touched
            return verdict


def _unless_in_loader(session: Session, verdict: Verdict, summary: str) -> Verdict:
    """The verdict, but where a silent board turns out to sit in its loader."""
    if verdict.kind != "silence" or not session.in_loader():
        return verdict
    return replace(verdict, kind="download-mode", summary=summary)
