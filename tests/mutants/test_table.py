"""The table of mutants fits the source as it is now; `run.py` does the killing."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.of_the_board import BOARD
from tests.mutants.of_the_host import HOST
from tests.mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_applies_once_and_its_tests_exist(mutant: Mutant) -> None:
    assert mutant.why_not() == ""
    assert mutant.tests
    assert mutant.missing_tests() == []


def test_no_two_are_alike() -> None:
    for what in (
        [mutant.name for mutant in MUTANTS],
        [(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS],
    ):
        assert not [item for item, count in Counter(what).items() if count > 1]
    assert all(mutant.old != mutant.new for mutant in MUTANTS)


def test_there_are_enough_on_both_sides() -> None:
    assert len(BOARD) >= 30
    assert len(HOST) >= 30
    assert all(mutant.file.startswith("pipeline/flashpipe/sim/") for mutant in BOARD)
    assert not any(mutant.file.startswith("pipeline/flashpipe/sim/") for mutant in HOST)
