"""What a profile wants of a running NodeMCU, its files read: what is missing is named before a port is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe.board.lua.acceptance import Acceptance, LuaPolicy
from flashpipe.errors import LuaFileMissingError
from flashpipe.files import read_regular
from flashpipe.profile.model import Profile

if TYPE_CHECKING:
    from flashpipe.board.lua.files import LuaFile

LARGEST: Final = 4 * 1024 * 1024
"""Bytes: no file system on a supported board is so large in one file that sending it line by line made sense."""


def lua_policy(profile: Profile) -> LuaPolicy:
    """The demands and files of a profile.

    Raises:
        LuaFileMissingError: naming every file that cannot be read.
    """
    demands = profile.acceptance
    wanted = [*profile.files, *([(demands.run.name, demands.run)] if demands.run else [])]
    read = [_read(path, name) for name, path in wanted]
    problems = [problem for problem in read if isinstance(problem, str)]
    if problems:
        raise LuaFileMissingError(f"profile {profile.name}: {'; '.join(problems)}", LuaFileMissingError.remedy)
    files = [file for file in read if not isinstance(file, str)]
    acceptance = Acceptance(
        version=demands.version,
        modules=demands.modules,
        floats=demands.floats,
        lfs=demands.lfs,
        flash_size=demands.flash_size,
        run=files.pop() if demands.run else None,
        prints=demands.prints,
        timeout_s=demands.timeout_s,
    )
    return LuaPolicy(acceptance, tuple(files))


def _read(path: Path, name: str) -> LuaFile | str:
    """The file, or what is wrong with it."""
    try:
        return read_lua_file(path, name)
    except LuaFileMissingError as error:
        return error.message


def read_lua_file(path: Path, name: str) -> LuaFile:
    """A local file as the board shall know it.

    Raises:
        LuaFileMissingError: it cannot be read, or is too large to be one.
    """
    from flashpipe.board.lua.files import LuaFile  # noqa: PLC0415  28 ms, and only where a profile names files

    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        raise LuaFileMissingError(f"{path}: {error.strerror or error}", LuaFileMissingError.remedy) from error
    return LuaFile(name, data, str(path))
