"""Serial numbers by a rule, such as SN{year}{n:05}: the next number that no board has."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.station.units import Unit

COLUMN: Final = "serial"
_WIDTH: Final = re.compile(r"0[1-9]|")
_WORDS: Final = {"year": "%Y", "yy": "%y", "month": "%m", "day": "%d", "week": "%V"}
"""Words of a rule beside the number, and what of the local date they are."""
MOST: Final = 10_000_000
"""Numbers of one rule."""


class SerialRule:
    """The numbers of a rule; each period of a date in it begins at 1."""

    columns = (COLUMN,)
    is_list = False

    def __init__(self, rule: str, claims: Path, today: time.struct_time | None = None) -> None:
        self.claims = claims
        self._parts = list(_parts(rule))
        self._today = today or time.localtime()
        self._pattern = self._made_pattern(any_day=False)
        self._any_day = self._made_pattern(any_day=True)

    def again(self) -> SerialRule:
        """The same: a rule has all the numbers that it will ever have."""
        return self

    def example(self) -> Unit:
        """The first number."""
        return self._unit(1)

    def of(self, key: str) -> Unit | None:
        """The unit of a number, also of another day's; None of another rule's."""
        return Unit(key, {COLUMN: key}) if self._any_day.fullmatch(key) else None

    def meant_for(self, mac: str) -> Unit | None:
        """None: numbers are for any board."""
        del mac
        return None

    def candidates(self, taken: Mapping[str, str]) -> Iterator[Unit]:
        """The next numbers: those that were given back, then those behind the last one."""
        used = {int(match[1]) for key in taken if (match := self._pattern.fullmatch(key))}
        return (self._unit(number) for number in range(1, MOST) if number not in used)

    def _unit(self, number: int) -> Unit:
        text = "".join(
            part if word is None else self._word(word, form, number) for part, word, form in self._parts if part or word
        )
        return Unit(text, {COLUMN: text})

    def _word(self, word: str, form: str, number: int) -> str:
        return format(number, form) if word == "n" else time.strftime(_WORDS[word], self._today)

    def _made_pattern(self, *, any_day: bool) -> re.Pattern[str]:
        pieces = []
        for part, word, form in self._parts:
            if word is None:
                pieces.append(re.escape(part))
            elif word == "n":
                pieces.append(r"(\d+)")
            else:
                text = self._word(word, form, 0)
                pieces.append(rf"\d{{{len(text)}}}" if any_day else re.escape(text))
        return re.compile("".join(pieces))


def _parts(rule: str) -> Iterator[tuple[str, str | None, str]]:
    """Text, or word and form, one after the other."""
    try:
        pieces = list(Formatter().parse(rule))
    except ValueError as error:
        raise _wrong(rule, str(error)) from None
    words = [word for _, word, _, _ in pieces if word is not None]
    if words.count("n") != 1:
        raise _wrong(rule, "it has no number" if "n" not in words else "it has two numbers")
    for text, word, form, conversion in pieces:
        if not text.isprintable():
            raise _wrong(rule, "it has characters that cannot be printed")
        if text:
            yield text, None, ""
        if word is None:
            continue
        if word not in {"n", *_WORDS} or conversion or (form and word != "n") or not _WIDTH.fullmatch(form or ""):
            raise _wrong(rule, f"{{{word}{':' + form if form else ''}}} is no word of it")
        yield "", word, form or ""


def _wrong(rule: str, why: str) -> BadValueError:
    return BadValueError(f"serial={rule}: {why}", f"write it like SN{{year}}{{n:05}}; words are n, {', '.join(_WORDS)}")
