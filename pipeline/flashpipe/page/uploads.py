"""Files that were dropped onto the page: kept in a folder of their own, for as long as the page runs."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from flashpipe.errors import UploadError
from flashpipe.files import make_parents, state_folder
from flashpipe.foreign_names import misleading
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.resolve import parse_image_argument
from flashpipe.values import dataclass

LARGEST: Final = 0x2000000
"""Bytes: as large as a local archive may be (`sources.local`)."""
MOST_FILES: Final = 8
"""A firmware has as many parts at most."""
LUA_FILE: Final = 1 << 20
"""Bytes of the largest Lua file that is sent: no board has room for more."""
MOST_LUA_FILES: Final = 64
"""That are sent to a board in one go."""
MOST_NAMES: Final = 120
_LONGEST: Final = 240
"""Bytes of a file's name that leave room for what is put before it."""
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file: where it lies, and how it was called."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _Set:
    """What is dropped together."""

    most: int
    largest: int
    files: list[Upload]
    for_board: bool = False
    """They get their names on a board: none is changed, or made up."""


def printable(name: str) -> str:
    """The name as it can be shown."""
    return "".join(char if char.isprintable() else "_" for char in name)


def _can_be(name: str) -> bool:
    """Whether a file can have this name here, and `image=` means it by that: then it is called as it was."""
    if misleading(name) or set(name) & set("/\\") or name.startswith("~") or len(os.fsencode(name)) > _LONGEST:
        return False
    return parse_image_argument(name) == {0: name} and not split_member(name)[1]


class Uploads:
    """All that was dropped, in sets: a pair is one firmware."""

    def __init__(self) -> None:
        self._folder = state_folder() / "page"
        self._sets: dict[str, _Set] = {}

    def new_set(self, *, for_board: bool = False) -> str:
        """The name of a set that files can be added to: parts of a firmware, or files for the board's file system."""
        name = secrets.token_hex(8)
        self._sets[name] = (
            _Set(MOST_LUA_FILES, LUA_FILE, [], for_board=True) if for_board else _Set(MOST_FILES, LARGEST, [])
        )
        return name

    def largest(self, name: str) -> int:
        """Bytes of the largest file that a set takes."""
        file_set = self._sets.get(name)
        return file_set.largest if file_set is not None else LARGEST

    def folder(self, name: str) -> Path:
        """Where the files of a set lie."""
        return self._folder / name

    async def add(self, name: str, file_name: str, data: AsyncIterator[bytes]) -> Upload:
        """Store a file, readable by its owner only.

        Raises:
            UploadError: the set is unknown or full, has a file of that name, or the file is too large.
        """
        file_set = self._sets.get(name)
        if file_set is None:
            raise UploadError("nothing is expected there any more", "drop it again")
        if len(file_set.files) >= file_set.most:
            raise UploadError(f"these are more than {file_set.most} files", "drop fewer at a time")
        shown = printable(file_name)[-MOST_NAMES:] or "file"
        if any(file.name in {shown, file_name} for file in file_set.files):
            raise UploadError(f"two files are called {shown}", "rename one of them")
        path = self.folder(name) / (shown if _can_be(shown) else _PLAIN.sub("_", shown).lstrip(".") or "file")
        if path.exists():  # the names differ, what is left of them does not
            path = path.with_name(f"{len(file_set.files)}-{path.name}")
        make_parents(path)
        try:
            with path.open("xb") as stream:
                path.chmod(0o600)
                async for piece in data:
                    stream.write(piece)
        except BaseException:  # the browser has gone, or the disk is full: half a file is none
            path.unlink(missing_ok=True)
            raise
        upload = Upload(path, file_name if file_set.for_board else shown)
        file_set.files.append(upload)
        return upload

    def files(self, name: str) -> list[Upload]:
        """The files of a set.

        Raises:
            UploadError: there are none.
        """
        file_set = self._sets.get(name)
        if file_set is None or not file_set.files:
            raise UploadError("no file has arrived", "drop it again")
        return file_set.files

    def forget(self, folder: Path) -> None:
        """Remove the files of a set."""
        if folder.parent == self._folder:
            self._sets.pop(folder.name, None)
            shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder, ignore_errors=True)
