"""Which buttons the words of a failure give."""

from __future__ import annotations

import pytest
from flashpipe.board.boot.kinds import KINDS, Kind
from flashpipe.jobs.variables import check
from flashpipe.page.actions import ACTIONS
from flashpipe.page.next_steps import next_steps


def labels(text: str, action: str = "flash") -> list[str]:
    return [step.label for step in next_steps(text, action, touched=False)]


@pytest.mark.parametrize(
    ("text", "buttons"),
    [
        ("run it again with mode=dio, then mode=dout", ["Flash with mode=dio", "Flash with mode=dout"]),
        ("`flashpipe erase`, then flash again: the firmware writes them anew", ["Erase…"]),
        ("`flashpipe erase`, then `flashpipe flash`: it is written anew", ["Erase…", "Flash again"]),
        ("if it is silent by design: boot=any, or boot=off; else", ["Flash with boot=any", "Flash with boot=off"]),
        ("then again with `flashpipe monitor baud=RATE`", []),
        ("run the same command again: it continues; if it recurs, baud=115200", ["Flash with baud=115200"]),
        ("plug it in and run the same command again", ["Do it again"]),
        ("`flashpipe restore backup=20261130T1-full` does", ["Put back 20261130T1-full…"]),
        ("another `flashpipe-thing erase`", []),
        ("", []),
    ],
)
def test_the_buttons_are_those_of_the_words(text: str, buttons: list[str]) -> None:
    assert labels(text) == buttons


def test_a_refusal_is_overridden_after_a_question_only() -> None:
    (step,) = next_steps("or say allow=wrong-flash-size", "flash", touched=False)
    assert (step.values, bool(step.question)) == ({"allow": "wrong-flash-size"}, True)


def test_what_cannot_be_done_again_by_a_click_is_flashed() -> None:
    assert labels("take baud=115200, which always works", "identify") == ["Identify with baud=115200"]
    assert labels("take baud=115200, which always works", "") == ["Flash with baud=115200"]
    assert labels("run the same command again", "") == []


def test_a_setting_that_stands_already_is_no_next_step() -> None:
    (step,) = next_steps("leave out reset=none", "flash", touched=False)
    assert step.stands_in((("reset", "none"),))
    assert not step.stands_in((("reset", "auto"),))


def test_where_a_port_was_opened_there_is_something_to_diagnose() -> None:
    assert [step.action for step in next_steps("", "flash", touched=True)] == ["diagnose"]
    assert next_steps("", "diagnose", touched=True) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_every_verdict_advises_is_something_that_can_be_clicked(kind: Kind) -> None:
    for step in next_steps(kind.remedy, "flash", touched=True):
        task = ACTIONS[step.action].task
        assert check(step.values, {task}).given == step.values
