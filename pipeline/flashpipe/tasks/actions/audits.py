"""The tasks `audit` and `report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from flashpipe.flasher.audit import CHANGED, NOTED, SAME, AuditFinding, lines
from flashpipe.jobs.audit import audit_board, sum_up
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.records.history import StoredReceipt
from flashpipe.tasks.several import print_table_of
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result
from flashpipe.text.look import look
from flashpipe.text.report import FORMATS

_STATES: Final = {SAME: "same", CHANGED: "changed", NOTED: "noted"}
"""What is found of a region, for programs."""


def audit(board: BoardRun) -> None:
    """Compare a board with what its receipts say it holds."""
    texts = list[str]()

    def show(findings: Sequence[AuditFinding], doubtful: Sequence[StoredReceipt]) -> None:
        regions = [
            {
                "start": finding.row.region.start,
                "end": finding.row.region.end,
                "kind": finding.row.kind,
                "what": finding.row.what,
                "state": _STATES[finding.state],
                "md5": finding.md5,
                "receipt": finding.row.receipt,
            }
            for finding in findings
        ]
        if not put("audit", {"regions": regions, "unfinished": [kept.name for kept in doubtful]}, board.port()):
            texts.append("\n".join(lines(findings, doubtful)))

    try:
        texts.append(f"compared with {audit_board(board, show).reference}")
    finally:
        if texts and not look.json:
            print_table_of(board, "\n".join(texts))


def report(inputs: RunInputs) -> None:
    """Say what the project's receipts say, as text, CSV or JSON."""
    form = inputs.command.variables.choice("format")
    summary = sum_up(inputs.command)
    if not put("report", asdict(summary)):
        print_result(FORMATS[form](summary))
