"""The tasks `flash`, its probe, `verify` and `erase`."""

from __future__ import annotations

from flashpipe.jobs.board_job import BoardRun
from flashpipe.text.lines import print_result


def probe(board: BoardRun) -> None:
    """Connect and compare."""
    board.probe()


def flash(board: BoardRun) -> None:
    """Write what differs, verify, boot."""
    board.flash()


def erase(board: BoardRun) -> None:
    """Erase the whole flash, if that is confirmed."""
    board.erase()


def verify(board: BoardRun) -> None:
    """Compare the board with the plan, read-only."""
    print_result(board.verify().reason)
