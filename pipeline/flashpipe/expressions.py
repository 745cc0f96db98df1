"""Regular expressions that a person gives: each search ends, whatever expression and text are.

Python's own engine can be neither interrupted nor limited: `(a+)+$` on forty letters takes it years. The package
`regex` understands the same expressions and has a limit of time. It has none of memory: it writes a counted repetition
out, and knows expressions that call themselves. What Python's own does not understand is therefore none of ours, and
counts of counts are bounded.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

from flashpipe.errors import BadValueError
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

LIMIT_S: Final = 1.0
"""For one search."""
_LONGEST: Final = 1000
"""Characters; beyond it is no expression that somebody has typed."""
_MOST_COPIES: Final = 20_000
"""Of what is repeated, once all counts are written out; that many take about 10 MB."""
_TOKEN: Final = lazy_pattern(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(\d*)(?:,(\d*))?\}|.", re.DOTALL)
"""An escape, a set, a count, or one character."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that is known to be one."""

    text: str
    _compiled: Any

    def named(self, text: str) -> dict[str, str | None]:
        """What its named groups have found in the text; empty where it has none, or fits nothing.

        Raises:
            BadValueError: as `search`.
        """
        if self.search(text) is None:
            return {}
        match = self._compiled.search(text, timeout=LIMIT_S)
        return dict(match.groupdict()) if match else {}

    def search(self, text: str) -> str | None:
        """What of the text it fits, None where it fits nothing.

        Raises:
            BadValueError: it takes longer than a second on this text.
        """
        try:
            match = self._compiled.search(text, timeout=LIMIT_S)
        except (TimeoutError, MemoryError, RecursionError) as error:
            what = f"longer than {LIMIT_S:g} s" if isinstance(error, TimeoutError) else "too much memory"
            raise BadValueError(
                f"/{self.text}/: takes {what} on {len(text):,} characters",
                "make it simpler: a repetition of a repetition such as (a+)+ is what takes so long",
            ) from None
        return str(match[0]) if match else None


def expression(text: str, *, ignore_case: bool = False) -> Expression:
    """The expression that a text is; `^` and `$` mean lines.

    Raises:
        BadValueError: it is none.
    """
    import regex  # noqa: PLC0415  9 ms, and only where somebody gives an expression

    if len(text) > _LONGEST:
        raise BadValueError(f"an expression of {len(text):,} characters", f"want one of at most {_LONGEST}")
    copies = _copies(text)
    if copies > _MOST_COPIES:
        raise BadValueError(f"/{text}/: its counts are {copies:,} copies", f"want at most {_MOST_COPIES:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets that Python may understand otherwise one day
            re.compile(text)
        compiled = regex.compile(text, regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0))
    except (re.error, regex.error, RecursionError, OverflowError, MemoryError, ValueError) as error:
        raise BadValueError(f"/{text}/: {error}", "write a regular expression, or plain text without slashes") from None
    return Expression(text, compiled)


def _copies(text: str) -> int:
    r"""How many pieces an expression has when each count is written out; roughly, never too few.

    >>> _copies("(ab{3}){10}c"), _copies(r"\d{4}-[{9}]{2}")
    (41, 7)
    """
    totals, last = [0], 0
    for token in _TOKEN.finditer(text):
        if token[1] or token[2]:
            count = max(int(number or 0) for number in (token[1], token[2]))
            totals[-1] += last * (count - 1)
            last *= count
            continue
        last = 1
        if token[0] == "(":
            totals.append(0)
            continue
        if token[0] == ")" and len(totals) > 1:
            last = totals.pop()
        elif token[0] in {"?", "*", "+", "|"}:
            continue
        totals[-1] += last
    return sum(totals)
