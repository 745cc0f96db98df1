"""Lines are no longer than the terminal is wide, and what is to be copied still can be."""

from __future__ import annotations

import os
import shlex

import pytest
from flashpipe.folding import folded
from hypothesis import given
from hypothesis import strategies as st

WIDTH = 80
RECEIPT = "receipt  .pipeline/receipts/20261130T035244385-5ccf7f9b02c4-wrong-flash-size.json"
NEXT = "next: flashpipe node profile=kitchen port='sim://nodemcu-devkit?flash=my board.bin&mac=5c:cf:7f:00:00:01'"


@pytest.mark.parametrize("line", [RECEIPT, RECEIPT.replace(".pipeline", f"/{'folder/' * 12}"), NEXT, f"  {NEXT}"])
def test_no_line_is_longer_than_the_terminal(line: str) -> None:
    assert max(map(len, folded(line, WIDTH).splitlines())) <= WIDTH


def test_a_path_from_where_the_user_stands_is_whole() -> None:
    assert folded(RECEIPT, WIDTH).splitlines()[-1].strip() == RECEIPT.rsplit(maxsplit=1)[-1]


@pytest.mark.skipif(os.name != "posix", reason="shells there do not read on behind a backslash")
def test_a_command_is_read_by_a_shell_as_if_it_stood_in_one_line() -> None:
    shown = folded(NEXT, WIDTH)
    assert "\n" in shown
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(NEXT)


@given(st.text("ab /`':|", max_size=300), st.integers(20, 100))
def test_nothing_but_the_beginning_of_a_path_is_lost(line: str, width: int) -> None:
    shown = folded(line, width)
    if "…" not in shown:
        assert "".join(shown.replace(" \\\n", "").split()) == "".join(line.split())
