"""Which buttons the steps of a failure give."""

from __future__ import annotations

import pytest
from flashpipe.board.boot.kinds import KINDS, Kind
from flashpipe.jobs.variables import check
from flashpipe.next_steps import NextStep, command, repeat, setting, steps_of
from flashpipe.page.actions import ACTIONS
from flashpipe.page.buttons import buttons_for

AGAIN = repeat("run the same command again")


def labels(*steps: NextStep, action: str = "flash") -> list[str]:
    return [button.label for button in buttons_for(steps, action, touched=False)]


@pytest.mark.parametrize(
    ("steps", "buttons"),
    [
        (
            (setting(mode="dio"), setting(mode="dout")),
            ["Flash with mode=dio", "Flash with mode=dout (works on every board)"],
        ),
        ((command("erase"),), ["Erase…"]),
        ((command("erase"), command("flash")), ["Erase…", "Flash again"]),
        ((setting(reset="none", boot="off"),), ["Flash with reset=none boot=off (its start is not watched)"]),
        ((AGAIN, setting(baud="115200")), ["Flash with baud=115200 (slower and surer)"]),
        ((AGAIN,), ["Do it again"]),
        ((command("restore", backup="20261130T1-full"),), ["Put back 20261130T1-full…"]),
        ((command("files", rescue="1"),), ["Put init.lua aside"]),
        ((command("restore"), command("ports"), setting(yes="1"), setting(offline="1")), []),
        ((), []),
    ],
)
def test_the_buttons_are_those_of_the_steps(steps: tuple[NextStep, ...], buttons: list[str]) -> None:
    assert labels(*steps) == buttons


def test_a_refusal_is_overridden_after_a_question_only() -> None:
    (button,) = buttons_for([setting(allow="wrong-flash-size")], "flash", touched=False)
    assert (button.values, bool(button.question)) == ({"allow": "wrong-flash-size"}, True)


def test_what_cannot_be_done_again_by_a_click_is_flashed() -> None:
    assert labels(setting(baud="115200"), action="identify") == ["Identify with baud=115200 (slower and surer)"]
    assert labels(setting(baud="115200"), action="") == ["Flash with baud=115200 (slower and surer)"]
    assert labels(AGAIN, action="") == []


def test_what_changes_what_is_written_is_flashed_whatever_has_failed() -> None:
    assert labels(setting(mode="dout"), action="boot") == ["Flash with mode=dout (works on every board)"]


def test_what_was_put_right_outside_is_done_again() -> None:
    assert [button.label for button in buttons_for([command("ports")], "flash", touched=False, retry=True)] == [
        "Do it again"
    ]


def test_a_setting_that_stands_already_is_no_next_step() -> None:
    (button,) = buttons_for([setting(reset="none")], "flash", touched=False)
    assert button.stands_in((("reset", "none"),))
    assert not button.stands_in((("reset", "auto"),))


def test_where_a_port_was_opened_there_is_something_to_diagnose() -> None:
    assert [button.action for button in buttons_for([], "flash", touched=True)] == ["diagnose"]
    assert buttons_for([], "diagnose", touched=True) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_every_verdict_advises_is_something_that_can_be_clicked(kind: Kind) -> None:
    for button in buttons_for(steps_of(kind.remedy), "flash", touched=True):
        task = ACTIONS[button.action].task
        assert check(button.values, {task}).given == button.values
