"""The files of a board in a test."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.errors import BoardFileMissingError, LuaFileNameError
from flashpipe.profile.lua import bad_name


class BoardWithFiles(Protocol):
    """The board, as its files need it."""

    name: str

    def store(self) -> BoardFiles:
        """Its file system."""

    def note_file(self, name: str) -> None:
        """A test is about to change a file."""

    def quiet(self) -> AbstractContextManager[None]:
        """Contents of files pass: nothing is remembered of them."""


class Files:
    """The files of a board in a test."""

    def __init__(self, board: BoardWithFiles) -> None:
        self._board = board

    def list(self) -> dict[str, int]:
        """Names and lengths in bytes."""
        return self._board.store().names()

    def get(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            BoardFileMissingError: there is none of that name.
        """
        sizes = self.list()
        if name not in sizes:
            listed = ", ".join(sizes) or "none"
            raise BoardFileMissingError(f"{self._board.name}: the board has no file {name}; it has {listed}")
        with self._board.quiet():
            return self._board.store().read(name, sizes[name])

    def put(self, name: str, contents: bytes | str | Path) -> None:
        """Write a file: bytes, a text, or what a file of this computer holds.

        Raises:
            LuaFileNameError: the board cannot have that name.
            FilesFullError: there is no room for it.
        """
        problem = bad_name(name)
        if problem:
            raise LuaFileNameError(f"{name!r}: {problem}", LuaFileNameError.remedy)
        data = contents.read_bytes() if isinstance(contents, Path) else contents
        file = LuaFile(name, data.encode() if isinstance(data, str) else data)
        self._board.note_file(name)
        with self._board.quiet():
            self._board.store().send([file], self.list())

    def rm(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""
        self._board.note_file(name)
        self._board.store().remove(name)
