"""The store of backups: what went in comes out, whatever happened to the folder in between."""

from __future__ import annotations

import hashlib
import json
import stat
import time
import zlib
from pathlib import Path
from random import Random

import pytest
from flashpipe.errors import BackupDamagedError, BackupError, BackupMissingError, RecordError
from flashpipe.files import later_stamp
from flashpipe.flash import Region
from flashpipe.records.backup_index import find, stores
from flashpipe.records.backups import BLANK, Store
from hypothesis import given
from hypothesis import strategies as st

MAC = "5c:cf:7f:00:00:01"
WHOLE = Region(0, 0x40000)
NOISE = Random(7).randbytes(0x10000)
CONTENT = NOISE + b"\xff" * 0x10000 + NOISE + b"\0" * 0x10000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "backups", MAC)


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def test_what_was_saved_comes_back(store: Store) -> None:
    saved = store.save([(WHOLE, CONTENT)], why="asked", flash_size=0x40000, flash_id=0x1640EF, about={"on": "NodeMCU"})
    again = Store(store.folder.parent, MAC)
    found = again.read(saved.id)
    assert found == saved
    assert found.whole
    assert found.about == {"on": "NodeMCU"}
    assert again.content(found, WHOLE) == CONTENT
    assert again.content(found, Region(0xFFFE, 0x10003)) == CONTENT[0xFFFE:0x10003]
    assert again.newest() == found
    assert again.manifests() == [found]


def test_equal_blocks_are_stored_once_and_blank_ones_not_at_all(store: Store) -> None:
    first = store.save([(WHOLE, CONTENT)], why="asked")
    files = store.block_files()
    assert len(files) == 2
    assert first.blank() == [Region(0x10000, 0x20000)]
    store.save([(WHOLE, CONTENT)], why="rollback")
    assert store.block_files() == files
    assert sum(path.stat().st_size for path in files) < 0x11000


def test_a_block_is_known_by_the_boards_own_digest(store: Store) -> None:
    assert store.knows(md5(NOISE), 0x10000) is None
    block = store.put(NOISE)
    assert Store(store.folder.parent, MAC).knows(md5(NOISE), 0x10000) == block
    assert store.knows(md5(NOISE), 0x8000) is None
    blank = store.knows(md5(b"\xff" * 0x1000), 0x1000)
    assert blank is not None
    assert blank.sha256 == BLANK


def test_only_the_owner_can_read_it(store: Store) -> None:
    store.save([(WHOLE, CONTENT)], why="asked")
    for path in (store.folder.parent, *store.folder.parent.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_damaged_block_is_noticed_and_no_longer_known(store: Store) -> None:
    saved = store.save([(WHOLE, CONTENT)], why="asked")
    path = next(path for path in store.block_files() if path.name.endswith(hashlib.md5(NOISE).hexdigest()))
    path.write_bytes(zlib.compress(NOISE[::-1]))
    with pytest.raises(BackupDamagedError, match="no longer what was stored"):
        store.content(saved, WHOLE)
    path.write_bytes(path.read_bytes()[:-9])
    again = Store(store.folder.parent, MAC)
    with pytest.raises(BackupDamagedError, match="no longer what was stored"):
        again.content(saved, WHOLE)
    with pytest.raises(BackupDamagedError):
        again.check(saved)
    assert again.knows(md5(NOISE), 0x10000) is None
    again.put(NOISE)
    assert again.content(saved, WHOLE) == CONTENT
    path.unlink()
    with pytest.raises(BackupDamagedError, match="missing"):
        again.check(saved)


@pytest.mark.parametrize("change", ["regions", "mac", "text", "cut", "list"])
def test_a_manifest_that_was_changed_is_refused(store: Store, change: str) -> None:
    saved = store.save([(WHOLE, CONTENT)], why="asked")
    path = store.folder / f"{saved.id}.json"
    record = json.loads(path.read_text())
    if change == "regions":
        record["regions"][0]["start"] = "0x010000"
    record["mac"] = "5c:cf:7f:00:00:09" if change == "mac" else record["mac"]
    texts = {"text": "what", "cut": path.read_text()[:200], "list": "[]"}
    path.write_text(texts.get(change, json.dumps(record)))
    with pytest.raises(BackupDamagedError):
        store.read(saved.id)
    with pytest.raises(BackupDamagedError) as alone:
        store.newest()
    assert alone.value.hint == "there is no other backup of this board"
    assert store.manifests() == []
    other = store.save([(WHOLE, CONTENT)], why="asked")
    with pytest.raises(BackupDamagedError) as caught:
        store.read(saved.id)
    assert f"backup={other.id}" in caught.value.hint


def test_an_incomplete_backup_is_never_the_newest(store: Store) -> None:
    block = store.put(NOISE)
    assert not store.ids()
    with pytest.raises(BackupMissingError):
        store.newest()
    first = store.save([(WHOLE, CONTENT)], why="asked")
    from flashpipe.records.backups import Stored  # noqa: PLC0415

    partial = store.commit([Stored(Region(0, 0x10000), (block,))], why="asked", flash_size=0x40000, complete=False)
    assert store.newest() == first
    assert store.ids() == [first.id, partial.id]
    with pytest.raises(BackupError, match="does not hold"):
        store.content(partial, WHOLE)


def test_a_clock_that_jumps_back_changes_no_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    first = store.save([(WHOLE, CONTENT)], why="asked")
    monkeypatch.setattr(time, "time", lambda: now - 86400 * 400)
    second = store.save([(WHOLE, CONTENT[::-1])], why="asked")
    third = store.save([(WHOLE, CONTENT)], why="asked")
    assert store.ids() == [first.id, second.id, third.id]
    assert store.newest().id == third.id


def test_a_copy_under_a_later_name_is_not_the_newest(store: Store) -> None:
    first = store.save([(WHOLE, CONTENT)], why="asked")
    second = store.save([(WHOLE, CONTENT[::-1])], why="asked")
    path = store.folder / f"{first.id}.json"
    for stamp in ("20990101T000000000", "99990101T000000000"):
        (store.folder / f"{stamp}-{first.id[-8:]}.json").write_bytes(path.read_bytes())
    assert store.newest().id == second.id
    assert later_stamp(["99990101T000000000-aa"]) < "2200"


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=8))
def test_stamps_only_grow(times: list[float]) -> None:
    stamps: list[str] = []
    for now in times:
        stamps.append(later_stamp(stamps, now))
    assert stamps == sorted(set(stamps))
    assert {len(stamp) for stamp in stamps} == {18}


def test_a_backup_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    saved = store.save([(WHOLE, CONTENT)], why="asked")
    folder = store.folder.parent
    assert find(folder, saved.id[:20])[1] == saved
    assert [one.mac for one in stores(folder)] == [MAC]
    with pytest.raises(BackupMissingError, match="neither a file nor an id") as missing:
        find(folder, "20010101T")
    assert f"{saved.id}  of {MAC}" in missing.value.message
    assert f"backup={saved.id}" in missing.value.hint
    with pytest.raises(BackupMissingError, match="there is none"):
        find(folder / "elsewhere", "20010101T")
    with pytest.raises(BackupMissingError):
        find(folder, "2")


def test_a_folder_that_is_a_file_is_an_error_of_records(tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("")
    with pytest.raises(RecordError):
        Store(tmp_path / "backups", MAC).put(NOISE)
