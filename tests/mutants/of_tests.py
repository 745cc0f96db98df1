"""Defects of the board in a test: what is wrongly found green, or left over from the test before."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

BENCH, BOARD = "pipeline/flashpipe/sim/bench.py", "pipeline/flashpipe/testing/board.py"
TAP, RUNNER = "pipeline/flashpipe/testing/tap.py", "pipeline/flashpipe/testing/lua_tests.py"
START, NEW = "pipeline/flashpipe/testing/start.py", "pipeline/flashpipe/jobs/new_project.py"
T_BENCH, T_BOARD = "tests/sim/test_bench.py", "tests/testing/test_board.py"
T_TAP, T_RUNNER = "tests/testing/test_tap.py", "tests/testing/test_lua_tests.py"
T_START, T_NEW = "tests/testing/test_start.py", "tests/cli/test_new.py"

TESTS: Final = (
    Mutant(
        "a-skipped-result-is-a-failed-one-that-passes",
        TAP,
        '    if directive is not None and (failed or directive[1].upper() == "SKIP"):',
        "    if directive is not None or failed:",
        "a failed test in Lua counts as skipped",
        (f"{T_TAP}::test_a_line_is_a_result",),
    ),
    Mutant(
        "results-that-do-not-come-are-not-missed",
        TAP,
        "        if self.plan is None or len(self.results) == self.plan or self.bailed is not None:",
        "        if self.plan is None or self.results or self.bailed is not None:",
        "a test that broke off after its first result is green",
        (f"{T_TAP}::test_a_plan_that_comes_last_is_only_checked",),
    ),
    Mutant(
        "an-error-after-good-results-is-lost",
        RUNNER,
        "    elif error or tap.missing:",
        "    elif not tap.results and (error or tap.missing):",
        "a Lua file that fails after its first result is green",
        (f"{T_RUNNER}::test_results_are_read_and_an_error_after_them_counts_too",),
    ),
    Mutant(
        "a-lua-test-begins-where-the-last-one-ended",
        RUNNER,
        "    board.fresh()\n    output",
        "    output",
        "what one test file leaves behind decides about the next",
        (f"{T_RUNNER}::test_helpers_are_there_and_each_test_begins_anew",),
    ),
    Mutant(
        "a-board-that-restarts-is-not-noticed",
        BOARD,
        "        if DIES.search(self._wire.recent):\n            raise _DiesError",
        "        if False:\n            raise _DiesError",
        "a test waits for its whole time where the board crashed in the first moment, and no reason is told",
        (f"{T_BOARD}::test_a_reset_is_a_failure_with_its_verdict",),
    ),
    Mutant(
        "old-edges-stay",
        BENCH,
        "            machine.devices.gpio.edges.clear()\n",
        "",
        "a test sees the pulses of the test before",
        (f"{T_BENCH}::test_what_is_put_back_goes_on_as_it_was_however_often",),
    ),
    Mutant(
        "another-file-has-the-old-snapshot",
        START,
        '    texts += [*files, test.sha256 if test else "", port.partition("&board=")[0]]',
        '    texts += [test.sha256 if test else "", port.partition("&board=")[0]]',
        "tests run the Lua file of yesterday and are green",
        (f"{T_START}::test_whatever_a_boot_depends_on_makes_another_snapshot",),
    ),
    Mutant(
        "half-a-project-stays",
        NEW,
        "        if made:\n            shutil.rmtree",
        "        if not made:\n            shutil.rmtree",
        "a full disk leaves a hidden folder at each attempt",
        (f"{T_NEW}::test_a_failure_in_the_middle_leaves_nothing",),
    ),
)
