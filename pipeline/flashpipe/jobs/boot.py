"""Reset a board, read its boot log and judge it."""

from __future__ import annotations

from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.policy import boot_expectation


def boot(board: BoardRun) -> Outcome:
    """Judge the boot of a board; with `reset=none` as it runs.

    Raises:
        BootError: it does not run as it should; the error carries the log.
        PipelineError: it did not come to that.
    """
    expectation = boot_expectation(board.inputs)

    def run(_record: RunRecord) -> Outcome:
        session = board.session()
        verdict = BootCheck(session, expectation, board.inputs.expects_nodemcu()).run(passive=True)
        return Outcome("booted", session.device, verdict=verdict)

    return board.recorded("boot", run)
