"""YAML that nobody has written: it is refused at once."""

from __future__ import annotations

import pytest
from flashpipe.sources.yaml_nodes import DEEPEST, compose


@pytest.mark.parametrize("text", ["a: " + "[" * 200_000, "{a: " * 50_000, "? " * 5000, "- " * 5000])
def test_what_is_nested_too_deeply(text: str) -> None:
    with pytest.raises(RecursionError):
        compose(text)


def test_brackets_that_somebody_needs() -> None:
    assert compose("[" * DEEPEST + "]" * DEEPEST) is not None
    assert compose("a: [{b: [c]}, {d: e}]").id == "mapping"
