"""The task `erase`."""

from __future__ import annotations

from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.erase import erase_board


def erase(board: BoardRun) -> None:
    """Erase the whole flash, or the parts named, if that is confirmed."""
    erase_board(board)
