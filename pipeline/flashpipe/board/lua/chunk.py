"""A Lua text that is run from the board's memory: where its file system takes no file.

It goes there as pieces of a string in a table; nothing of it is in the flash, and a restart forgets it.
"""

from __future__ import annotations

from typing import Final

from flashpipe.board.lua.console import Console, portions, quoted
from flashpipe.errors import FileDamagedError

_MODULUS: Final = 65521
_FACTOR: Final = 31
"""Of the checksum: each step of it fits into the 32 bits of an integer build."""
_PIECE: Final = '(function()_fp[#_fp+1]="{}"end)()'
_SUM: Final = (
    "(function()_fp=table.concat(_fp)local c=0 "
    f"for i=1,#_fp do c=(c*{_FACTOR}+_fp:byte(i))%{_MODULUS} end return c end)()"
)
RUN: Final = "(function()local f,e=_fp[1],_fp[2]_fp=nil return assert(f,e)()end)()"
"""Runs what `load` has put there, once; an expression for `Console.run`."""


def load(console: Console, name: str, data: bytes) -> None:
    """Have the board's Lua read a text; a mistake in it shows when it is run.

    Args:
        console: at its prompt.
        name: what errors call the text, as they do a file.
        data: the text.

    Raises:
        FileDamagedError: it did not arrive as it was sent.
        ConsoleError: the console does not answer.
        LuaFailedError: there is too little memory.
    """
    console.ask_secret("(function()_fp={}end)()")
    for literal, _ in portions(data, console.room(_PIECE.format(""))):
        console.ask_secret(_PIECE.format(literal))
    if console.ask_secret(_SUM, 10.0) != str(_checksum(data)):
        raise FileDamagedError(f"{console.port}: {name} did not arrive as it was sent", FileDamagedError.remedy)
    chunk = quoted(b"@" + name.encode())
    console.ask_secret(f"(function()_fp={{(loadstring or load)(_fp,{chunk})}}end)()", 10.0)


def _checksum(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value * _FACTOR + byte) % _MODULUS
    return value
