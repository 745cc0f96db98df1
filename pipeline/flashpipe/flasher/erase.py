"""Erase the whole flash, and prove that it is blank."""

from __future__ import annotations

from dataclasses import replace

from flashpipe.board.loader import writer
from flashpipe.board.session.session import Session
from flashpipe.flash import Region
from flashpipe.flasher.checks import check_mac
from flashpipe.flasher.model import Outcome, Policy
from flashpipe.flasher.verified_regions import of_blank
from flashpipe.records import journal
from flashpipe.units import format_size


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
                writer.verify(session.link, [blank], [whole], session.progress("verify"))
                result.append(f"{format_size(whole.size)} blank")

    session.retry(work)
    journal.write(replace(entry, state="erased"))
    erased = (whole,) if whole.size else ()
    session.leave()
    verified = of_blank(whole.size)
    return Outcome("erased", device, written=erased, overridden=overridden, verified=verified, whole=True)
