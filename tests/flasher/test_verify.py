"""Comparing a board with a plan, read-only."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.errors import (
    VerifyError,
)
from flashpipe.flasher.verify import verify

from tests.flasher.runs import QUIET, Plan, flash


def test_verify_names_what_differs_and_writes_nothing(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
        assert verify(session, plan(), QUIET).outcome == "verified"
        board.put(0x23456, b"\x42" * 4)
        cells = board.cells
        with pytest.raises(VerifyError, match="0x023000"):
            verify(session, plan(), QUIET)
    assert board.cells == cells
