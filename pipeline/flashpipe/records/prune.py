"""Which old receipts and backups a project can do without, and removing them.

What is never removed, whatever the rule says: of each board the newest receipt, the receipts that say what it holds,
those of a station's batch, the newest backup of its whole flash and the newest one at all, and every backup that a
journal names because a run that was interrupted still needs it.
"""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import BackupError, RecordError
from flashpipe.records import journal
from flashpipe.records.backup_index import stores
from flashpipe.records.backups import BLANK, Manifest, Store
from flashpipe.records.history import StoredReceipt, read_receipts, vouched
from flashpipe.values import dataclass

DAY_S: Final = 86_400.0
SETTLED_S: Final = 3_600.0
"""A block or a partial file that is younger may belong to a run that has not written its manifest yet."""


@dataclass(frozen=True, slots=True)
class PruneRule:
    """What is kept: whatever is younger than `days`, and the newest `count` of each board."""

    days: float
    count: int

    def spares(self, place: int, age_s: float) -> bool:
        """Whether the rule keeps a thing that is `place` from the newest (0 is the newest) and so old."""
        return place < self.count or age_s < self.days * DAY_S


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that can go."""

    path: Path
    what: str
    """For people."""

    @property
    def size(self) -> int:
        """Bytes that it takes on the disk."""
        with suppress(OSError):
            return self.path.stat().st_size
        return 0


def old_receipts(folder: Path, rule: PruneRule, now: float) -> list[Removal]:
    """The receipts of a project that can go; what is no receipt that can be read is left alone.

    Raises:
        RecordError: the folder cannot be read.
    """
    receipts, _ = read_receipts(folder)
    by_board: dict[str, list[StoredReceipt]] = {}
    for receipt in receipts:
        by_board.setdefault(receipt.mac, []).append(receipt)
    removals = []
    for mac, own in by_board.items():
        needed = {row.receipt for row in vouched(own, mac)[0]} | {own[-1].name}
        needed |= {receipt.name for receipt in own if _of_batch(receipt)}
        for place, receipt in enumerate(reversed(own)):
            if receipt.name not in needed and not rule.spares(place, _age(receipt.text("time"), now)):
                removals.append(Removal(receipt.path, f"receipt of {mac or 'no board'}: {receipt.text('outcome')}"))
    return sorted(removals, key=lambda removal: removal.path)


def _of_batch(kept: StoredReceipt) -> bool:
    """Whether a station has written it: the proof of a batch is made of them."""
    station = kept.record.get("station")
    return isinstance(station, dict) and bool(station.get("batch"))


def old_backups(folder: Path, rule: PruneRule, now: float) -> list[Removal]:
    """The backups of a project that can go.

    Raises:
        RecordError: a folder cannot be read.
    """
    return [removal for store in stores(folder) for removal in _old_backups(store, rule, now)]


def _old_backups(store: Store, rule: PruneRule, now: float) -> Iterator[Removal]:
    try:
        entry = journal.read(store.mac)
    except RecordError:
        return  # nobody knows what an interrupted run still needs
    manifests = store.manifests()
    complete = [one for one in manifests if one.complete]
    needed = {entry.backup, entry.saved}
    needed |= {one.id for one in complete[-1:]} | {one.id for one in [m for m in complete if m.whole][-1:]}
    for place, one in enumerate(reversed(complete)):
        if one.id not in needed and not rule.spares(place, _age(one.time, now)):
            yield Removal(store.folder / f"{one.id}.json", f"backup of {store.mac}: {_told(one)}")
    last = complete[-1].id if complete else ""
    for one in manifests:
        if not one.complete and one.id < last and one.id not in needed:
            yield Removal(store.folder / f"{one.id}.json", f"backup of {store.mac}: interrupted, and continued since")


def _told(manifest: Manifest) -> str:
    what = "whole flash" if manifest.whole else f"{len(manifest.regions)} region(s)"
    return f"{what}, {manifest.time}, {manifest.why}"


def loose_blocks(folder: Path, gone: Iterable[Path], now: float) -> list[Removal]:
    """Blocks that no backup names any more once `gone` is gone, and rests of files that were never finished.

    Raises:
        RecordError: a folder cannot be read.
    """
    gone = set(gone)
    removals = []
    for store in stores(folder):
        left = [name for name in store.ids() if store.folder / f"{name}.json" not in gone]
        try:
            named = {block.sha256 for name in left for _, block in store.read(name).placed()} - {BLANK}
        except BackupError:
            continue  # what a damaged manifest names is not known
        removals += [
            Removal(path, f"block of {store.mac} that no backup names")
            for path in store.block_files()
            if path.name.partition("-")[0] not in named and _settled(path, now)
        ]
        rests = [path for path in store.folder.rglob(".*.part") if _settled(path, now)]
        removals += [Removal(path, "rest of a file that was never finished") for path in rests]
    return removals


def _settled(path: Path, now: float) -> bool:
    try:
        return now - path.stat().st_mtime > SETTLED_S
    except OSError:
        return False


def _age(text: str, now: float) -> float:
    """Seconds since a time as records have it; what cannot be read is of no age at all."""
    try:
        return now - timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0.0


def remove(removals: Sequence[Removal]) -> int:
    """Remove them, manifests before the blocks that they name; the bytes that became free.

    Raises:
        RecordError: one cannot be removed; what came before it is gone.
    """
    freed = 0
    for removal in removals:
        size = removal.size
        _unlink(removal.path)
        freed += size
    return freed


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise RecordError(f"{path}: cannot be removed: {error.strerror}", "fix its permissions") from error
