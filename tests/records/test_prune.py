"""What pruning removes, and what it never does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random

import pytest
from flashpipe.flash import Region
from flashpipe.records import journal
from flashpipe.records.backups import Manifest, Store, Stored
from flashpipe.records.prune import PruneRule, Removal, loose_blocks, old_backups, old_receipts, remove

MAC, OTHER = "5c:cf:7f:00:00:01", "5c:cf:7f:00:00:02"
WHOLE = Region(0, 0x20000)
NOW = time.time()
NOTHING_SPARED = PruneRule(0, 1)
LATER = NOW + 2 * 3600


def write_receipt(folder: Path, number: int, mac: str, *, days: float = 0, **more: object) -> str:
    folder.mkdir(exist_ok=True)
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - days * 86400))
    record = {
        "format": "flashpipe-receipt/2",
        "time": when,
        "device": {"mac": mac},
        "outcome": "booted",
        "port": str(number),
        **more,
    }
    path = folder / f"{number:03d}.json"
    path.write_text(json.dumps(record))
    return path.name


def names(removals: list[Removal]) -> list[str]:
    return [removal.path.name for removal in removals]


def backup(store: Store, seed: int, **more: object) -> Manifest:
    data = Random(seed).randbytes(0x10000) + Random(99).randbytes(0x10000)
    return store.save([(WHOLE, data)], why="asked", flash_size=WHOLE.size, **more)  # type: ignore[arg-type]


def test_the_newest_receipt_and_those_that_say_what_a_board_holds_stay(tmp_path: Path) -> None:
    row = {"start": 0, "end": 0x1000, "kind": "firmware", "what": "x", "md5": "aa"}
    base = write_receipt(tmp_path, 1, MAC, days=900, holds=[row], whole=True)
    old = [write_receipt(tmp_path, number, MAC, days=800) for number in (2, 3)]
    last = write_receipt(tmp_path, 4, MAC, days=700)
    alone = write_receipt(tmp_path, 5, OTHER, days=900)
    (tmp_path / "000.json").write_text("no receipt")
    assert names(old_receipts(tmp_path, NOTHING_SPARED, NOW)) == old
    assert names(old_receipts(tmp_path, PruneRule(0, 2), NOW)) == old[:1]
    assert names(old_receipts(tmp_path, PruneRule(850, 1), NOW)) == []
    assert remove(old_receipts(tmp_path, NOTHING_SPARED, NOW)) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000.json", base, last, alone]


def test_a_clock_that_was_ahead_removes_nothing(tmp_path: Path) -> None:
    for number in range(3):
        write_receipt(tmp_path, number, MAC, days=-400)
    assert names(old_receipts(tmp_path, PruneRule(1, 1), NOW)) == []


def test_the_newest_backups_stay_and_their_blocks(tmp_path: Path) -> None:
    store = Store(tmp_path, MAC)
    first, second = backup(store, 1), backup(store, 2)
    part = store.save([(Region(0, 0x1000), b"\0" * 0x1000)], why="asked", flash_size=WHOLE.size)
    gone = old_backups(tmp_path, NOTHING_SPARED, LATER)
    assert names(gone) == [f"{first.id}.json"]
    loose = loose_blocks(tmp_path, [removal.path for removal in gone], LATER)
    assert len(loose) == 1
    remove([*gone, *loose])
    for left in (second, part):
        store.check(store.read(left.id))
    assert loose_blocks(tmp_path, [], LATER) == []


@pytest.mark.parametrize("field", ["backup", "saved"])
def test_what_an_interrupted_run_needs_stays(tmp_path: Path, field: str) -> None:
    store = Store(tmp_path, MAC)
    first, *_ = backup(store, 1), backup(store, 2), backup(store, 3)
    journal.write(journal.JournalEntry(MAC, state="writing", **{field: first.id}))  # type: ignore[arg-type]
    assert first.id not in [name.removesuffix(".json") for name in names(old_backups(tmp_path, NOTHING_SPARED, LATER))]
    journal.write(journal.JournalEntry(MAC))
    assert f"{first.id}.json" in names(old_backups(tmp_path, NOTHING_SPARED, LATER))


def test_an_interrupted_backup_goes_once_a_later_one_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path, MAC)
    block = store.put(b"\1" * 0x10000)
    partial = store.commit([Stored(Region(0, 0x10000), (block,))], why="asked", complete=False)
    assert old_backups(tmp_path, NOTHING_SPARED, LATER) == []
    backup(store, 1)
    assert names(old_backups(tmp_path, NOTHING_SPARED, LATER)) == [f"{partial.id}.json"]


def test_blocks_of_a_run_that_is_under_way_stay(tmp_path: Path) -> None:
    store = Store(tmp_path, MAC)
    block = store.put(b"\1" * 0x10000)
    (path,) = store.block_files()
    part = store.folder / "blocks" / ".x.part"
    part.write_bytes(b"1")
    assert loose_blocks(tmp_path, [], time.time()) == []
    assert sorted(names(loose_blocks(tmp_path, [], LATER))) == sorted([part.name, path.name])
    os.utime(path, (NOW - 9e6, NOW - 9e6))
    assert names(loose_blocks(tmp_path, [], NOW)) == [path.name]
    assert store.put(b"\1" * 0x10000) == block  # used again: young again
    assert loose_blocks(tmp_path, [], NOW) == []


def test_nothing_behind_a_link_goes_nor_what_is_no_block(tmp_path: Path) -> None:
    store = Store(tmp_path, "5c:cf:7f:00:00:01")
    backup(store, 1)
    theirs = tmp_path.parent / "theirs"
    theirs.mkdir()
    block = f"{'a' * 64}-{'b' * 32}"
    for name in ("my-thesis.txt", block, ".left.part"):
        (theirs / name).write_text("mine")
    (store.folder / "blocks" / "zz").symlink_to(theirs)
    (store.folder / "blocks" / "yy").mkdir()
    (store.folder / "blocks" / "yy" / "to-do.txt").write_text("mine")
    assert loose_blocks(tmp_path, [], LATER) == []


def test_beside_a_damaged_manifest_no_block_goes(tmp_path: Path) -> None:
    store = Store(tmp_path, MAC)
    saved = backup(store, 1)
    (store.folder / f"{saved.id}.json").write_text("{}")
    assert loose_blocks(tmp_path, [], LATER) == []
