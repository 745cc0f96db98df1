"""Lua code of ours on a running board: put there, run, and removed again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from flashpipe.board.lua import chunk
from flashpipe.board.lua.console import Console, LuaRun
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.restarts import may_restart
from flashpipe.board.session.session import Session
from flashpipe.errors import BoardFileSystemError, ConsoleError, FilesFullError


def run_file(
    session: Session,
    console: Console,
    file: LuaFile,
    timeout_s: float,
    *,
    until: Callable[[str], bool] = lambda _: False,
    linger_s: float = 0.0,
    on_lines: Callable[[str], None] = lambda _: None,
) -> LuaRun:
    """Run a Lua file from a temporary place on the board, and remove it again; the arguments are those of `run`.

    Where the file system takes none it is run from memory, which is told.

    Raises:
        ConsoleError: it could not be put there.
    """
    files = BoardFiles(console, session.baud)
    name, start = file.temporary, f'dofile("{file.temporary}")'
    with session.private():
        try:
            files.place(file)
        except (BoardFileSystemError, FilesFullError) as refused:
            chunk.load(console, name, file.data)
            session.notify(f"{refused.message}; {file.name} runs from memory")
            start = chunk.RUN

    def named(text: str) -> str:
        return text.replace(name, file.name)

    before, session.doing = session.doing, "program"
    ran = console.run(
        start,
        timeout_s,
        until=until,
        linger_s=linger_s,
        may_restart=may_restart(file.data),
        on_lines=lambda text: on_lines(named(text)),
    )
    session.doing = before
    if start != chunk.RUN:
        with suppress(ConsoleError):  # it may have restarted the board, or hold it still: the next transfer clears up
            files.remove(name)
    error = ran.error.replace(f"{name}:", f"{file.source or file.name}:")  # an editor finds the line by that
    return replace(ran, output=named(ran.output), error=named(error))
