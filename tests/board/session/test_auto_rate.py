"""What is known of rates: where a board begins, what may be tried, what is forgotten and for how long."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from flashpipe import files
from flashpipe.board.ports import discovery
from flashpipe.board.session import auto_rate
from flashpipe.board.session.auto_rate import REFUSED_S, STEPS, USUAL, AutoRate
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("own_state")
PORT, MAC, OTHER = "socket://board", "5c:cf:7f:00:00:01", "5c:cf:7f:00:00:02"


def rates(mac: str = MAC, profile: str = "kitchen", now: float = 1e9) -> tuple[AutoRate, int]:
    """As a run on that board begins, and at which rate."""
    made = AutoRate(PORT, profile, lambda: now)
    return made, made.begin(mac)


def path() -> Path:
    return files.state_folder() / "rates.json"


def test_nothing_is_known_of_a_new_adapter() -> None:
    auto, baud = rates()
    assert (baud, auto.known, auto.above(baud)) == (USUAL, False, list(STEPS))


def test_what_held_is_used_at_once() -> None:
    rates()[0].held(1500000)
    auto, baud = rates()
    assert (baud, auto.known) == (1500000, True)


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_what_others_can_have_written_is_not_believed() -> None:
    rates()[0].held(1500000)
    path().parent.chmod(0o777)
    assert rates()[1] == USUAL
    path().parent.chmod(0o700)
    assert rates()[1] == 1500000


def test_what_is_known_is_not_written_again() -> None:
    rates()[0].held(1500000)
    before = path().stat()
    rates()[0].held(1500000)
    assert path().stat().st_ino == before.st_ino
    rates(OTHER)[0].held(1500000)
    rates()[0].held(1500000)
    assert list(json.loads(path().read_bytes())["adapters"][PORT]["boards"]) == [OTHER, MAC], "the one seen last"


def test_a_new_board_on_a_known_adapter_takes_the_rate_of_its_profile_in_one_step() -> None:
    rates()[0].held(1500000)
    assert rates(OTHER)[1] == 1500000
    assert rates(OTHER, "cellar")[1] == USUAL, "another profile is another kind of board"


def test_what_fails_is_forgotten_for_all_boards_of_the_profile() -> None:
    rates()[0].held(1500000)
    rates(OTHER)[0].failed(1500000)
    assert rates(OTHER)[1] == USUAL
    assert rates("5c:cf:7f:00:00:03")[1] == USUAL
    assert rates()[1] == 1500000, "the first board was written at it"


def test_a_rate_that_failed_is_refused_for_a_month_and_all_above_it_with_it() -> None:
    rates()[0].failed(1500000)
    auto, baud = rates()
    assert auto.above(baud) == [921600, 1000000]
    assert rates(now=1e9 + REFUSED_S - 1)[0].above(USUAL) == [921600, 1000000]
    assert rates(now=1e9 + REFUSED_S + 1)[0].above(USUAL) == list(STEPS)
    assert rates(OTHER)[0].above(USUAL) == list(STEPS), "of another board nothing is known"


def test_what_failed_longer_ago_does_not_come_back_with_what_fails_now() -> None:
    rates()[0].failed(921600)
    later = 1e9 + REFUSED_S + 1
    auto, baud = rates(now=later)
    assert auto.above(baud) == list(STEPS)
    auto.failed(2000000)
    assert rates(now=later + 1)[0].above(USUAL) == [921600, 1000000, 1500000]


def test_a_clock_that_went_back_refuses_nothing_for_years() -> None:
    rates(now=4e9)[0].failed(921600)
    assert rates(now=1e9)[0].above(USUAL) == list(STEPS)


def test_a_success_below_leaves_the_refusal() -> None:
    rates()[0].failed(1500000)
    rates(now=1e9 + 60)[0].held(921600)
    auto, baud = rates(now=1e9 + 120)
    assert (baud, auto.above(baud)) == (921600, [1000000])


def test_in_one_run_nothing_is_tried_after_a_failure_and_the_second_leads_to_the_usual_rate() -> None:
    auto, baud = rates()
    auto.carried += [921600, 1000000]
    auto.failed(1500000)
    assert (auto.below(1500000), auto.above(baud)) == (1000000, [])
    auto.failed(1000000)
    assert auto.below(1000000) == USUAL


def test_a_known_rate_that_fails_goes_down_one_step() -> None:
    rates()[0].held(1500000)
    auto, baud = rates()
    auto.failed(baud)
    assert auto.below(baud) == 1000000


@pytest.mark.parametrize(
    ("usb", "steps"),
    [
        ("10c4:ea60", [921600, 1000000]),
        ("1a86:7523", [921600, 1000000, 1500000, 2000000, 3000000]),
        ("0403:6001", [921600, 1000000, 1500000, 2000000, 3000000]),
    ],
)
def test_adapters_are_not_asked_for_more_than_they_do(
    monkeypatch: pytest.MonkeyPatch, usb: str, steps: list[int]
) -> None:
    vid, pid = (int(half, 16) for half in usb.split(":"))
    monkeypatch.setattr(discovery, "list_ports", lambda: [discovery.PortInfo("/dev/ttyUSB7", vid, pid, location="1-1")])
    assert AutoRate("/dev/ttyUSB7").above(USUAL) == steps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 2, "adapters": {}}',
        '{"version": 1, "adapters": []}',
        '{"version": 1, "adapters": {"socket://board": {"boards": [], "profiles": {"kitchen": "fast"}}}}',
        '{"version": 1, "adapters": {"socket://board": {"boards": {"5c:cf:7f:00:00:01": {"rate": "x"}}}}}',
        json.dumps(
            {"version": 1, "adapters": {PORT: {"boards": {MAC: {"rate": 12, "failed": 0, "at": 0}}, "profiles": {}}}}
        ),
    ],
)
def test_a_record_that_cannot_be_read_costs_a_search_and_no_more(text: str) -> None:
    files.write_atomic(path(), text.encode())
    auto, baud = rates()
    assert (baud, auto.above(baud)) == (USUAL, list(STEPS))
    auto.held(921600)
    assert rates()[1] == 921600


def test_so_many_boards_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_rate, "BOARDS_KEPT", 3)
    macs = [f"5c:cf:7f:00:01:{number:02x}" for number in range(5)]
    for mac in macs:
        rates(mac)[0].held(921600)
    assert list(json.loads(path().read_bytes())["adapters"][PORT]["boards"]) == macs[2:]


@given(st.lists(st.tuples(st.sampled_from(["held", "failed"]), st.sampled_from(STEPS)), max_size=12))
def test_whatever_happened_no_run_begins_at_a_rate_that_may_not_be_tried(history: list[tuple[str, int]]) -> None:
    path().unlink(missing_ok=True)
    for what, rate in history:
        auto, _ = rates()
        if what == "failed" or rate in {USUAL, *auto.above(USUAL)}:
            getattr(auto, what)(rate)
    auto, baud = rates()
    assert baud == USUAL or baud in auto.above(USUAL)
