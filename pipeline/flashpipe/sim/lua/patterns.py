"""Lua's patterns: `find`, `match`, `gmatch` and `gsub` of its string library.

Written from the Lua reference manual (5.1 §5.4.1): classes, sets, `* + - ?`, captures, `%1`, `%b()` and anchors.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from flashpipe.sim.lua.values import LuaError

_CLASSES: Final = {
    "a": string.ascii_letters,
    "d": string.digits,
    "l": string.ascii_lowercase,
    "u": string.ascii_uppercase,
    "s": " \t\n\r\v\f",
    "w": string.ascii_letters + string.digits,
    "x": string.hexdigits,
    "p": string.punctuation,
    "c": "".join(map(chr, (*range(32), 127))),
    "z": "\0",
}
PLAIN: Final = -1
"""Length of a capture of a position, as `()` makes."""
OPEN: Final = -2
"""Length of a capture whose end has not been reached."""


@dataclass(slots=True)
class Match:
    """One place where a pattern fits: `start <= at < end`, counted from 0."""

    start: int
    end: int
    groups: list[tuple[int, int]] = field(default_factory=list)
    """Start and length of each capture; a length of -1 is a position."""

    def captures(self, text: str) -> list[str | int]:
        """The captures, or the whole match where there are none."""
        if not self.groups:
            return [text[self.start : self.end]]
        return [at + 1 if length == PLAIN else text[at : at + length] for at, length in self.groups]


def search(text: str, pattern: str, start: int = 0) -> Match | None:
    """The first match from `start` on.

    Raises:
        LuaError: a malformed pattern.
    """
    anchored = pattern.startswith("^")
    matcher = _Matcher(text, pattern)
    for at in range(start, len(text) + 1):
        end = matcher.match(at, int(anchored), [])
        if end is not None:
            return Match(at, end, matcher.groups)
        if anchored:
            break
    return None


def each(text: str, pattern: str) -> Iterator[Match]:
    """Every match, one after the other; an anchored pattern has one at most."""
    at = 0
    while at <= len(text):
        found = search(text, pattern, at)
        if found is None:
            return
        yield found
        at = found.end + (found.end == found.start)
        if pattern.startswith("^"):
            return


class _Matcher:
    def __init__(self, text: str, pattern: str) -> None:
        self.text, self.pattern = text, pattern
        self.groups: list[tuple[int, int]] = []

    def match(self, at: int, p: int, groups: list[tuple[int, int]]) -> int | None:  # noqa: PLR0911  a return for each kind
        """End of the match of pattern[p:] at `at`, or None; `groups` are the captures so far."""
        pattern = self.pattern
        if p == len(pattern):
            if any(length == OPEN for _, length in groups):
                raise LuaError("stdin:1: unfinished capture")
            self.groups = groups
            return at
        letter, two = pattern[p], pattern[p : p + 2]
        if letter == "(":
            plain = pattern[p + 1 : p + 2] == ")"
            return self.match(at, p + 1 + plain, [*groups, (at, PLAIN if plain else OPEN)])
        if letter == ")":
            return self._close(at, p, groups)
        if letter == "$" and p + 1 == len(pattern):
            return self.match(at, p + 1, groups) if at == len(self.text) else None
        if two == "%b":
            return self._balanced(at, p, groups)
        if letter == "%" and two[1:].isdigit():
            return self._again(at, p, groups)
        end = self._item_end(p)
        return self._repeat(at, p, end, groups)

    def _close(self, at: int, p: int, groups: list[tuple[int, int]]) -> int | None:
        for index in range(len(groups) - 1, -1, -1):
            start, length = groups[index]
            if length == OPEN:
                return self.match(at, p + 1, [*groups[:index], (start, at - start), *groups[index + 1 :]])
        raise LuaError("stdin:1: invalid pattern capture")

    def _balanced(self, at: int, p: int, groups: list[tuple[int, int]]) -> int | None:
        pair = self.pattern[p + 2 : p + 4]
        if len(pair) < 2:  # noqa: PLR2004  an opening and a closing letter
            raise LuaError("stdin:1: unbalanced pattern")
        if self.text[at : at + 1] != pair[0]:
            return None
        depth = 0
        for index in range(at, len(self.text)):
            letter = self.text[index]
            depth += -1 if letter == pair[1] else letter == pair[0]
            if depth == 0:
                return self.match(index + 1, p + 4, groups)
        return None

    def _again(self, at: int, p: int, groups: list[tuple[int, int]]) -> int | None:
        index = int(self.pattern[p + 1]) - 1
        if not 0 <= index < len(groups) or groups[index][1] < 0:
            raise LuaError(f"stdin:1: invalid capture index %{index + 1}")
        start, length = groups[index]
        same = self.text[start : start + length]
        return self.match(at + length, p + 2, groups) if self.text.startswith(same, at) else None

    def _repeat(self, at: int, p: int, end: int, groups: list[tuple[int, int]]) -> int | None:
        sign = self.pattern[end : end + 1]
        if sign == "-":
            while True:
                found = self.match(at, end + 1, groups)
                if found is not None or not self._fits(at, p, end):
                    return found
                at += 1
        if sign and sign in "*+?":
            most = 0
            while self._fits(at + most, p, end) and (sign != "?" or most == 0):
                most += 1
            for count in range(most, -1 if sign != "+" else 0, -1):
                found = self.match(at + count, end + 1, groups)
                if found is not None:
                    return found
            return None
        return self.match(at + 1, end, groups) if self._fits(at, p, end) else None

    def _item_end(self, p: int) -> int:
        """Where the single-letter item at `p` ends."""
        pattern = self.pattern
        if pattern[p] == "%":
            if p + 1 == len(pattern):
                raise LuaError("stdin:1: malformed pattern (ends with '%')")
            return p + 2
        if pattern[p] != "[":
            return p + 1
        at = p + 1 + (pattern[p + 1 : p + 2] == "^")
        first = True
        while first or pattern[at : at + 1] != "]":
            if at >= len(pattern):
                raise LuaError("stdin:1: malformed pattern (missing ']')")
            at += 2 if pattern[at] == "%" else 1
            first = False
        return at + 1

    def _fits(self, at: int, p: int, end: int) -> bool:
        if at >= len(self.text):
            return False
        letter, item = self.text[at], self.pattern[p:end]
        if item == ".":
            return True
        if item[0] == "%":
            return _in_class(letter, item[1])
        return _in_set(letter, item) if item[0] == "[" else letter == item


def _in_class(letter: str, name: str) -> bool:
    known = _CLASSES.get(name.lower())
    if known is None:
        return letter == name
    return (letter in known) == (name.islower())


def _in_set(letter: str, item: str) -> bool:
    negated = item[1] == "^"
    body = item[1 + negated : -1]
    found, at = False, 0
    while at < len(body):
        if body[at] == "%":
            found |= _in_class(letter, body[at + 1])
            at += 2
        elif body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            found |= body[at] <= letter <= body[at + 2]
            at += 3
        else:
            found |= letter == body[at]
            at += 1
    return found != negated
