"""Compare a board with a plan, read-only."""

from __future__ import annotations

from flashpipe.board.session.session import Session
from flashpipe.errors import VerifyError
from flashpipe.flash import merge
from flashpipe.flasher.checks import check_board
from flashpipe.flasher.model import Outcome, Policy
from flashpipe.flasher.probe import firmware_owned_parts, pieces
from flashpipe.flasher.write import check
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal


def verify(session: Session, plan: FlashPlan, policy: Policy) -> Outcome:
    """Compare the board with the plan, read-only; volatile parts count only before their first boot.

    Raises:
        VerifyError: naming the first bad sector.
    """
    device = session.connected()
    plan = check_board(plan, device, policy)
    entry = journal.read(device.mac)

    def work() -> VerifyError | None:
        ignored = firmware_owned_parts(session, plan, entry)
        regions = merge(part for segment in plan.segments for part in segment.region.without(ignored))
        try:
            check(session, pieces(plan), regions, read_back=policy.read_back, written=False)
        except VerifyError as error:
            return error  # an answer, and no fault of the line: looking at it another way changes nothing
        return None

    difference = session.retry(work)
    if difference is not None:
        raise difference
    session.leave()
    return Outcome(
        "verified",
        device,
        reason=f"board {device.mac} is up to date: every byte that is not the firmware's own was compared",
    )
