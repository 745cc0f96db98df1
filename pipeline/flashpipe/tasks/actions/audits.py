"""The tasks `audit` and `report`."""

from __future__ import annotations

from flashpipe.jobs.audit import audit_board, sum_up
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.text.lines import print_result
from flashpipe.text.report import FORMATS


def audit(board: BoardRun) -> None:
    """Compare a board with what its receipts say it holds."""
    outcome = audit_board(board, print_result)
    mac = outcome.device.mac if outcome.device else ""
    print_result(f"board {mac}: {outcome.reason} ({outcome.reference})")


def report(inputs: RunInputs) -> None:
    """Say what the project's receipts say, as text, CSV or JSON."""
    form = inputs.command.variables.choice("format", tuple(FORMATS))
    print_result(FORMATS[form](sum_up(inputs.command)))
