"""Version demands such as `>=3.0` or `>=2.2, <3`: numbers compared part by part, missing parts are zero."""

from __future__ import annotations

from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

_VERSION: Final = lazy_pattern(r"\d{1,9}(?:\.\d{1,9}){0,3}(?!\d)")
_DEMAND: Final = lazy_pattern(r"(>=|<=|==|~=|!=|>|<|=)?\s*v?(\d{1,9}(?:\.\d{1,9}){0,3})(?:\.\*)?")
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Demand:
    """What a version must be: every one of some comparisons holds."""

    text: str
    """As written, spaces tidied."""
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    """Operator and numbers of each comparison."""

    def admits(self, version: tuple[int, ...]) -> bool:
        """Whether a version fulfils all of it."""
        return all(_holds(version, operator, numbers) for operator, numbers in self.parts)

    def __str__(self) -> str:
        return self.text


def parse_demand(text: str) -> Demand:
    """Read a demand: comparisons with commas between them.

    `3.0` and `==3.0` mean any 3.0 (3.0.0, 3.0.1), `~=2.2` means at least 2.2 and still 2.

    Raises:
        BadValueError: not a demand.

    >>> parse_demand(">=2.2, <3").admits((2, 2, 1))
    True
    """
    parts = []
    for word in text.split(","):
        match = _DEMAND.fullmatch(word.strip())
        if match is None:
            raise BadValueError(f"got {text!r}, want a version such as >=3.0", "or >=2.2, <3 or ==2.2.1")
        operator = {"": "==", "=": "=="}.get(match[1] or "", match[1])
        parts.append((operator, numbers(match[2])))
    return Demand(", ".join(word.strip() for word in text.split(",")), tuple(parts))


def numbers(text: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version; none if it does not begin with one.

    >>> numbers("3.0.0-release_20240225")
    (3, 0, 0)
    """
    match = _VERSION.match(text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _holds(version: tuple[int, ...], operator: str, wanted: tuple[int, ...]) -> bool:
    left, right = _padded(version), _padded(wanted)
    same = left[: len(wanted)] == wanted
    if operator == "~=":
        keep = max(1, len(wanted) - 1)
        return left >= right and left[:keep] == wanted[:keep]
    if operator == ">":
        return left > right and not same
    return {"==": same, "!=": not same, ">=": left >= right, "<=": left <= right or same, "<": left < right}[operator]


def _padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, *[0] * _PARTS)[:_PARTS]
