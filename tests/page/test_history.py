"""What was done, as the page shows it; whatever stands in a record."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.page.history import BAR, plot


def test_each_step_has_a_bar_to_scale() -> None:
    assert plot([["connect", 0.5], ["write", 2]]) == [
        {"name": "connect", "seconds": 0.5, "width": round(BAR / 4)},
        {"name": "write", "seconds": 2.0, "width": BAR},
    ]


@pytest.mark.parametrize("seconds", [1e308, float("inf"), float("nan"), -5, 10**400, "1", None])
def test_what_no_step_can_have_taken_is_left_out(seconds: Any) -> None:
    assert plot([["a", seconds], ["b", 1.0]]) == [{"name": "b", "seconds": 1.0, "width": BAR}]


@pytest.mark.parametrize("steps", [None, 5, "ab", {}, [["a"]], ["ab"], []])
def test_what_is_no_list_of_steps_has_no_bars(steps: Any) -> None:
    assert plot(steps) == []
