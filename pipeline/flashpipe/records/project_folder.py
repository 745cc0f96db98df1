"""The project a command belongs to, and its records: where they are, whose they are, and that git leaves them alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import RECORDS_FOLDER, RECORDS_VARIABLE, expanded
from flashpipe.ownership import Standing, described, look, require_own

FOLDER: Final = RECORDS_FOLDER
_LEVELS: Final = 2
"""How deep the folders of records are: `backups`, and in it one for each."""


def find_project(start: Path, passed_over: Callable[[str], None] = lambda _text: None) -> Path:
    """The nearest folder, from `start` upwards, with a dodo.py or a `.pipeline` folder; else `start`.

    One above `start` that others can change is passed over, and `passed_over` is told. `start` itself is where the
    user has gone: what of it may be used, is asked where it is used.
    """
    for folder in (start, *start.parents):
        marks = [mark for mark in (folder / "dodo.py", folder / FOLDER) if mark.is_file() or mark.is_dir()]
        if not marks:
            continue
        if folder == start:
            return start
        findings = ((mark, look(mark, folder)) for mark in marks)
        foreign = next((pair for pair in findings if pair[1].standing is not Standing.OWN), None)
        if foreign is None:
            return folder
        passed_over(
            f"the project in {folder} is passed over: {described(*foreign)}; `flashpipe trust {folder}` admits it"
        )
    return start


def records_folder(project: Path, named: str = "", caller: Path | None = None) -> Path:
    """Where a project's records are kept: in the folder that is named, or FLASHPIPE_RECORDS says, else in the project.

    A relative name starts from `caller`, the current folder if None.
    """
    text = named or os.environ.get(RECORDS_VARIABLE, "")
    return (caller or Path.cwd()) / expanded(text) if text else project / FOLDER


def own_records(folder: Path) -> Path:
    """Go on only with records that nobody else can change; they need not be there yet. Returns the folder.

    The folders in it count as well, each where it stands and where it leads: whoever can change `backups` decides what
    a restore writes.

    Raises:
        NotTrustedError: others can.
    """
    root = folder.parent if folder.name == FOLDER else folder
    require_own(folder, root)
    for inner in _folders_below(folder, _LEVELS):
        require_own(inner, root)
    return folder


def _folders_below(folder: Path, levels: int) -> Iterator[Path]:
    """Folders, and links, which could lead to some. A folder of receipts is long, and costs no question for each."""
    try:
        with os.scandir(folder) as entries:
            folders = [Path(entry.path) for entry in entries if entry.is_symlink() or entry.is_dir()]
    except OSError:
        return  # not there, or not to be read: what needs it says so
    yield from folders
    if levels > 1:
        for inner in folders:
            yield from _folders_below(inner, levels - 1)


def make_folder(folder: Path) -> Path:
    """Make the folder of records, unless it is there, readable by its owner only and ignored by git.

    Raises:
        NotTrustedError: others could change what is in it.
        RecordError: it cannot be made.
    """
    own_records(folder)
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=folder.name != FOLDER, exist_ok=True)
        ignore = folder / ".gitignore"
        if folder.name == FOLDER and not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as error:
        raise RecordError(
            f"{folder}: cannot be made: {error.strerror}",
            f"fix the permissions of the project folder, or keep records elsewhere: {RECORDS_VARIABLE}=DIR",
        ) from error
    return folder
