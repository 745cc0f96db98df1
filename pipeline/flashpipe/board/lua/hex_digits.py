"""Contents and names of files as digits: what a console can print of any byte."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.lua.console import quoted
from flashpipe.board.lua.open_file import close

HEX: Final = (
    f'function(s)if type(s)=="string"then return string.format(string.rep("%02x",#s),s:byte(1,#s))end {close("s")} end'
)
"""A Lua function: the digits of a text; anything else is a file, and closed.

One call for a whole piece: a callback for each byte is eight times as slow, and its nested buffers take more stack than
0.9.5 has (seen with executed firmware: the digits of the ROM were overwritten)."""

LIST: Final = (
    'for n,s in pairs(file.list())do p(tostring(s).." "..n:gsub("[%c\\\\]",'
    'function(c)return("\\\\%03d"):format(c:byte())end))end'
)
"""Lua: length and name of each file; line ends and the like come as digits, else a name would end there."""
_DIGITS: Final = re.compile(r"\\(\d{3})")


def bytes_of(text: str) -> bytes:
    """The bytes of such digits; none where something else was printed between.

    >>> bytes_of("4142"), bytes_of("414")
    (b'AB', b'')
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def name_of(text: str) -> str:
    r"""The name that came so in the list, a character for each byte; bytes that are no UTF-8 stay what they are.

    >>> name_of(r"a\010\092b")
    'a\n\\b'
    >>> name_of("\xc3\xa9\xff")
    'é\udcff'
    """
    raw = _DIGITS.sub(lambda digits: chr(int(digits[1])), text).encode("latin-1", "replace")
    return raw.decode("utf-8", "surrogateescape")


def name_literal(name: str) -> str:
    r"""A name of the board's as Lua text: the bytes that it came as.

    >>> print(name_literal("é"), name_literal("\udcff"))
    "\195\169" "\255"
    """
    return quoted(name.encode("utf-8", "surrogateescape"))
