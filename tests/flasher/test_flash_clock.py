"""The faster clock of the flash on virtual boards that follow, and on such as do not."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.loader.spi_clock import clock_bits, divider
from flashpipe.board.session import rate_search
from flashpipe.board.session.auto_rate import USUAL, AutoRate
from flashpipe.board.session.session import Session
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.flasher.model import Outcome

from tests.flasher.conftest import MAC
from tests.flasher.runs import Plan, flash, holds

pytestmark = pytest.mark.usefixtures("own_state")


@pytest.fixture(autouse=True)
def _the_usual_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search: what goes wrong is the clock's doing."""
    monkeypatch.setattr(rate_search, "STEP_S", 60.0)


def run(board: Any, plan: Plan) -> tuple[Outcome, Session]:
    with board.session(reset="auto", auto=AutoRate("any port", "esp12")) as session:
        outcome = flash(session, plan())
    assert outcome.outcome == "flashed"
    assert holds(board, plan()), "whatever the flash did"
    assert session.baud == USUAL, "the line was not to blame"
    return outcome, session


def refused() -> bool:
    auto = AutoRate("any port", "esp12")
    auto.begin(MAC)
    return auto.clock_refused()


@pytest.mark.parametrize("fill", ["random:1", "ff"])
def test_a_flash_that_follows_is_written_at_the_faster_clock(bed: Any, plan: Plan, fill: str) -> None:
    _, session = run(bed(f"fill={fill}"), plan)
    assert (session.flash_mhz, refused()) == (26, False)


@pytest.mark.parametrize("fault", ["slow-flash:20", "shaky-flash:20"])
@pytest.mark.parametrize("fill", ["random:1", "ff"])
def test_a_flash_that_does_not_follow_is_written_at_the_usual_one_and_not_asked_again(
    bed: Any, plan: Plan, fault: str, fill: str
) -> None:
    _, session = run(bed(f"fill={fill}&fault={fault}"), plan)
    assert (session.flash_mhz, refused()) == (0, True)


@pytest.mark.parametrize(
    ("fault", "mhz"), [("", {26}), ("&fault=slow-flash:20", {13}), ("&fault=shaky-flash:20", {13, 26})]
)
def test_a_board_that_holds_the_plan_is_digested_at_the_faster_clock_and_asked_again_where_that_differs(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch, fault: str, mhz: set[int]
) -> None:
    board, clocks, digest = bed(f"fill=random:1{fault}"), set[int](), EsptoolLoader.md5

    def noted(link: EsptoolLoader, region: Region) -> bytes:
        if region.size > SECTOR_SIZE:
            clocks.add(52 // divider(clock_bits(link)))
        return digest(link, region)

    with board.session(reset="auto") as session:
        flash(session, plan())
    monkeypatch.setattr(EsptoolLoader, "md5", noted)
    with board.session(reset="auto", auto=AutoRate("any port", "esp12")) as session:
        outcome = flash(session, plan())
    assert (outcome.outcome, outcome.sent, session.flash_mhz) == ("skipped", 0, 0)
    assert clocks
    assert clocks <= mhz
    assert holds(board, plan())


def test_without_baud_auto_the_clock_is_left_alone(bed: Any, plan: Plan) -> None:
    board = bed("fill=random:1&fault=slow-flash:20")
    with board.session(reset="auto") as session:
        assert flash(session, plan()).outcome == "flashed"
    assert holds(board, plan())
    assert not refused()
