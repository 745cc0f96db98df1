"""The task `boot`."""

from __future__ import annotations

from flashpipe.errors import BootError
from flashpipe.jobs import boot as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.text.lines import print_result


def boot(board: BoardRun) -> None:
    """Reset and judge the boot log, which is shown."""
    try:
        outcome = jobs.boot(board)
    except BootError as error:
        if error.verdict is not None and error.verdict.log:
            print_result(error.verdict.log.rstrip())
        raise
    print_result(outcome.verdict.log.rstrip())
