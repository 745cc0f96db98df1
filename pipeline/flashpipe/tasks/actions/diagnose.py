"""The task `diagnose`."""

from __future__ import annotations

from flashpipe.jobs import diagnose as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.several import print_table_of
from flashpipe.text.documents import put
from flashpipe.text.look import look


def diagnose(board: BoardRun) -> None:
    """Look at a board as after a failure."""
    findings: list[dict[str, str]] = []

    def show(name: str, text: str) -> None:
        findings.append({"name": name, "text": text})
        if not look.json:
            print_table_of(board, f"{name:<9}{text}")

    try:
        end = jobs.diagnose(board, show)
        findings.append({"name": "", "text": end})
    finally:
        put("diagnose", {"findings": findings}, board.port())
    board.ended("diagnose", end)
