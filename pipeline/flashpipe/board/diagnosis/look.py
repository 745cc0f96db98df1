"""After a failure: a short look at the line and the chip, for the rules of `diagnosis`. Nothing is written to flash.

It takes two seconds at most. It leaves the chip in its loader, or running, and what the session does next (`leave`)
is the same as without it. No foreseen failure comes out of here: what could not be findings out is left open.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from flashpipe.board.boot.rates import rom_baud
from flashpipe.board.boot.watcher import KNOCK
from flashpipe.board.diagnosis.evidence import (
    INTO_APPLICATION,
    INTO_LOADER,
    KNOCKED,
    MISREAD,
    UNTOUCHED,
    Findings,
    LineSounds,
)
from flashpipe.board.loader.link import MAGIC_ESP8266, MAGIC_REGISTER, ROM_BAUD, EsptoolLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.ports.lock import find_owners
from flashpipe.board.ports.names import is_url
from flashpipe.board.session.session import Session
from flashpipe.board.session.text import untorn
from flashpipe.errors import (
    BootError,
    ConnectError,
    FlashReachError,
    NoPortError,
    PipelineError,
    PortBusyError,
    PortLostError,
    VerifyError,
    WireError,
)
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.reset_mode import custom_sequence

BANNER_S: Final = 0.35
"""The ROM speaks within milliseconds of a reset; EN rises slowly on some boards."""
LISTEN_S: Final = 0.35
QUIET_S: Final = 0.08
"""A pause that ends a text."""
QUESTIONS: Final = 60
"""Some 1.5 KB in all: a line that damages one byte in a thousand mostly shows."""
QUESTION_S: Final = 0.2
LATE_S: Final = 0.5
"""An answer that a busy computer has let come too late is there by then, and one that was lost is not."""
CONSOLE_BAUD: Final = 115200
"""What NodeMCU and most firmware talk at (facts: esp8266 §2.6)."""
BLOCK: Final = 0x10000
BLOCKS: Final = 16
READ_STATUS: Final = 0x05
"""RDSR, the same in every part (facts: flash-timing §6)."""
SIZES: Final = tuple(0x40000 << step for step in range(6))
"""Real sizes that a part may have which claims more."""

QUIET_KINDS: Final = frozenset({"silence", "alive"})
"""Boot verdicts that a lost supply gives as well."""

PlannedBytes = Callable[[Region], bytes | None]
"""The plan's bytes of a region, None where it has none."""


def look_after_failure(
    session: Session, error: PipelineError, *, planned: Sequence[Region] = (), planned_bytes: PlannedBytes | None = None
) -> Findings:
    """Look at the line and the chip as far as the failure leaves room for it."""
    if session.wire is None:
        return Findings(holders=_owners(session.port)) if error.code == PortBusyError.code else Findings()
    look = _fitting_look(session, error)
    if look == "flash":
        return _quietly(lambda: _flash(session, planned, planned_bytes))
    if look == "flash-again":
        return _quietly(lambda: _flash_again(session, planned, planned_bytes))
    return _quietly(lambda: _LOOKS[look](session)) if look else Findings()


def _quietly(look: Callable[[], Findings]) -> Findings:
    with suppress(PipelineError, OSError):  # the port goes away now: then that is not known
        return look()
    return Findings()


def _fitting_look(session: Session, error: PipelineError) -> str:
    """Name of the look that a failure deserves; empty: its message says all."""
    if error.code == PortLostError.code:
        return "port"
    if session.device is None:
        return "unreached" if isinstance(error, ConnectError | WireError) else ""
    if isinstance(error, BootError):
        kind = error.verdict.kind if error.verdict is not None else ""
        return "boot" if kind in QUIET_KINDS else "flash-again" if kind in MISREAD else ""
    if isinstance(error, WireError) and not isinstance(error, FlashReachError):
        return "broken-off"
    changed = not {"write", "erase"}.isdisjoint(dict(session.step_times))
    return "flash" if isinstance(error, VerifyError) and changed else ""


def _owners(port: str) -> tuple[str, ...]:
    return tuple(str(owner) for owner in find_owners(port)) if not is_url(port) else ()


def look_at_board(session: Session) -> Findings:
    """The quality of the line and the state of the flash of a board that answers."""
    link = session.link
    asked, answered = _questions(link, session.wire)
    findings = Findings(loader_answers=True, asked=asked, answered=answered)
    with suppress(PipelineError):
        findings = replace(findings, flash_status=link.flash_status())
        findings = replace(findings, wraps_at=_wrap(link, session.device.flash_size if session.device else None))
    return findings


# --- the port --------------------------------------------------------------------------------------------------------


def _reopen(session: Session) -> Findings:
    session.close()
    try:
        session.open()
    except PortBusyError:
        return Findings(reopened="busy", holders=_owners(session.port))
    except NoPortError:
        return Findings(reopened="missing")
    except PipelineError:
        return Findings(reopened="refused")
    return Findings(reopened="there")


def _pulses(session: Session) -> bool:
    """Whether the reset line can be pulsed, as far as this end knows: a pty has no modem lines at all."""
    if not session.resets_by_wire or is_url(session.port):
        return session.resets_by_wire
    try:
        return isinstance(session.wire.cts, bool)
    except OSError:
        return False


# --- listening -------------------------------------------------------------------------------------------------------


def _listen(port: Any, when: str, baud: int, limit_s: float) -> LineSounds:
    """What comes at `baud`, until a pause after text or `limit_s`."""
    if port.baudrate != baud:
        port.baudrate = baud
    data, now = b"", time.monotonic()
    deadline, before = now + limit_s, port.timeout
    port.timeout = 0.02
    try:
        last = now
        while now < deadline and not (data and now - last > QUIET_S):
            piece = port.read(max(1, port.in_waiting))
            now = time.monotonic()
            data, last = data + piece, now if piece else last
    finally:
        port.timeout = before
    return LineSounds(when, baud, len(data), untorn(data))


def _after_reset(session: Session, baud: int, *, into_loader: bool) -> LineSounds:
    port = session.wire
    link = EsptoolLoader(port, session.port)
    port.baudrate = baud
    port.reset_input_buffer()
    if into_loader:
        link.pulse_into_loader(custom_sequence(session.reset))
    else:
        link.reset_to_application()
    return _listen(port, INTO_LOADER if into_loader else INTO_APPLICATION, baud, BANNER_S)


def _loader_banner(session: Session) -> tuple[LineSounds, ...]:
    """What the ROM says of itself after a reset into download mode, at the rate of either crystal."""
    first = _after_reset(session, rom_baud(26), into_loader=True)
    if "boot mode" in first.text or not first.count:
        return (first,)
    return first, _after_reset(session, rom_baud(40), into_loader=True)


def _application_sounds(session: Session) -> tuple[LineSounds, ...]:
    """What a running firmware says, by itself or when knocked."""
    port = session.wire
    sounds = [_listen(port, UNTOUCHED, rom_baud(26), LISTEN_S)]
    port.baudrate = CONSOLE_BAUD
    port.write(KNOCK)
    sounds.append(_listen(port, KNOCKED, CONSOLE_BAUD, LISTEN_S))
    return tuple(sounds)


# --- no loader answered ----------------------------------------------------------------------------------------------


def _unreached(session: Session) -> Findings:
    sounds = _application_sounds(session)
    if not _pulses(session):
        return Findings(sounds=sounds)
    return _reset_and_ask(session, Findings(sounds=sounds))


def _reset_and_ask(session: Session, findings: Findings) -> Findings:
    """Reset into download mode; what the ROM says, whether it answers, and how well."""
    findings = replace(findings, sounds=(*findings.sounds, *_loader_banner(session)))
    answers, reply = _sync(session, ROM_BAUD)
    if answers:
        link = RomLink(session.wire, session.port)
        asked, answered = _questions(link, session.wire)
        findings = replace(findings, rom_answers=True, asked=asked, answered=answered, echoes=_is_sync(reply))
        with suppress(PipelineError):
            link.start_stub()  # which attaches the flash, without a stub
            findings = replace(findings, flash_answers=link.flash_id() & 0xFF not in {0x00, 0xFF})
        return findings
    slowly, slow_reply = _sync(session, rom_baud(26))
    return replace(
        findings,
        rom_answers=False,
        answers_slowly=slowly,
        reply=reply,
        echoes=_is_sync(reply),
        echoes_always=_is_sync(reply) and _is_sync(slow_reply),
    )


def _sync(session: Session, baud: int) -> tuple[bool, bytes]:
    """Whether the ROM answers at this rate, and what came back."""
    traffic, port = session.traffic, session.wire
    before = traffic.bytes_received
    answers = EsptoolLoader(port, session.port).sync(attempts=3, baud=baud)
    port.timeout = 0.05
    port.read(max(1, port.in_waiting))
    return answers, traffic.since(before)[:64]


def _is_sync(reply: bytes) -> bool:
    """Whether it is our own request that came back (facts: esp8266-protocol §3.3)."""
    return b"U" * 16 in reply


# --- the loader broke off --------------------------------------------------------------------------------------------


def _broken_off(session: Session) -> Findings:
    port, baud = session.wire, int(session.wire.baudrate)
    link = EsptoolLoader(port, session.port)
    before = session.traffic.bytes_received
    if link.sync(attempts=3, baud=baud):
        echoes = _is_sync(session.traffic.since(before))
        asked, answered = _questions(link, port)
        return Findings(loader_answers=True, asked=asked, answered=answered, echoes=echoes)
    findings = Findings(sounds=_application_sounds(session), loader_answers=False)
    if not _pulses(session):
        return findings
    return _reset_and_ask(session, findings)


def _questions(link: EsptoolLoader, port: Any) -> tuple[int, int]:
    """How many of some register reads are answered right: the quality of the line."""
    asked, answered, deadline, before = 0, 0, time.monotonic() + 1.2, port.timeout
    while asked < QUESTIONS and time.monotonic() < deadline:
        asked += 1
        with suppress(PipelineError):
            answered += link.quick_register(MAGIC_REGISTER, QUESTION_S) == MAGIC_ESP8266
    with suppress(PipelineError):
        while answered < asked:
            answered += link.quick_register(MAGIC_REGISTER, LATE_S, late=True) == MAGIC_ESP8266
    port.timeout = before
    return asked, answered


# --- the flash holds something else ----------------------------------------------------------------------------------


def _flash(session: Session, planned: Sequence[Region], planned_bytes: PlannedBytes | None) -> Findings:
    link, findings = session.link, look_at_board(session)
    if planned_bytes is not None:
        findings = _compare(link, findings, planned, planned_bytes)
    return findings


def _flash_again(session: Session, planned: Sequence[Region], planned_bytes: PlannedBytes | None) -> Findings:
    """Whether a flash that the ROM cannot read holds anything, and the plan: what ran may have changed it."""
    if not session.resets_by_wire:
        return Findings()
    link = session.link
    blank = hashlib.md5(b"\xff" * SECTOR_SIZE, usedforsecurity=False).digest()
    findings = Findings(starts_blank=link.md5(Region(0, SECTOR_SIZE)) == blank)
    if planned_bytes is None or not planned:
        return findings
    findings = replace(findings, wraps_at=_wrap(link, session.device.flash_size if session.device else None))
    return _compare(link, findings, planned, planned_bytes)


def _wrap(link: EsptoolLoader, claimed: int | None) -> int | None:
    """Where the flash begins again, found by its first sectors."""
    first = Region(0, 2 * SECTOR_SIZE)
    digest = link.md5(first)
    if digest in {hashlib.md5(fill * first.size, usedforsecurity=False).digest() for fill in (b"\xff", b"\0")}:
        return None
    for size in SIZES:
        if claimed is not None and size < claimed and link.md5(Region(size, size + first.size)) == digest:
            return size
    return None


def _compare(
    link: EsptoolLoader, findings: Findings, planned: Sequence[Region], planned_bytes: PlannedBytes
) -> Findings:
    blocks = [block for region in planned for block in region.split(BLOCK)][:BLOCKS]
    bad = [block for block in blocks if _differs(link, block, planned_bytes)]
    findings = replace(findings, bad_blocks=len(bad), blocks=len(blocks))
    sectors = (
        sector for block in bad[:1] for sector in block.split(SECTOR_SIZE) if _differs(link, sector, planned_bytes)
    )
    sector = next(sectors, None)
    if sector is None:
        return replace(findings, bad="right")
    first, second = link.read(sector, _ignore), link.read(sector, _ignore)
    want = planned_bytes(sector) or b""
    flipped = sum((a ^ b).bit_count() for a, b in zip(first, want, strict=False))
    kind = "unstable" if first != second else "blank" if not first.strip(b"\xff") else "other"
    return replace(findings, bad=kind, flipped=flipped)


def _differs(link: EsptoolLoader, region: Region, planned_bytes: PlannedBytes) -> bool:
    want = planned_bytes(region)
    return want is not None and link.md5(region) != hashlib.md5(want, usedforsecurity=False).digest()


def _ignore(_done: int) -> None:
    """Progress of a read that takes no time."""


# --- the boot --------------------------------------------------------------------------------------------------------


def _booting(session: Session) -> Findings:
    """Does the ROM still speak? A firmware that died and a board without power both say nothing."""
    if not _pulses(session):
        return Findings()
    crystal = session.device.crystal_mhz if session.device else 26
    return Findings(sounds=(_after_reset(session, rom_baud(crystal), into_loader=False),))


_LOOKS: Final[dict[str, Callable[[Session], Findings]]] = {
    "port": _reopen,
    "unreached": _unreached,
    "broken-off": _broken_off,
    "boot": _booting,
}
