"""Reset a board and watch what it says, by wire, by hand or not at all: a session serves a watcher of boot logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from flashpipe.board.boot.progress import BootProgress
from flashpipe.board.boot.rates import rom_baud
from flashpipe.board.boot.watcher import ALIVE_S, SILENCE_S, SWEEP_S, BootWatcher, SendText, Verdict
from flashpipe.board.session.line import READ_SLICE_S
from flashpipe.board.session.manual_reset import LIMIT_S, STILL_HELD
from flashpipe.board.session.session import Session
from flashpipe.errors import ConnectError
from flashpipe.reset_mode import ResetMode

_SHORTEST_S: Final = 0.001


def boot_check(
    session: Session, *, timeout_s: float, wait_for: str = "", patient: bool = False, passive: bool = False
) -> Verdict:
    """Reset into the application and watch its boot log until it proves something, or says `wait_for`.

    `patient`: silence proves nothing before the time is over. NodeMCU up to 2.x formats its file system at first boot
    without a word, for most of a minute on 4 MB. `passive`: where no wire resets the board and nobody can be asked to,
    judge it as it runs.

    Raises:
        ConnectError: an operator would have to press RESET and nobody can be asked.
        PortLostError: the port went away.
    """
    crystal = session.device.crystal_mhz if session.device else 26

    def watched(silence_s: float, first: bytes = b"") -> Verdict:
        watcher = BootWatcher(
            now=session.clock(),
            crystal_mhz=crystal,
            timeout_s=timeout_s,
            wait_for=wait_for,
            quiet_s=timeout_s if patient else ALIVE_S,
            silence_s=silence_s,
        )
        watcher.feed(first, session.clock())
        return watch(session, watcher, timeout_s)

    if session.restart(rom_baud(crystal)):
        verdict = watched(SILENCE_S)
        if not _sits_in_loader(session, verdict):
            return verdict
        summary = "the reset line does not reach the chip, which is still in its loader"  # a bare module, mostly
        return replace(verdict, kind="download-mode", summary=summary, still_in_loader=True)
    if passive and session.reset == ResetMode.NONE:
        return _as_it_runs(session, watched)
    try:
        return _by_hand(session, lambda first: watched(SILENCE_S, first))
    except ConnectError:  # nobody can be asked
        if passive:
            return _as_it_runs(session, watched)
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
        request = watcher.next(session.clock())
        if isinstance(request, Verdict):
            return request
        if isinstance(request, SendText):
            session.send(request.data)
            continue
        session.tune(request.baud)
        data = session.receive(max(_SHORTEST_S, min(READ_SLICE_S, request.until_s - session.clock())))
        watcher.feed(data, session.clock())
        progress.show(watcher)


def _as_it_runs(session: Session, watched: Callable[[float], Verdict]) -> Verdict:
    """The verdict on a board that nobody resets; every usual rate is knocked at."""
    verdict = watched(SWEEP_S)
    if _sits_in_loader(session, verdict):
        return replace(verdict, kind="download-mode", summary="the chip is in its serial loader; nothing was reset")
    return replace(verdict, summary=f"{verdict.summary}; it was not reset")


def _by_hand(session: Session, watched: Callable[[bytes], Verdict]) -> Verdict:
    """A operator resets the board, again where GPIO0 was still low; the time for the log runs from the reset on."""
    operator, rate, asked_again = session.manual_reset, session.rate, False
    operator.into_application()
    until = operator.clock() + LIMIT_S
    while True:
        session.tune(rate)
        first = b""
        while not first and operator.clock() < until:
            first = session.receive(READ_SLICE_S, from_person=True)
            operator.remind()
        if first:
            operator.board_speaks()
        verdict = watched(first)
        if _sits_in_loader(session, verdict):
            verdict = replace(verdict, kind="download-mode", summary="the chip is still in its loader")
        if verdict.kind == "download-mode" and not asked_again:
            asked_again, until = True, operator.clock() + LIMIT_S
            operator.request(STILL_HELD)
        elif verdict.kind != "silence" or operator.clock() >= until:  # else only a wire was touched
            return verdict


def _sits_in_loader(session: Session, verdict: Verdict) -> bool:
    """Whether a silent board turns out to sit in its loader."""
    return verdict.kind == "silence" and session.in_loader()
