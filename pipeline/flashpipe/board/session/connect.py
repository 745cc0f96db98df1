"""From an open port to a known chip: reset, synchronise, start the stub, raise the rate, identify."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from flashpipe.board.loader import chips
from flashpipe.board.loader.device import Device
from flashpipe.board.loader.link import ROM_BAUD, EsptoolLoader
from flashpipe.board.ports.memory import note_slow_start, starts_slowly
from flashpipe.errors import ConnectError, FlashUnknownError, WireError, WrongChipError

if TYPE_CHECKING:
    from flashpipe.board.session.session import Session

FAST_START: Final = 460800
"""Highest rate for a first synchronisation. The ROM measures the host's rate, its ceiling is unconfirmed (facts:
esp8266-protocol §3.3); the stub goes on from there to what is wished."""
ROUNDS: Final = 5
OTHER_ROUNDS: Final = 2
"""Resets with the declared sequence, and with another one that is tried after it failed."""


def connect(session: Session, link: EsptoolLoader) -> Device:
    """Reach the loader, at the higher rate first where that can save the slow upload of the stub.

    Raises:
        ConnectError: it does not answer.
        WrongChipError: it is not an ESP8266.
        FlashUnknownError: its flash does not answer.
        WireError: the conversation broke.
    """
    fast = min(session.baud, FAST_START)
    quick = session.ladder.way.stub and session.resets_by_wire and not starts_slowly(session.port)
    if fast > ROM_BAUD and quick:
        with suppress(ConnectError, WireError, WrongChipError):  # the slower rate gives the last word
            _reach_loader_fast(session, link, fast)
            return _start_stub_and_identify(session, link)
        _reach_loader(session, link)
        slow = not link.stub_runs  # a stub that was left at the lower rate says nothing about the higher one
        device = _start_stub_and_identify(session, link)
        if slow:
            note_slow_start(session.port)
        return device
    _reach_loader(session, link)
    return _start_stub_and_identify(session, link)


def _reach_loader_fast(session: Session, link: EsptoolLoader, baud: int) -> None:
    if not link.sync(attempts=1, baud=baud):  # each attempt delays a board that has to be reset by 0.1 s
        sequence = session.ladder.way.sequence
        link.reset_into_loader(sequence, rounds=1, on_round=lambda _number: session.check_stop(), baud=baud)


def _start_stub_and_identify(session: Session, link: EsptoolLoader) -> Device:
    link.check_chip()
    words, divider, found_at = link.efuses(), link.uart_divider(), session.rate
    session.check_stop()
    link.start_stub()
    session.ladder.met(chips.decode_mac(words))
    session.baud, link.block = session.ladder.way.baud, session.ladder.way.block
    link.change_baud(session.baud)
    session.check_stop()
    device = _identify(session, link, words, divider, found_at)
    if device.flash_size is not None:
        link.set_flash_size(device.flash_size)
    return device


def _reach_loader(session: Session, link: EsptoolLoader) -> None:
    if link.sync():
        return
    # Perhaps an earlier run left its stub at the higher rate; where no wire resets it, that is worth a try.
    if session.reset in {"none", "manual"} and session.baud != ROM_BAUD and link.sync(baud=session.baud):
        return
    if session.reset == "none":
        raise ConnectError(
            f"{session.port}: no loader answers and reset=none forbids to reset the board",
            "put it into download mode (GPIO0 low, then RESET), or leave out reset=none",
        )
    if not session.resets_by_wire:
        session.hands.into_loader(lambda: link.sync(attempts=3), session.check_stop)
        return
    way, declared = session.ladder.way, session.ladder.declared
    rounds = OTHER_ROUNDS if way.sequence != declared.sequence else ROUNDS
    link.reset_into_loader(way.sequence, rounds, on_round=lambda _number: session.check_stop())


def _identify(
    session: Session, link: EsptoolLoader, words: tuple[int, int, int, int], divider: int, found_at: int
) -> Device:
    chip = chips.identify_chip(words)
    flash_id = link.flash_id()
    if flash_id & 0xFF in {0x00, 0xFF}:
        raise FlashUnknownError(
            f"{session.port}: the flash does not answer (ID {flash_id:#08x})",
            "check the 3.3 V supply and that nothing is connected to GPIO6 to GPIO11",
        )
    part = chips.describe_flash(flash_id)
    return Device(
        port=session.port,
        chip=chip.name,
        family=chip.family,
        features=tuple(chip.features),
        mac=chips.decode_mac(words),
        crystal_mhz=chips.crystal_mhz(found_at, divider),
        flash_id=flash_id,
        flash_size=part.size,
        flash_part=f"{part.manufacturer} {part.part}".strip(),
        virtual=session.virtual,
    )
