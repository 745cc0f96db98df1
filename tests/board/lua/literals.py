"""What Lua makes of a string literal, by its reference manual (5.1, section 2.1)."""

from __future__ import annotations

import re

_WORD = re.compile(r"\\(?:(\d{1,3})|([nrt\"\\]))|([^\"\\])")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


def value_of(literal: str) -> bytes:
    """The bytes that a literal in double quotes stands for."""
    assert literal[0] == literal[-1] == '"'
    out, at = "", 1
    while at < len(literal) - 1:
        word = _WORD.match(literal, at, len(literal) - 1)
        assert word is not None, literal[at:]
        number, escaped, plain = word.groups()
        out += chr(int(number)) if number else _LETTERS.get(escaped, escaped) if escaped else plain
        at = word.end()
    return out.encode("latin-1")
