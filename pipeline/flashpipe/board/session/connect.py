"""From an open port to a known chip: reset, synchronise, start the stub, raise the rate, identify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.board.loader import chips
from flashpipe.board.loader.device import Device
from flashpipe.board.loader.link import ANSWER_LIMIT_S, ROM_BAUD, EsptoolLoader
from flashpipe.board.loader.spi_clock import HALF, QUARTER, clock_bits, set_clock
from flashpipe.board.ports.memory import note_slow_start, starts_slowly
from flashpipe.board.session.auto_rate import TRIAL_S
from flashpipe.board.session.fallbacks import Fallbacks
from flashpipe.board.session.line import SerialLine
from flashpipe.board.session.manual_reset import ManualReset
from flashpipe.errors import ConnectError, FlashUnknownError, WireError, WrongChipError
from flashpipe.reset_mode import NO_WIRE, ResetMode

FAST_START: Final = 460800
"""Highest rate for a first synchronisation. The ROM measures the host's rate, its ceiling is unconfirmed (facts:
esp8266-protocol §3.3); the stub goes on from there to what is asked for."""
ROUNDS: Final = 5
OTHER_ROUNDS: Final = 2
"""Resets with the declared sequence, and with another one that is tried after it failed."""


def connect(
    line: SerialLine,
    link: EsptoolLoader,
    fallbacks: Fallbacks,
    manual_reset: ManualReset,
    identified: Callable[[str], None],
) -> Device:
    """Reach the loader, at the higher rate first where that can save the slow upload of the stub.

    `identified` is told the MAC before the stub is sent.

    Raises:
        ConnectError: it does not answer.
        WrongChipError: it is not an ESP8266.
        FlashUnknownError: its flash does not answer.
        WireError: the conversation broke.
    """
    fast = min(fallbacks.settings.baud, FAST_START)
    quick = fallbacks.settings.stub and line.resets_by_wire and not starts_slowly(line.port)
    if fast > ROM_BAUD and quick:
        try:
            _reach_loader_fast(line, link, fallbacks, fast)
            return start_stub_and_identify(line, link, fallbacks, identified)
        except ConnectError:
            pass  # it was not reached: no rate that comes later has failed
        except (WireError, WrongChipError):
            if fallbacks.settings.baud > fallbacks.declared.baud:
                raise  # what failed is a rate that nobody ordered
        # The slower rate gives the last word.
        _reach_loader(line, link, fallbacks, manual_reset)
        slow = not link.stub_runs  # a stub that was left at the lower rate says nothing about the higher one
        device = start_stub_and_identify(line, link, fallbacks, identified)
        if slow:
            note_slow_start(line.port)
        return device
    _reach_loader(line, link, fallbacks, manual_reset)
    return start_stub_and_identify(line, link, fallbacks, identified)


def start_stub_and_identify(
    line: SerialLine, link: EsptoolLoader, fallbacks: Fallbacks, identified: Callable[[str], None]
) -> Device:
    """From a loader that answers to a stub at the rate that the board deserves, and what the board is."""
    link.check_chip()
    words, divider, found_at = link.efuses(), link.uart_divider(), line.rate
    line.check_stop()
    if link.stub_runs and clock_bits(link) == HALF:
        set_clock(link, QUARTER)  # it was left so by a run that was killed
    mac = chips.decode_mac(words)
    identified(mac)
    link.start_stub()
    fallbacks.board_identified(mac)
    link.block = fallbacks.settings.block
    baud = fallbacks.settings.baud
    link.change_baud(baud, TRIAL_S if baud > fallbacks.declared.baud else ANSWER_LIMIT_S)
    line.check_stop()
    device = _identify(line, link, words, divider, found_at)
    if device.flash_size is not None:
        link.set_flash_size(device.flash_size)
    return device


def _reach_loader_fast(line: SerialLine, link: EsptoolLoader, fallbacks: Fallbacks, baud: int) -> None:
    if not link.sync(attempts=1, baud=baud):  # each attempt delays a board that has to be reset by 0.1 s
        sequence = fallbacks.settings.sequence
        link.reset_into_loader(sequence, rounds=1, on_round=lambda _number: line.check_stop(), baud=baud)


def _reach_loader(line: SerialLine, link: EsptoolLoader, fallbacks: Fallbacks, manual_reset: ManualReset) -> None:
    if link.sync():
        return
    # Perhaps an earlier run left its stub at the higher rate; where no wire resets it, that is worth a try.
    baud = fallbacks.settings.baud
    if line.reset in NO_WIRE and baud != ROM_BAUD and link.sync(baud=baud):
        return
    if line.reset == ResetMode.NONE and link.other_stub:
        raise ConnectError(
            f"{line.port}: a stub runs that is not version {link.stub_version}, and reset=none forbids a reset",
            "put it into download mode (GPIO0 low, then RESET), or leave out reset=none",
        )
    if line.reset == ResetMode.NONE:
        raise ConnectError(
            f"{line.port}: no loader answers and reset=none forbids to reset the board",
            "put it into download mode (GPIO0 low, then RESET), or leave out reset=none",
        )
    if not line.resets_by_wire:
        manual_reset.into_loader(lambda: link.sync(attempts=3), line.check_stop)
        return
    settings, declared = fallbacks.settings, fallbacks.declared
    rounds = OTHER_ROUNDS if settings.sequence != declared.sequence else ROUNDS
    link.reset_into_loader(settings.sequence, rounds, on_round=lambda _number: line.check_stop())


def _identify(
    line: SerialLine, link: EsptoolLoader, words: tuple[int, int, int, int], divider: int, found_at: int
) -> Device:
    chip = chips.identify_chip(words)
    flash_id = link.flash_id()
    if flash_id & 0xFF in {0x00, 0xFF}:
        raise FlashUnknownError(
            f"{line.port}: the flash does not answer (ID {flash_id:#08x})",
            "check the 3.3 V supply and that nothing is connected to GPIO6 to GPIO11",
            silent=True,
        )
    part = chips.describe_flash(flash_id)
    return Device(
        port=line.port,
        chip=chip.name,
        family=chip.family,
        features=tuple(chip.features),
        mac=chips.decode_mac(words),
        crystal_mhz=chips.crystal_mhz(found_at, divider),
        flash_id=flash_id,
        flash_size=part.size,
        flash_part=f"{part.manufacturer} {part.part}".strip(),
        virtual=line.virtual,
    )
