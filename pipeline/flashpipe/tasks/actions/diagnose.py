"""The task `diagnose`."""

from __future__ import annotations

from flashpipe.jobs import diagnose as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.text.lines import print_result


def diagnose(board: BoardRun) -> None:
    """Look at a board as after a failure."""
    jobs.diagnose(board, lambda name, text: print_result(f"{name:<9}{text}" if name else text))
