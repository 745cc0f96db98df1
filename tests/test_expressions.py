"""Expressions that a person gives: each is understood or refused, and each search ends."""

from __future__ import annotations

import pytest
from flashpipe import expressions
from flashpipe.errors import BadValueError
from flashpipe.expressions import expression

LINES = "one\ntwo 2\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [("^two", "two"), ("two.$", None), (r"\d$", "2"), ("(?i)ONE", "one"), ("one.two", None), (r"o(?=ne)", "o")],
)
def test_lines_are_searched(text: str, found: str | None) -> None:
    assert expression(text).search(LINES) == found


def test_case_can_be_left_aside() -> None:
    assert expression("ONE", ignore_case=True).search(LINES) == "one"


@pytest.mark.parametrize(
    "text",
    [
        "(",
        "[",
        "*",
        "a{5,2}",
        "(?P<x",
        r"\1",
        "(" * 3000,
        "(" * 900,
        "a" * 2000,
        "(?<=a+",
        "(?R)",
        "(a(?1)?)b",
        "((a{999}){999})",
        "(?:a{0,99999}){3}",
        "a{" + "9" * 900 + "}",
    ],
)
def test_what_is_none_is_one_error(text: str) -> None:
    with pytest.raises(BadValueError):
        expression(text)


def test_counts_and_sets_are_no_mistake() -> None:
    assert expression(r"^(\w{1,64} ){1,9}[[{9}]").search("two words {2") == "two words {"


@pytest.mark.parametrize("text", ["^(a+)+$", "(a|aa)+$", "(.*a){20}$"])
def test_a_search_without_an_end_has_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "LIMIT_S", 0.05)
    with pytest.raises(BadValueError):
        expression(text).search("a" * 5000 + "!\n")
