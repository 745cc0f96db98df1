"""Contents to be put on a board: a backup, or a plain file; and which parts of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from flashpipe.errors import BackupError
from flashpipe.firmware.overrides import Override
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge
from flashpipe.flasher.board_layout import Read
from flashpipe.records import journal
from flashpipe.records.backups import Manifest, Store
from flashpipe.values import dataclass


@dataclass(frozen=True)
class RestoreSource:
    """Contents to put on a board."""

    name: str
    """Id of the backup, or name of the file."""
    mac: str
    """Of the board it was read from; empty where nobody knows."""
    flash_size: int
    """Of that board, bytes; 0 where nobody knows."""
    regions: tuple[Region, ...]
    """What it holds."""
    read: Read
    blank: tuple[Region, ...] = ()
    """What of that is known to be FF."""
    about: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = True
    """Kept in the project's backups, so that an interrupted run finds it again."""

    @property
    def whole(self) -> bool:
        """Whether it holds every byte of a flash."""
        return self.regions == (Region(0, self.flash_size),)

    def title(self) -> str:
        """For people: which, and of which board, where that is known."""
        return f"{self.name} of board {self.mac}" if self.mac else self.name


def entry_of(source: RestoreSource) -> journal.JournalEntry | None:
    """What the journal knew of the board when the backup was taken; None where that is not kept with it."""
    try:
        entry = journal.from_json(source.about.get("journal", {}))
    except (ValueError, TypeError, KeyError, AttributeError):  # of another version of this program
        return None
    return entry if entry.state == "clean" else None


def stored_source(store: Store, manifest: Manifest) -> RestoreSource:
    """A backup, every block of it checked before anything is touched.

    Raises:
        BackupDamagedError: a block is missing or not itself.
    """
    store.check(manifest)
    return RestoreSource(
        name=manifest.id,
        mac=manifest.mac,
        flash_size=manifest.flash_size,
        regions=tuple(manifest.regions),
        read=lambda region: store.content(manifest, region),
        blank=tuple(manifest.blank()),
        about=manifest.about,
    )


def file_source(path: Path, data: bytes, at: int, flash_size: int) -> RestoreSource:
    """A plain file, to stand at address `at` of a flash of `flash_size` bytes; of which board it is nobody knows.

    Raises:
        BackupError: it is not made of whole sectors.
    """
    if not data or len(data) % SECTOR_SIZE:
        raise BackupError(
            f"{path}: {len(data):,} bytes are no backup of whole sectors", "`flash` writes images; `restore` a backup"
        )
    region = Region(at, at + len(data))
    ff = b"\xff" * BLOCK_SIZE
    blank = [part for part in region.split(BLOCK_SIZE) if data[part.start - at : part.end - at] == ff[: part.size]]
    return RestoreSource(
        name=path.name,
        mac="",
        flash_size=flash_size if region.size == flash_size else 0,
        regions=(region,),
        read=lambda part: data[part.start - at : part.end - at],
        blank=tuple(merge(blank)),
        stored=False,
    )


@dataclass(frozen=True)
class RestoreSelection:
    """What shall stand on the board: the regions to take from the source, and those to leave blank."""

    taken: tuple[Region, ...]
    blank: tuple[Region, ...] = ()
    left: tuple[Region, ...] = ()
    """Parts of the source that are another board's own and are not put on this one."""
    overridden: tuple[Override, ...] = ()
    """Refusals that the user overrode."""
