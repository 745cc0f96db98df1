"""Folders of Lua tests: which files are meant, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError, LuaFileMissingError, LuaSyntaxError
from flashpipe.events import Event, LuaTestDone, StepFailed, StepFinished
from flashpipe.testing.board import Board
from flashpipe.testing.lua_tests import find_tests, prepare, run_tests
from flashpipe.testing.tap import FAILED, PASSED, SKIPPED

LATER = """
print("1..2")
print("ok 1 - now")
tmr.create():alarm(500, tmr.ALARM_SINGLE, function() print("ok 2 - later") end)
"""
LIMIT_S = 6.0
NTEST_LIKE = """
print("######## started x tests")
node.task.post(0, function() print("  pass a: 1 == 1") node.task.post(0, function()
  print(" ==>  fail a: 1 == 2: no") print("######## finished x tests") end) end)
"""

Run = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def run(own: Board, tmp_path: Path) -> Run:
    """Runs a test file, and gives name, outcome and message of each result."""

    def run_file(text: str, name: str = "test_x.lua", **others: str) -> list[tuple[str, str, str]]:
        for other, contents in {name: text, **{f"{key}.lua": value for key, value in others.items()}}.items():
            (tmp_path / other).write_text(contents)
        found = find_tests([name], tmp_path)
        told: list[Event] = []
        own.fresh()
        prepare(own, found, tmp_path)
        done = run_tests(own, found, tmp_path, LIMIT_S, told.append)
        assert [event for event in told if isinstance(event, LuaTestDone)] == done
        ended = StepFailed if any(test.outcome == FAILED for test in done) else StepFinished
        assert any(isinstance(event, ended) for event in told)
        assert {test.file for test in done} == {name}
        return [(test.name, test.outcome, test.message) for test in done]

    return run_file


# --- what is meant ---------------------------------------------------------------------------------------------------


def test_a_folder_means_its_tests_and_what_lies_beside_them_goes_to_the_board(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("test_b.lua", "test_a.lua", "NTest_c.lua", "helper.lua", "test_d.py"):
        (tmp_path / "tests" / name).touch()
    found = find_tests([], tmp_path)
    assert [path.name for path in found.tests] == ["NTest_c.lua", "test_a.lua", "test_b.lua"]
    assert [path.name for path in found.helpers] == ["helper.lua"]
    one = find_tests(["tests/helper.lua"], tmp_path)
    assert [path.name for path in one.tests] == ["helper.lua"]
    assert one.helpers == ()


@pytest.mark.parametrize("names", [[], ["tests"], ["empty"], ["test_no.lua"]])
def test_where_there_are_none_that_is_told(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LuaFileMissingError):
        find_tests(names, tmp_path)


def test_two_helpers_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helper.lua").touch()
        (tmp_path / folder / "test_x.lua").touch()
    with pytest.raises(BadValueError):
        find_tests(["a", "b"], tmp_path)


# --- what becomes of it ----------------------------------------------------------------------------------------------


def test_a_file_that_ends_without_an_error_passes(run: Run) -> None:
    assert run("assert(1 + 1 == 2)") == [("test_x", PASSED, "")]


def test_an_error_fails_with_its_line(run: Run) -> None:
    assert run("local a = 1\nassert(a == 2, 'not two')")[0][:2] == ("test_x", FAILED)
    ((_, _, message),) = run("\nerror('boom')")
    assert message == "test_x.lua:2: boom"
    ((_, _, message),) = run("\n\nif then")
    assert message.startswith("test_x.lua:3:")


def test_memory_that_is_used_up_is_named(run: Run) -> None:
    ((_, _, message),) = run("t={} for i=1,1e6 do t[i]=i end")
    assert "its memory was used up" in message


def test_results_are_read_and_an_error_after_them_counts_too(run: Run) -> None:
    assert run('print("ok 1 - a") print("not ok 2 - b # why") print("ok 3 - c # SKIP no") error("boom")') == [
        ("a", PASSED, ""),
        ("b", FAILED, "why"),
        ("c", SKIPPED, "no"),
        ("test_x", FAILED, "test_x.lua:1: boom"),
    ]


def test_what_timers_tell_is_waited_for_where_a_plan_says_so(run: Run) -> None:
    assert run(LATER) == [("now", PASSED, ""), ("later", PASSED, "")]
    ((name, outcome, message),) = run('print("1..1")')
    assert (name, outcome) == ("test_x", FAILED)
    assert "0 of 1 results" in message


def test_ntest_goes_on_by_tasks_after_its_file_has_ended(run: Run) -> None:
    assert run(NTEST_LIKE) == [("a: 1 == 1", PASSED, ""), ("a", FAILED, "1 == 2: no")]


def test_a_hang_is_bounded_and_named(run: Run) -> None:
    ((name, outcome, message),) = run("while true do tmr.delay(100000) tmr.wdclr() end")
    assert (name, outcome) == ("test_x", FAILED)
    assert "6 s" in message


def test_a_reset_is_a_failure_with_its_reason_and_the_next_file_runs(run: Run) -> None:
    found = run('print("ok 1 - before") while true do end')
    assert found[0] == ("before", PASSED, "")
    assert found[1][:2] == ("test_x", FAILED)
    assert "watchdog" in found[1][2]
    assert run("assert(true)") == [("test_x", PASSED, "")]


def test_a_large_file_is_run_by_its_own_name(run: Run) -> None:
    ((_, _, message),) = run("-- long\n" * 300 + "error('boom')")
    assert message == "test_x.lua:301: boom"


def test_a_name_that_no_board_could_have_is_no_matter(run: Run) -> None:
    name = "test_a very long 'name' with \"quotes\" and more than thirty-one characters.lua"
    assert run("assert(true)", name)[0][1] == PASSED


def test_helpers_are_there_and_each_test_begins_anew(own: Board, tmp_path: Path) -> None:
    (tmp_path / "helper.lua").write_text("return {n = 1}")
    for name in ("test_a.lua", "test_b.lua"):
        (tmp_path / name).write_text('assert(require("helper").n == 1 and left == nil) left = 1')
    found = find_tests(["."], tmp_path)
    prepare(own, found, tmp_path)
    done = run_tests(own, found, tmp_path, LIMIT_S, lambda _event: None)
    assert [(test.file, test.outcome) for test in done] == [("test_a.lua", PASSED), ("test_b.lua", PASSED)]


def test_mistakes_are_named_from_where_the_user_stands(own: Board, tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_bad.lua").write_text("local a\nprint(2+")
    found = find_tests(["tests"], tmp_path)
    own.fresh()
    prepare(own, found, tmp_path)
    (done,) = run_tests(own, found, tmp_path, LIMIT_S, lambda _event: None)
    assert done.message.startswith("tests/test_bad.lua:2: ")
    (folder / "helper.lua").write_text("return = 1")
    with pytest.raises(LuaSyntaxError, match=r"^tests/helper\.lua:1: unexpected symbol"):
        prepare(own, find_tests(["tests"], tmp_path), tmp_path)
