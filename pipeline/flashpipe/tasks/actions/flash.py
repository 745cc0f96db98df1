"""The tasks `flash`, its probe, and `verify`."""

from __future__ import annotations

from flashpipe.jobs.board_job import BoardRun
from flashpipe.text.documents import put


def probe(board: BoardRun) -> None:
    """Connect and compare."""
    board.probe()


def flash(board: BoardRun) -> None:
    """Write what differs, verify, boot."""
    board.flash()


def verify(board: BoardRun) -> None:
    """Compare the board with the plan, read-only."""
    outcome = board.verify()
    data = {"profile": board.command.profile_name, "outcome": outcome.outcome, "reason": outcome.reason}
    put("verify", data, board.port())
