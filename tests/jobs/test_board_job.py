"""One board of one command line, in this process, on a virtual board."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import Variables
from flashpipe.records import journal
from flashpipe.sim.ports import registry
from flashpipe.text.lines import ConsoleLines

MAC = "5c:cf:7f:00:00:01"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BoardRun]:
    inputs = RunInputs(CommandLine(tmp_path, tmp_path, Variables({"boot": "off"}, {})))
    made = BoardRun(inputs, f"sim://nodemcu-devkit?inline=1&board=lone&mac={MAC}", ConsoleLines(io.StringIO()))
    yield made
    sessions.close_all()
    sessions.remove_handlers()
    registry.forget_boards()


@pytest.mark.parametrize(("state", "mode"), [("unknown", "app"), ("clean", "app"), ("writing", "stub-v1")])
def test_a_stopped_board_goes_on_unless_it_was_being_written(board: BoardRun, state: str, mode: str) -> None:
    """Half a firmware is not started: it could do anything."""
    board.session().connect()
    link = registry.boards()["lone"]
    assert link.board.mode.startswith("stub")
    journal.write(journal.JournalEntry(MAC, state=state))  # type: ignore[arg-type]
    board.let_run()
    assert link.board.mode.startswith(mode.partition("-")[0])


def test_a_board_that_was_never_reached_is_left_alone(board: BoardRun) -> None:
    board.let_run()
    assert "lone" not in registry.boards()
