"""The task `boot`."""

from __future__ import annotations

from flashpipe.board.boot.kinds import Verdict
from flashpipe.errors import BootError
from flashpipe.flasher.model import verdict_of
from flashpipe.jobs import boot as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.masking import mask
from flashpipe.tasks.several import print_table_of
from flashpipe.text.documents import put


def boot(board: BoardRun) -> None:
    """Reset and judge the boot log, which is shown."""
    verdict: Verdict | None = None
    try:
        verdict = jobs.boot(board).verdict
    except BootError as error:
        verdict = verdict_of(error)
        raise
    finally:
        if verdict is not None and not put("boot", {"verdict": verdict}, board.port()) and verdict.log:
            print_table_of(board, mask(verdict.log_for_people()).rstrip())
