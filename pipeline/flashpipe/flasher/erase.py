"""Erase the whole flash, or parts of it, and prove that they are blank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flashpipe.board.loader import writer
from flashpipe.board.session.session import Session
from flashpipe.firmware.flash_map import Area
from flashpipe.flash import Region
from flashpipe.flasher.checks import check_mac
from flashpipe.flasher.model import Outcome, Policy
from flashpipe.flasher.verified_regions import of_blank, of_blank_parts
from flashpipe.records import journal
from flashpipe.units import format_size

STEP: Final = 0x40000
"""Bytes erased between two looks at progress and stop: a second or two (facts: flash-timing §6.3)."""


def erase(session: Session, policy: Policy) -> Outcome:
    """Erase the whole flash of the board on the port, and make sure that it is blank.

    Raises:
        WrongBoardError: its MAC is not among the profile's `boards`.
        WriteError, VerifyError: the loader failed, or the flash is not blank afterwards.
    """
    device = session.connected()
    overridden = check_mac(device, policy)
    entry = journal.JournalEntry(device.mac, state="writing", project=policy.project, port=session.port)
    journal.write(entry)
    whole = Region(0, device.flash_size or 0)

    def work() -> None:
        with session.step("erase", "whole flash") as result:
            session.link.erase_all()
            result.append("whole flash")
        if whole.size:
            blank = writer.FlashPiece(0, b"\xff" * whole.size)
            with session.step("verify", "is it blank?") as result:
                writer.verify(session.link, [blank], [whole], session.progress("verify"), erased=True)
                result.append(f"{format_size(whole.size)} blank")

    session.retry(work)
    journal.write(replace(entry, state="erased"))
    erased = (whole,) if whole.size else ()
    session.leave()
    verified = of_blank(whole.size)
    return Outcome("erased", device, written=erased, overridden=overridden, verified=verified, whole=True)


def erase_regions(session: Session, policy: Policy, regions: Sequence[Region], areas: Sequence[Area]) -> Outcome:
    """Erase whole sectors and nothing beside them, and make sure that they are blank.

    Args:
        session: The board.
        policy: Which boards may be written.
        regions: What to erase, merged and in whole sectors.
        areas: What is known of the flash, for the record of what was erased.

    Raises:
        WrongBoardError: its MAC is not among the profile's `boards`.
        WriteError, VerifyError: the loader failed, or a sector is not blank afterwards.
    """
    device = session.connected()
    before, overridden = journal.read(device.mac), check_mac(device, policy)
    journal.write(journal.JournalEntry(device.mac, state="writing", project=policy.project, port=session.port))
    total = sum(region.size for region in regions)

    def work() -> None:
        with session.step("erase", ", ".join(map(str, regions))) as result:
            progress, done = session.progress("erase"), 0
            for part in (part for region in regions for part in region.split(STEP)):
                session.check_stop()
                session.link.erase(part)
                done += part.size
                progress(done, total)
            result.append(format_size(total))
        blank = [writer.FlashPiece(region.start, b"\xff" * region.size) for region in regions]
        with session.step("verify", "is it blank?") as result:
            writer.verify(session.link, blank, regions, session.progress("verify"), erased=True)
            result.append(f"{format_size(total)} blank")

    session.retry(work)
    journal.write(_after(before, regions))
    verified = of_blank_parts(regions, areas)
    session.leave()
    return Outcome("erased", device, written=tuple(regions), overridden=overridden, verified=verified)


def _after(before: journal.JournalEntry, regions: Sequence[Region]) -> journal.JournalEntry:
    """What is known of a board of which parts were erased: a plan that none of them belongs to, it still holds."""
    vouched = before.digests()
    if before.state == "clean" and not any(part.overlaps(region) for part in vouched for region in regions):
        return replace(before, verdict="not-checked", passed=False)
    return journal.JournalEntry(before.mac, state="erased", project=before.project, port=before.port)
