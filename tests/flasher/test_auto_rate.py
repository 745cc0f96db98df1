"""`baud=auto` on a virtual board: which rate a flash takes, and what it does on lines that lie."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.board.loader import compression
from flashpipe.board.session import connect, rate_search
from flashpipe.board.session.auto_rate import USUAL, AutoRate
from flashpipe.board.session.session import Session
from flashpipe.errors import ConnectError
from flashpipe.events import Message
from flashpipe.flash import SECTOR_SIZE
from flashpipe.flasher.model import Outcome

from tests.flasher.conftest import MAC
from tests.flasher.runs import Plan, flash, holds

pytestmark = pytest.mark.usefixtures("own_state")


@pytest.fixture(autouse=True)
def _small_images_pay_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_search, "STEP_S", 0.0005)


def run(board: Any, plan: Plan) -> tuple[Outcome, Session, list[int]]:
    """A flash; and the rates that were tried for blocks, in order."""
    used = list[int]()
    with board.session(reset="auto", auto=AutoRate("any port", "esp12")) as session:
        outcome = flash(session, plan())
        for chunk in session.traffic.chunks():
            if chunk.way == ">" and chunk.count > 0x1000 and chunk.baud not in used[-1:]:
                used.append(chunk.baud)
    assert outcome.outcome == "flashed"
    assert holds(board, plan()), "whatever the line did"
    return outcome, session, used


def begins() -> int:
    """The rate with which the next run on this board begins."""
    return AutoRate("any port", "esp12").begin(MAC)


def test_the_fastest_rate_that_pays_is_found_and_used_at_once_the_next_time(bed: Any, plan: Plan) -> None:
    board = bed("fill=byte:0")
    _, session, used = run(board, plan)
    assert used[-1] == session.baud > USUAL
    assert begins() == session.baud
    again = bed("fill=byte:0")
    _, session, second = run(again, plan)
    assert second[-1] == session.baud
    assert not any("baud=auto" in event.text for event in again.events if isinstance(event, Message)), "nothing is new"


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what was packed, in the background or when it was sent."""
    sizes, pack = list[int](), compression._pack

    def note(data: bytes, key: str, *, quick: bool) -> tuple[bytes, Any]:
        sizes.append(len(data))
        return pack(data, key, quick=quick)

    monkeypatch.setattr(compression, "_begun", {})
    monkeypatch.setattr(compression, "_pack", note)
    return sizes


@pytest.mark.parametrize("erase_all", [False, True])
def test_what_a_search_leads_to_is_packed_once(bed: Any, plan: Plan, packed: list[int], *, erase_all: bool) -> None:
    wanted = plan(erase_all=erase_all)
    _, session, _ = run(bed("fill=byte:0"), lambda: wanted)
    assert session.baud > USUAL
    assert sum(packed) <= wanted.size + 2 * SECTOR_SIZE, "the boot sector goes over the line twice"


@pytest.mark.parametrize("erase_all", [False, True])
def test_where_a_rate_is_known_too(bed: Any, plan: Plan, packed: list[int], *, erase_all: bool) -> None:
    known, wanted = AutoRate("any port", "esp12"), plan(erase_all=erase_all)
    known.begin(MAC)
    known.held(2000000)
    run(bed("fill=random:1"), lambda: wanted)
    assert sum(packed) <= wanted.size + 2 * SECTOR_SIZE
    assert len(packed) == 2 + erase_all, "a flash without a sector that tells its clock is on trial, too"


def test_a_search_that_does_not_pay_is_not_made(bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_search, "STEP_S", 60.0)
    _, session, _ = run(bed("fill=byte:0"), plan)
    assert session.baud == USUAL
    assert begins() == USUAL


@pytest.mark.parametrize("fault", ["bad-baud", "silent-baud", "shaky-baud"])
def test_a_line_that_lies_above_the_usual_rate_is_written_at_it(bed: Any, plan: Plan, fault: str) -> None:
    _, session, _ = run(bed(f"fill=random:1&fault={fault}:460800"), plan)
    assert session.baud == USUAL
    auto = AutoRate("any port", "esp12")
    assert auto.begin(MAC) == USUAL
    assert auto.above(USUAL) == [], "for a month"


@pytest.mark.parametrize("limit", [921600, 1000000])
def test_the_step_below_the_one_that_fails_is_taken(bed: Any, plan: Plan, limit: int) -> None:
    _, session, _ = run(bed(f"fill=random:1&fault=bad-baud:{limit}"), plan)
    assert session.baud == limit
    assert begins() == limit


def test_a_board_that_is_not_reached_at_once_is_given_the_usual_resets_whatever_rate_comes_then(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy computer, where an answer comes too late for the one reset of the quick way."""
    quick, calls = connect._reach_loader_fast, list[int]()

    def too_late(line: Any, link: Any, fallbacks: Any, baud: int) -> None:
        calls.append(fallbacks.settings.baud)
        if len(calls) > 1:
            raise ConnectError("not one byte came back", "check the cable")
        quick(line, link, fallbacks, baud)

    monkeypatch.setattr(connect, "_reach_loader_fast", too_late)
    _, session, _ = run(bed("fill=random:1&fault=bad-baud:1000000"), plan)
    assert max(calls) > USUAL, "it was to be reached for a higher rate"
    assert session.baud == 1000000


@pytest.mark.parametrize("fault", ["bad-baud", "silent-baud"])
@pytest.mark.parametrize("sent", [30000, 60000, 100000, 140000])
def test_a_rate_that_begins_to_fail_in_mid_write_is_left_and_forgotten(
    bed: Any, plan: Plan, fault: str, sent: int
) -> None:
    board = bed(f"fill=random:1&fault={fault}:{USUAL}@byte:{sent}")
    _, session, used = run(board, plan)
    assert max(used) > USUAL, "it was used before it failed"
    assert session.baud == USUAL
    assert begins() == USUAL


def test_a_known_rate_that_fails_goes_down_and_the_board_holds_the_plan(bed: Any, plan: Plan) -> None:
    known = AutoRate("any port", "esp12")
    known.begin(MAC)
    known.held(2000000)
    _, session, _ = run(bed("fill=random:1&fault=bad-baud:921600"), plan)
    assert session.baud in {USUAL, 921600}
    assert begins() != 2000000


def test_an_order_stays_an_order(bed: Any, plan: Plan) -> None:
    with bed("fill=random:1").session(reset="auto", declared_baud=230400) as session:
        flash(session, plan())
        assert session.baud == 230400
    assert begins() == USUAL


def test_without_a_reset_wire_nothing_is_tried(bed: Any, plan: Plan) -> None:
    with bed("fill=random:1").session(auto=AutoRate("any port", "esp12")) as session:
        assert flash(session, plan()).outcome == "flashed"
        assert session.baud == USUAL


def test_from_a_rate_that_failures_led_to_there_is_no_way_up(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[int]()
    original = rate_search.try_rate

    def note(session: Session, baud: int, *rest: Any) -> float:
        tried.append(baud)
        return original(session, baud, *rest)

    monkeypatch.setattr(rate_search, "try_rate", note)
    for _ in range(2):  # found, then remembered
        board = bed("fill=byte:0&fault=bad-baud:300000")
        _, session, used = run(board, plan)
        assert session.baud == 230400
        assert used[-1] == 230400
        assert session.fallbacks.settings.stub
        assert not any("flash clock" in event.text for event in board.events if isinstance(event, Message))
    assert tried == []


@pytest.mark.parametrize("seed", [5, 9])
def test_a_flash_that_cannot_follow_its_faster_clock_costs_no_rate(bed: Any, plan: Plan, seed: int) -> None:
    _, session, _ = run(bed(f"fill=random:1&fault=shaky-flash:20&seed={seed}"), plan)
    assert session.flash_mhz == 0
    assert begins() == session.baud > USUAL
