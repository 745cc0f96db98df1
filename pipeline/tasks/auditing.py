"""The tasks `audit` and `report`: what boards and receipts say, for whoever has to show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import NoReceiptError
from pipeline.tasks.boards import Board
from pipeline.tasks.steps import board_step, say

if TYPE_CHECKING:
    from pipeline.flasher.records import Outcome


@board_step
def audit_board(board: Board) -> None:
    """Compare a board with what its receipts say it holds."""
    from pipeline.flasher.auditing import audit, lines, outcome  # noqa: PLC0415
    from pipeline.receipts import read_receipts, vouched  # noqa: PLC0415

    folder = board.request.folder / "receipts"

    def run() -> Outcome:
        session = board.session()
        device = session.connected()
        receipts, damaged = read_receipts(folder)
        for path in damaged:
            session.say(f"{path.name}: not a receipt that can be read")
        rows, doubtful = vouched(receipts, device.mac)
        if not rows:
            raise NoReceiptError(
                f"{device.port}: no receipt in {folder} says what board {device.mac} holds",
                "`doit flash` or `doit restore` writes one; receipts of format 1 hold no digests",
            )
        findings = audit(session, rows)
        for line in lines(findings, doubtful):
            say(line)
        done = outcome(session, findings)
        session.leave()
        return done

    done = board.recorded("audit", run)
    say(f"board {done.device.mac if done.device else ''}: {done.reason} ({done.reference})")
