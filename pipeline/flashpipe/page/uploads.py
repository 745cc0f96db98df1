"""Files that were dropped onto the page: kept in a folder of their own, for as long as the page runs."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from flashpipe.errors import UploadError
from flashpipe.files import make_parents, state_folder
from flashpipe.values import dataclass

LARGEST: Final = 0x2000000
"""Bytes: as large as a local archive may be (`sources.local`)."""
MOST_FILES: Final = 8
"""A firmware has as many parts at most."""
MOST_NAMES: Final = 120


@dataclass(frozen=True, slots=True)
class Upload:
    """One file: where it lies, and how it was called."""

    path: Path
    name: str


class Uploads:
    """All that was dropped, in sets: a pair is one firmware."""

    def __init__(self) -> None:
        self._folder = state_folder() / "page"
        self._sets: dict[str, list[Upload]] = {}

    def new_set(self) -> str:
        """The name of a set that files can be added to."""
        name = secrets.token_hex(8)
        self._sets[name] = []
        return name

    def folder(self, name: str) -> Path:
        """Where the files of a set lie."""
        return self._folder / name

    async def add(self, name: str, file_name: str, data: AsyncIterator[bytes]) -> Upload:
        """Store a file, readable by its owner only.

        Raises:
            UploadError: the set is unknown or full, has a file of that name, or the file is too large.
        """
        files = self._sets.get(name)
        if files is None or len(files) >= MOST_FILES:
            raise UploadError(f"these are more than {MOST_FILES} files", "drop one firmware at a time")
        shown = "".join(char if char.isprintable() else "_" for char in file_name)[-MOST_NAMES:] or "file"
        path = self.folder(name) / (re.sub(r"[^A-Za-z0-9._-]", "_", shown).lstrip(".") or "file")
        if path.exists():
            raise UploadError(f"two files are called {path.name}", "rename one of them")
        make_parents(path)
        try:
            with path.open("xb") as stream:
                path.chmod(0o600)
                async for piece in data:
                    stream.write(piece)
        except BaseException:  # the browser has gone, or the disk is full: half a file is none
            path.unlink(missing_ok=True)
            raise
        upload = Upload(path, shown)
        files.append(upload)
        return upload

    def files(self, name: str) -> list[Upload]:
        """The files of a set.

        Raises:
            UploadError: there are none.
        """
        found = self._sets.get(name)
        if not found:
            raise UploadError("no file has arrived", "drop it again")
        return found

    def forget(self, folder: Path) -> None:
        """Remove the files of a set."""
        if folder.parent == self._folder:
            self._sets.pop(folder.name, None)
            shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder, ignore_errors=True)
