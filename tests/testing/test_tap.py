"""Results that a board prints: TAP, NTestTapOut, and NTest by itself."""

from __future__ import annotations

import pytest
from flashpipe.testing.tap import FAILED, PASSED, SKIPPED, Tap, TapResult


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("ok", TapResult("", PASSED)),
        ("ok 1", TapResult("", PASSED)),
        ("ok 1 - adds up", TapResult("adds up", PASSED)),
        ("ok 1 adds up", TapResult("adds up", PASSED)),
        ("> ok 1 - after a prompt", TapResult("after a prompt", PASSED)),
        ("TAP: ok 3 adds # 2 == 2", TapResult("adds # 2 == 2", PASSED)),
        ("not ok 2 - adds up", TapResult("adds up", FAILED)),
        ("TAP: not ok 2 adds # exn; x.lua:3: boom", TapResult("adds", FAILED, "exn; x.lua:3: boom")),
        ("TAP: not ok 2 adds # 1 + 1 is 3: ", TapResult("adds", FAILED, "1 + 1 is 3")),
        ("ok 4 - sensor # SKIP none here", TapResult("sensor", SKIPPED, "none here")),
        ("not ok 5 - later # TODO not yet", TapResult("later", SKIPPED, "not yet")),
        ("ok 6 - later # TODO done", TapResult("later # TODO done", PASSED)),
        ("1..0 # no hardware", TapResult("all", SKIPPED, "no hardware")),
    ],
)
def test_a_line_is_a_result(line: str, result: TapResult) -> None:
    assert Tap(f"{line}\n").results == [result]


@pytest.mark.parametrize(
    "line", ["okay", "ok: fine", "  ok 1", "not  ok", "all ok", "# ok 1", "pass x: y", "1...3", ""]
)
def test_other_lines_are_none(line: str) -> None:
    assert Tap(f"{line}\n").results == []
    assert Tap(f"{line}\n").finished


def test_a_plan_that_comes_first_is_waited_for() -> None:
    assert not Tap("1..2\nok 1\n").finished
    assert Tap("1..2\nok 1\n").missing
    assert Tap("1..2\nok 1\nok 2\n").finished
    assert not Tap("1..2\nok 1\nok 2\n").missing


def test_a_plan_that_comes_last_is_only_checked() -> None:
    tap = Tap("ok 1\n1..2\n")
    assert tap.finished
    assert tap.missing == "1 of 2 results came"


def test_who_bails_out_says_why_and_is_not_waited_for() -> None:
    tap = Tap("1..5\nok 1\nBail out! no sensor\n")
    assert (tap.finished, tap.bailed, tap.missing) == (True, "no sensor", "")


NTEST = """######## started adc tests
  pass reads: 0 <= 512
> something else
 ==>  fail reads: 512 == 3: expected 3
 ==>  except breaks: adc.lua:4: boom
"""


def test_ntest_is_read_and_waited_for() -> None:
    tap = Tap(NTEST)
    assert not tap.finished
    assert tap.missing
    assert tap.results == [
        TapResult("reads: 0 <= 512", PASSED),
        TapResult("reads", FAILED, "512 == 3: expected 3"),
        TapResult("breaks", FAILED, "adc.lua:4: boom"),
    ]
    assert Tap(f"{NTEST}######## finished adc tests\n").finished


def test_its_tap_output_tells_a_number_that_is_no_count() -> None:
    tap = Tap("\nTAP: # STARTUP adc\n\nTAP: ok 1 reads # x\n")
    assert not tap.finished
    tap = Tap("\nTAP: # STARTUP adc\n\nTAP: ok 1 reads # x\n\nTAP: POST 1..2\n")
    assert (tap.finished, tap.missing) == (True, "")
