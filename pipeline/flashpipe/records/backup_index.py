"""Which backups a project has, of whatever board: found by their ids, and told where none is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from flashpipe.errors import BackupMissingError
from flashpipe.next_steps import Advice, command, setting
from flashpipe.records.backups import Manifest, Store, listed

_SHORTEST_ID: Final = 9
"""Characters of an id that are worth looking for: the date and its T."""
TOLD: Final = 5
"""Ids that a message names, the newest first."""


def stores(folder: Path) -> list[Store]:
    """The store of every board that has one in a project's folder of backups.

    Raises:
        RecordError: the folder cannot be read.
    """
    names = [path.name for path in listed(folder, "*") if re.fullmatch("[0-9a-f]{12}", path.name)]
    return [Store(folder, ":".join(name[at : at + 2] for at in range(0, 12, 2))) for name in names]


def find(folder: Path, name: str) -> tuple[Store, Manifest]:
    """The backup of that id, or of the only id that begins so, of whatever board.

    Raises:
        BackupMissingError: there is none, or more than one.
        BackupDamagedError: its manifest is not what was written.
    """
    matches = [(store, one) for store in stores(folder) for one in store.ids() if one.startswith(name)]
    exact = [item for item in matches if item[1] == name] or matches
    if len(exact) != 1 or len(name) < _SHORTEST_ID:
        ids = ", ".join(one for _, one in exact[:5]) if len(name) >= _SHORTEST_ID else ""
        what = f"that begins several ids: {ids}" if ids else f"neither a file nor an id in {folder}"
        raise missing(folder, f"backup={name}: {what}")
    store, one = exact[0]
    return store, store.read(one)


def missing(folder: Path, message: str) -> BackupMissingError:
    """The error for a backup that is not there: it names those that are."""
    there = sorted(((one, store.mac) for store in stores(folder) for one in store.ids()), reverse=True)
    if not there:
        return BackupMissingError(f"{message}; there is none", Advice(command("backup"), " makes one"))
    newest = [f"  {one}  of {mac}" for one, mac in there[:TOLD]]
    more = f"\n  and {len(there) - TOLD} older ones" if len(there) > TOLD else ""
    return BackupMissingError(
        f"{message}; there is\n" + "\n".join(newest) + more,
        Advice("say ", setting(backup=there[0][0]), ", for instance"),
    )
