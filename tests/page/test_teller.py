"""What browsers are told: each change once, as it is in the end; what the console has said, no character twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import ConfirmationError
from flashpipe.page import console as consoles
from flashpipe.page import teller as tellers
from flashpipe.page.actions import _taking_turns
from flashpipe.page.board import BoardOnPage
from flashpipe.page.hub import Hub
from flashpipe.page.job_log import JobLog, LogLine
from flashpipe.page.render import Renderer
from flashpipe.page.teller import Teller

from tests.page.served import wait_until


class Watched(Hub):
    """Somebody looks, and notes what is told."""

    watched = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def tell(self, messages: Any) -> None:
        self.told += messages


@pytest.fixture
def board(tmp_path: Path) -> BoardOnPage:
    return BoardOnPage("sim://esp12", "slug", (tmp_path, tmp_path), lambda _board, _part: None)


def test_what_changes_together_is_told_once_as_it_is_in_the_end(
    board: BoardOnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tellers, "PAUSE_S", 0.05)
    hub = Watched()
    teller = Teller(hub, Renderer(), lambda: [board])
    for number in range(50):
        board.log = JobLog("flash", f"step {number}", "flashpipe flash")
        teller.mark(board, "work")
    wait_until(lambda: any("step 49" in str(one.get("html")) for one in hub.told))
    works = [one for one in hub.told if one.get("part") == "work"]
    assert len(works) <= 3
    assert "step 49" in works[-1]["html"]


def test_a_part_that_cannot_be_drawn_does_not_silence_the_others(
    board: BoardOnPage, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Watched()
    teller = Teller(hub, Renderer(), lambda: [board])
    teller.mark(board, "no such part")
    wait_until(lambda: "no such part" in capsys.readouterr().err)
    teller.mark(board, "card")
    wait_until(lambda: any(one.get("part") == "card" for one in hub.told))


def test_each_character_of_the_console_is_told_once(board: BoardOnPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "KEPT", 10)
    console = board.console
    console.put("hello")
    assert console.since(0) == (0, 5, "hello")
    console.put(" world")
    assert console.since(5) == (5, 11, " world")
    assert console.since(0) == (1, 11, "ello world")  # what was forgotten is left out
    assert console.since(11) == (11, 11, "")
    console.clear()
    assert console.since(5) == (11, 11, "")
    console.put("x")
    assert console.since(11) == (11, 12, "x")


def test_whoever_is_to_stop_does_not_wait_for_its_turn() -> None:
    lock, stop = threading.Lock(), threading.Event()
    with _taking_turns(lock, stop):
        assert lock.locked()
        stop.set()
        with _taking_turns(lock, stop):
            assert lock.locked()
        assert lock.locked()  # it is not the other's to release
    assert not lock.locked()


@pytest.mark.parametrize(
    ("steps", "declined", "outcome"),
    [(["connect"], 1, "declined"), (["connect", "write"], 1, "failed"), (["connect"], 0, "failed")],
)
def test_a_no_is_calm_only_where_nothing_was_changed(steps: list[str], declined: int, outcome: str) -> None:
    log = JobLog("flash", "Flash", "flashpipe flash", lines=[LogLine("step", step) for step in steps])
    log.declined = bool(declined)
    log.end(ConfirmationError("no"), "", "")
    assert log.outcome == outcome
