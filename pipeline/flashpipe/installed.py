"""What is installed beside us, by the names of its folders: 3 ms where Python's `importlib.metadata` takes 25.

Each package has a folder `NAME-VERSION.dist-info`; of one that offers something to others a file in it names the groups
(packaging.python.org: Recording installed projects, Entry points). Where a package lies in another way, Python's own
module is asked.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".dist-info"
_OTHERS: Final = (".egg", ".egg-info", ".egg-link")
UNKNOWN: Final = "unknown"
"""Version of what is run from a source tree."""


def version(name: str) -> str:
    """Version of an installed package, or `UNKNOWN`."""
    folder = _folders()[0].get(_normalized(name))
    if folder is not None:
        return Path(folder).name.removesuffix(_SUFFIX).partition("-")[2]
    metadata = import_module("importlib.metadata")
    try:
        return str(metadata.version(name))
    except metadata.PackageNotFoundError:
        return UNKNOWN


def may_offer(prefix: str, *, but: str) -> bool:
    """Whether any package but one has entry points in groups whose names begin so; True where that is not known."""
    folders, all_seen = _folders()
    if not all_seen:
        return True
    wanted, ours = f"[{prefix}".encode(), _normalized(but)
    for name, folder in folders.items():
        if name != ours:
            with suppress(FileNotFoundError):
                if wanted in _content(f"{folder}/entry_points.txt").replace(b" ", b""):
                    return True
    return False


def _content(path: str) -> bytes:
    """Of a small file; of a hundred a `Path` would take as long as all else here."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)


@lru_cache(maxsize=1)
def _folders() -> tuple[dict[str, str], bool]:
    """By name, of packages on the path the first; and whether they are all."""
    folders: dict[str, str] = {}
    all_seen = True
    for entry in sys.path:
        folder = entry or os.curdir
        try:
            names = os.listdir(folder)  # noqa: PTH208  a path for each file would take three times as long
        except FileNotFoundError:
            continue
        except OSError:  # an archive, or what may not be read
            all_seen = False
            continue
        for name in names:
            if name.endswith(_SUFFIX):
                folders.setdefault(_normalized(name.partition("-")[0]), f"{folder}/{name}")
            elif name.endswith(_OTHERS):
                all_seen = False
    return folders, all_seen


def _normalized(name: str) -> str:
    """As packages are compared by name (packaging.python.org: Names and normalization)."""
    return name.lower() if name.isalnum() else re.sub(r"[-_.]+", "-", name).lower()
