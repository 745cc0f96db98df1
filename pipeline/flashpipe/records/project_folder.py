"""The `.pipeline` folder of a project: where it is, and that git leaves it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError

FOLDER: Final = ".pipeline"


def find_project(start: Path) -> Path:
    """The nearest folder, from `start` upwards, with a dodo.py or a `.pipeline` folder; else `start`."""
    for folder in (start, *start.parents):
        if (folder / "dodo.py").is_file() or (folder / FOLDER).is_dir():
            return folder
    return start


def make_folder(folder: Path) -> Path:
    """The project's `.pipeline` folder, ignored by git.

    Raises:
        RecordError: it cannot be made.
    """
    try:
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as error:
        raise RecordError(
            f"{folder}: cannot be made: {error.strerror}", "fix the permissions of the project folder"
        ) from error
    return folder
