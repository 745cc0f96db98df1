"""A disk that fills up, or a folder that becomes read-only, in the midst of a store or a cache."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flashpipe.errors import RecordError
from flashpipe.flash import Region
from flashpipe.records import journal, receipt
from flashpipe.records.backups import Store
from flashpipe.sources.cache import Cache, CacheRecord

WHOLE = Region(0, 0x20000)
DATA = Random(1).randbytes(0x20000)
FULL = (errno.ENOSPC, "No space left on device")
READ_ONLY = (errno.EROFS, "Read-only file system")


class Failing:
    """A function of the system that fails at its n-th call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: tuple[int, str]) -> None:
        self._real, self._error, self.left = getattr(owner, name), error, 0
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.left -= 1
        if not self.left:
            raise OSError(*self._error)
        return self._real(*args, **options)


def rests(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part")]


@pytest.mark.parametrize(("name", "error"), [("mkstemp", READ_ONLY), ("fsync", FULL)])
def test_a_backup_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: tuple[int, str]
) -> None:
    failing = Failing(monkeypatch, tempfile if name == "mkstemp" else os, name, error)
    failures: list[str] = []
    for nth in range(1, 12):
        store = Store(tmp_path / str(nth), "5c:cf:7f:00:00:01")
        failing.left = nth
        try:
            store.save([(WHOLE, DATA)], why="asked", flash_size=WHOLE.size)
        except RecordError as caught:
            failures.append(caught.message)
        failing.left = 0
        assert rests(store.folder) == []
        for manifest in store.manifests():
            assert store.content(manifest, WHOLE) == DATA
        assert store.ids() == [manifest.id for manifest in store.manifests()]
        again = store.save([(WHOLE, DATA)], why="asked", flash_size=WHOLE.size)
        assert store.content(again, WHOLE) == DATA
    assert all(error[1] in message for message in failures)
    assert len(failures) == (3 if name == "mkstemp" else 6)  # two blocks and a manifest; each file, then its folder


def test_a_cache_says_what_it_could_not_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(monkeypatch, os, "fsync", FULL)
    cache = Cache(tmp_path)
    failing.left = 1
    with pytest.raises(RecordError, match="No space left"):
        cache.keep(DATA)
    assert list(cache.contents()) == []
    failing.left = 1
    with pytest.raises(RecordError, match="No space left"):
        cache.note(CacheRecord("https://example.org/x.bin", "0" * 64, 1))
    assert cache.record("https://example.org/x.bin") is None
    assert rests(tmp_path) == []
    assert cache.content(cache.keep(DATA)) == DATA


def test_the_journal_keeps_the_old_truth(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = journal.write(journal.JournalEntry("5c:cf:7f:00:00:01", state="clean", plan="a" * 64))
    failing = Failing(monkeypatch, os, "fsync", FULL)
    failing.left = 1
    with pytest.raises(RecordError, match="No space left"):
        journal.write(journal.JournalEntry("5c:cf:7f:00:00:01", state="writing", plan="b" * 64))
    assert journal.read("5c:cf:7f:00:00:01") == old
    assert rests(own_state) == []


def test_a_receipt_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt.write(receipt.Receipt("flash", "flashed", "COM3", virtual=False), tmp_path / "first")  # seals with a key
    folder = tmp_path / "second"
    failing = Failing(monkeypatch, os, "fsync", FULL)
    failing.left = 1
    with pytest.raises(RecordError, match="No space left"):
        receipt.write(receipt.Receipt("flash", "flashed", "COM3", virtual=False), folder)
    assert list(folder.iterdir()) == []
