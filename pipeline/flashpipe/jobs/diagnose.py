"""`diagnose`: look at a board on demand, as after a failure; reads only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.board.boot.kinds import HEALTHY
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.diagnosis.evidence import Findings
from flashpipe.board.diagnosis.look import look_at_board
from flashpipe.board.diagnosis.rules_flash import PROTECT_BITS
from flashpipe.board.loader.device import Device
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.ports.names import port_slug
from flashpipe.errors import (
    FlashProtectedError,
    FlashSizeError,
    NotTrustedError,
    PipelineError,
    RecordError,
    WireError,
)
from flashpipe.files import read_json
from flashpipe.firmware.content_type import BOOT_MAGIC
from flashpipe.flash import SECTOR_SIZE, SIZE_BYTES, Region, decode_size
from flashpipe.flasher.boot_check import boot_error
from flashpipe.flasher.explain_failure import LAST
from flashpipe.flasher.model import BootExpectation
from flashpipe.jobs.board_job import BoardRun
from flashpipe.next_steps import Advice, setting
from flashpipe.records import journal
from flashpipe.units import format_size

BOOT_S: Final = 12.0
UNRESET: Final = "not looked at: nothing here may reset the board"


def diagnose(board: BoardRun, show: Callable[[str, str], None]) -> str:
    """Connect, ask, boot, judge; `show` takes the name of each finding and its text.

    Returns:
        What came of it, where nothing wrong was met.

    Raises:
        PipelineError: something is wrong; it then carries its diagnosis.
    """
    session = board.session()
    last = ""
    with suppress(NotTrustedError):
        board.command.require_own_records()
        last = last_failure(board.command.folder, session.port)
    if last:
        show("before", last)
    device = session.connected()
    with session.step("look", "line and flash") as result:
        observed = look_at_board(session)
        result.append(f"{observed.answered} of {observed.asked} short questions answered right")
    named = _size_in_header(session.link)
    entry = _entry(device.mac)
    for name, text in _rows(device, observed, session.baud, entry):
        show(name, text)
    if observed.answered < observed.asked:
        raise WireError(
            f"{session.port}: {observed.asked - observed.answered} of {observed.asked} answers were lost or damaged"
        )
    if observed.wraps_at is not None:
        raise FlashSizeError(
            f"{session.port}: the flash says {format_size(device.flash_size or 0)},"
            f" but begins anew at {observed.wraps_at:#08x}: it has {format_size(observed.wraps_at)}",
            Advice("take the profile of a board of that size and ", setting(allow="wrong-flash-size")),
        )
    if not session.resets_by_wire:
        show("boot", UNRESET)
        _refuse_protected(session.port, observed)
        return _end(entry, f"the boot was {UNRESET}")
    with session.step("boot", "resetting the board and reading its log") as result:
        verdict = boot_check(session, timeout_s=BOOT_S)
        result.append(verdict.summary)
    if verdict.kind not in HEALTHY:
        raise boot_error(session.port, verdict, BootExpectation(expect="any"))
    _refuse_protected(session.port, observed)
    if named and device.flash_size and SIZE_BYTES[named] > device.flash_size:
        return _end(
            entry,
            f"it starts, but its header names {named}, and this flash has {format_size(device.flash_size)}: what the"
            " firmware keeps behind that lands on what lies before; `flashpipe flash` writes the right size",
        )
    return _end(entry, "it starts", "nothing wrong was found")


def _size_in_header(link: EsptoolLoader) -> str:
    """The flash size that the image at 0x00000 names; empty where there is none, or it cannot be read."""
    head = b""
    with suppress(PipelineError):
        head = link.read(Region(0, SECTOR_SIZE), lambda _done: None)
    return decode_size(head[3] >> 4) or "" if head[:1] == bytes((BOOT_MAGIC,)) else ""


def _entry(mac: str) -> journal.JournalEntry:
    with suppress(RecordError):
        return journal.read(mac)
    return journal.JournalEntry(mac)


def _end(entry: journal.JournalEntry, seen: str, good: str = "") -> str:
    """What was `seen`, with what stands against it; where nothing does, that it is `good`."""
    return Advice(seen, ", but ", journal.unfinished(entry)) if entry.state == "writing" else good or seen


def _refuse_protected(port: str, findings: Findings) -> None:
    """Raises FlashProtectedError where the flash takes nothing more, however well the board runs."""
    status = findings.flash_status or 0
    if status & PROTECT_BITS:
        raise FlashProtectedError(
            f"{port}: the flash part refuses to be written: its status register is {status:#04x}",
            FlashProtectedError.remedy,
        )


def _rows(device: Device, findings: Findings, baud: int, entry: journal.JournalEntry) -> list[tuple[str, str]]:
    status = findings.flash_status
    guard = "" if status is None else f", status {status:#04x}" + (": write-protected" if status & PROTECT_BITS else "")
    size = format_size(device.flash_size) if device.flash_size else "size unknown"
    rows = [
        ("chip", f"{device.chip}, MAC {device.mac}, {device.crystal_mhz} MHz" + (", virtual" * device.virtual)),
        ("flash", f"{device.flash_part}, {size}{guard}"),
        ("line", f"{findings.answered} of {findings.asked} short questions answered right at {baud} baud"),
    ]
    if entry.state != "unknown":
        rows.append(("journal", f"{entry.state}, profile {entry.profile or 'none'}, last boot {entry.verdict}"))
    return rows


def last_failure(folder: Path, port: str) -> str:
    """One line about the last failure on a port of this project; empty where there was none."""
    path = folder / LAST / f"{port_slug(port)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = read_json(path)
        return f"{record['time']}: {record['diagnosis']['cause']} [{record['diagnosis']['rule']}]"
    return ""
