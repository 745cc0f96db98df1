"""Files that were dropped onto the page: kept in a folder of their own, for as long as the page runs."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from flashpipe.errors import PipelineError, UploadError
from flashpipe.files import make_parents, state_folder
from flashpipe.values import dataclass

LARGEST: Final = 0x2000000
"""Bytes: as large as a local archive may be (`sources.local`)."""
MOST_FILES: Final = 8
"""A firmware has as many parts at most."""
MOST_NAMES: Final = 120
ARCHIVES: Final = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Of these the one .bin is taken; where there are several, the refusal lists them."""
_ADDRESS: Final = re.compile(r"(?i)^(0x[0-9a-f]{1,6})\.bin$")


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

    async def add(self, name: str, file_name: str, data: AsyncIterator[bytes]) -> Upload:
        """Store a file, readable by its owner only.

        Raises:
            UploadError: the set is unknown or full, or the file is too large.
        """
        files = self._sets.get(name)
        if files is None or len(files) >= MOST_FILES:
            raise UploadError(f"these are more than {MOST_FILES} files", "drop one firmware at a time")
        shown = "".join(char if char.isprintable() else "_" for char in file_name)[-MOST_NAMES:] or "file"
        folder = self._folder / name / str(len(files))
        path = folder / (re.sub(r"[^A-Za-z0-9._-]", "_", shown).lstrip(".") or "file")
        make_parents(path)
        try:
            with path.open("xb") as stream:
                path.chmod(0o600)
                async for piece in data:
                    stream.write(piece)
        except PipelineError:
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

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder, ignore_errors=True)


def image_words(files: list[Upload]) -> tuple[str, str]:
    """The files as `image=` takes them: by their paths here, and by the names that they had.

    Raises:
        UploadError: several, of which not each says where it belongs.
    """
    if len(files) == 1:
        member = "!*.bin" if files[0].path.name.lower().endswith(ARCHIVES) else ""
        return f"{files[0].path}{member}", f"{files[0].path.name}{member}"
    places = [(_address(file), file) for file in files]
    unknown = [file.name for address, file in places if address is None]
    if unknown or len({address for address, _ in places}) < len(places):
        raise UploadError(
            f"{', '.join(unknown or [file.name for file in files])}: it is not known where that belongs in the flash",
            "call the files after their addresses: 0x00000.bin and 0x10000.bin",
        )
    ordered = sorted((address, file) for address, file in places if address is not None)
    return (
        ",".join(f"{address:#07x}:{file.path}" for address, file in ordered),
        ",".join(f"{address:#07x}:{file.path.name}" for address, file in ordered),
    )


def _address(file: Upload) -> int | None:
    """Where a file of a pair belongs: as its name says, else as its bytes do."""
    from flashpipe.jobs.inspect import inspect  # noqa: PLC0415  0.1 s, and only where several files were dropped

    named = _ADDRESS.fullmatch(file.name)
    if named:
        return int(named[1], 16)
    try:
        return inspect(str(file.path), file.path.parent).files[0].address
    except (PipelineError, IndexError):
        return None
