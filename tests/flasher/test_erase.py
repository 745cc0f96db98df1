"""Erasing a whole flash, and proving it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flashpipe.errors import (
    VerifyError,
    WrongBoardError,
)
from flashpipe.flash import Region
from flashpipe.flasher.erase import erase

from tests.flasher.runs import QUIET, Plan, flash


def test_an_erase_that_does_not_take_is_noticed(bed: Any) -> None:
    board = bed("fill=byte:0&fault=stuck-sector:0x8000")
    with board.session() as session, pytest.raises(VerifyError, match="0x008000"):
        erase(session, QUIET)
    assert board.entry().state == "writing"


def test_a_board_that_is_not_listed_is_not_touched(bed: Any, plan: Plan) -> None:
    board, picky = bed("fill=byte:0"), replace(QUIET, boards=("5c:cf:7f:00:00:77",))
    with board.session() as session:
        for run in (erase, lambda session, policy: flash(session, plan(), policy)):
            with pytest.raises(WrongBoardError, match="5c:cf:7f:00:00:01 is not one of"):
                run(session, picky)
    assert board.cells == bytes(0x400000)
    assert board.entry().state == "unknown"


def test_an_erased_board_is_blank_and_known_to_be(bed: Any) -> None:
    board = bed("fill=byte:0")
    with board.session() as session:
        outcome = erase(session, QUIET)
    assert (outcome.outcome, outcome.written) == ("erased", (Region(0, 0x400000),))
    assert board.cells == b"\xff" * 0x400000
    assert board.entry().state == "erased"
