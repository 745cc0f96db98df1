"""Which files a board has: as its firmware lists them, and those that it leaves out.

NodeMCU lists no file whose header is in the last page of a SPIFFS block, where the page before holds the header of the
file that was listed last (seen with executed 1.5.4.1 and 2.2). Files that get their names one after the other have
their headers in one page after the other: executed 1.5.4.1 leaves out one of thirty nearly always. Each new name puts
the header into another page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from flashpipe.board.lua.console import Console
from flashpipe.board.lua.hex_digits import LIST, name_literal, name_of
from flashpipe.board.lua.open_file import close
from flashpipe.errors import BoardFileSystemError, ConsoleError, LuaFailedError
from flashpipe.next_steps import Advice, command, repeat

RENAMES: Final = 3
"""How often a file gets its name anew, for it to be listed; once has always been enough."""
_LISTED: Final = re.compile(r"(\d{1,8}) (.*)", re.DOTALL)
"""Length and name of a file, as `listed_files` asks for them."""
_LENGTH: Final = re.compile(r"\d{1,8}")
_MOST: Final = 16 * 1024 * 1024
"""Bytes of all files of a board: no flash holds more."""
_NO_FILES: Final = Advice(
    "it has no file system, or no `file` module: ", command("format"), " makes one, where the flash has room for it"
)

_TOO_OLD: Final = Advice(command("flash"), " writes a newer NodeMCU: from the 0.9.5 of spring 2015 on they have them")
PAGE: Final = 251
"""Data bytes of a SPIFFS page; each file costs one page more (docs/spiffs.md: 256-byte pages)."""
_GONE: Final = Advice("a program on the board may have removed it: reset the board and ", repeat("run it again"))


def listed_files(console: Console) -> dict[str, int]:
    """Names and lengths in bytes, sorted by name, as far as the firmware lists them.

    Raises:
        BoardFileSystemError: there is no file system, or it is damaged.
        ConsoleError: the console does not answer.
    """
    try:
        lines = console.lines(LIST, 10.0, secret=False)
    except LuaFailedError as error:
        raise BoardFileSystemError(f"{error.message}, when asked for its files", _NO_FILES) from error
    sizes = _read(lines)
    if sizes is None:
        again = console.lines(LIST, 10.0, secret=False)  # what the line has damaged comes otherwise the second time
        sizes = _read(again)
        if sizes is None and again == lines:
            raise BoardFileSystemError(
                f"{console.port}: its list of files is none: the file system is damaged", BoardFileSystemError.remedy
            )
    if sizes is None:
        raise ConsoleError(
            f"{console.port}: its list of files came damaged, or is none", Advice(repeat("run it again"))
        )
    return dict(sorted(sizes.items()))


def _read(lines: list[str]) -> dict[str, int] | None:
    """Names and lengths of the files; None where that is no list of files."""
    sizes = {name_of(line[2]): int(line[1]) for line in map(_LISTED.fullmatch, lines) if line}
    return None if len(sizes) < len(lines) or sum(sizes.values()) > _MOST else sizes


def size_of(console: Console, name: str) -> int | None:
    """Bytes of a file, also of one that is not listed; None where there is none.

    Raises:
        ConsoleError: the console does not answer.
    """
    reply = console.ask_secret(
        f'(function()local f=file.open({name_literal(name)},"r")if not f then return""end '
        f'local n=file.seek("end"){close("f")} return n end)()',
        10.0,
    )
    return int(reply) if _LENGTH.fullmatch(reply) else None


def cost_of(size: int) -> int:
    """Bytes of a file system that a file takes up."""
    return (-(-size // PAGE) + 1) * PAGE


def require_functions(console: Console, names: Sequence[str]) -> None:
    """Go on only with a firmware whose module `file` has these functions; one that is very old lacks some.

    Raises:
        BoardFileSystemError: naming those that it lacks.
        ConsoleError: the console does not answer.
    """
    kinds = console.ask('.." "..'.join(f"type(file.{name})" for name in names)).split()
    missing = [f"file.{name}" for name, kind in zip(names, kinds, strict=False) if kind == "nil"]
    if missing:
        raise BoardFileSystemError(f"{console.port}: this NodeMCU has no {' and no '.join(missing)}", _TOO_OLD)


def lines_read(console: Console, code: str) -> list[str]:
    """What Lua prints that reads a file.

    Raises:
        BoardFileSystemError: this firmware can read none.
        ConsoleError: the console does not answer, or the code failed.
    """
    try:
        return console.lines(code, 10.0)
    except LuaFailedError:
        require_functions(console, ["read"])
        raise


def have_listed(console: Console, temporary: Mapping[str, str]) -> list[str]:
    """Give files that the firmware does not list their names anew; those that it still leaves out.

    Args:
        console: at its prompt.
        temporary: names of files that are on the board, and a name for each that no other file has. One that loses its
            power in between has it under that name.

    Raises:
        ConsoleError: the console does not answer, or one is not there at all.
    """
    missing = _unlisted(console, temporary)
    for _ in range(RENAMES):
        for name in missing:
            there, away = name_literal(name), name_literal(temporary[name])
            console.ask_secret(f"(function()local r,n,t=file.rename,{there},{away} return r(n,t)and r(t,n)end)()", 10.0)
        missing = _unlisted(console, temporary) if missing else []
    for name in missing:
        if size_of(console, name) is None:
            raise ConsoleError(f"{console.port}: {name} was sent, and is not there any more", _GONE)
    return missing


def _unlisted(console: Console, names: Mapping[str, str]) -> list[str]:
    listed = listed_files(console)
    return [name for name in names if name not in listed]
