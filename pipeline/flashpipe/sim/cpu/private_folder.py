"""Folders of the cache from which code is executed: only if nobody but us can have put it there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from flashpipe.errors import RecordError
from flashpipe.files import cache_folder, make_private


def code_folder(name: str) -> Path | None:
    """The folder `name` of the cache, made where it is missing; None where it cannot be, or is not ours alone."""
    folder = cache_folder() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_private(folder)
    except (RecordError, OSError):
        return None
    return folder if is_ours_alone(folder) else None


def is_ours_alone(path: Path) -> bool:
    """Whether a file or folder belongs to us and nobody else can write to it.

    Windows has no such bits: there the cache lies in the user's own profile, which others cannot enter.
    """
    try:
        status = path.stat()
    except OSError:
        return False
    if os.name != "posix":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
