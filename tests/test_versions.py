"""Version demands."""

from __future__ import annotations

import pytest
from flashpipe.errors import BadValueError
from flashpipe.versions import numbers, parse_demand


@pytest.mark.parametrize(
    ("demand", "good", "bad"),
    [
        (">=3.0", ["3.0", "3.0.0.0", "3.1", "10.0"], ["2.9.9", "2.2.1"]),
        (">= 2.2, <3", ["2.2.0", "2.99"], ["3.0.0", "2.1.9"]),
        ("3.0", ["3.0.0", "3.0.7"], ["3.1", "2.0"]),
        ("==3.0.*", ["3.0.0", "3.0.7"], ["3.1"]),
        ("=2.2.1", ["2.2.1", "2.2.1.0"], ["2.2.2"]),
        ("!=1.5.4", ["1.5.3", "2.0"], ["1.5.4.1"]),
        ("~=2.2", ["2.2", "2.9.1"], ["2.1", "3.0"]),
        ("~=2.2.1", ["2.2.1", "2.2.9"], ["2.3", "2.2.0"]),
        (">2.2", ["2.3"], ["2.2.1", "2.2"]),
        ("<=2.2", ["2.2.1", "2.1"], ["2.3"]),
        ("v3", ["3.0.0"], ["2.0"]),
    ],
)
def test_demands(demand: str, good: list[str], bad: list[str]) -> None:
    wish = parse_demand(demand)
    assert [text for text in good if not wish.admits(numbers(text))] == []
    assert [text for text in bad if wish.admits(numbers(text))] == []


@pytest.mark.parametrize("text", ["", "new", ">=", ">=3.x", "=>3", "3.0 4.0", "1.2.3.4.5", ">=3,", "9" * 5000])
def test_what_is_no_demand_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        parse_demand(text)


def test_a_demand_shows_as_it_was_written() -> None:
    assert str(parse_demand(">=2.2 ,<3")) == ">=2.2, <3"
    assert numbers("unknown") == ()
    assert numbers("9" * 5000) == ()
