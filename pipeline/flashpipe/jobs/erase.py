"""Erase the flash of a board, or the parts of it that the command line names."""

from __future__ import annotations

from flashpipe.flasher.board_layout import WHOLE, words_of
from flashpipe.flasher.erase import erase, erase_regions
from flashpipe.flasher.model import Outcome, Policy, RunRecord
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.policy import board_policy
from flashpipe.jobs.regions import named_regions


def erase_board(board: BoardRun) -> Outcome:
    """Erase the whole flash, or with `regions=` those sectors alone, if that is confirmed.

    Raises:
        BadValueError: `regions=` cannot be read, or names what is not known on this board.
        ConfirmationError: it is not confirmed.
        PipelineError: it did not come to that, or the flash is not blank.
    """
    words = words_of(board.command.variables.text("regions"))
    if words and WHOLE not in words:
        outcome = _erase_parts(board, board_policy(board.inputs))
    else:
        board.confirm("erases its whole flash, files and settings included")
        policy = board_policy(board.inputs)
        outcome = board.recorded("erase", lambda _record: erase(board.session(), policy))
    board.forget_findings()
    return outcome


def _erase_parts(board: BoardRun, policy: Policy) -> Outcome:
    def run(_record: RunRecord) -> Outcome:
        session = board.session()
        device = session.connected()
        regions, areas = session.retry(lambda: named_regions(board, device))
        places = ", ".join(map(str, regions))
        board.confirm(f"erases {places} of board {device.mac}, and nothing else")
        return erase_regions(session, policy, regions, areas)

    return board.recorded("erase", run)
