from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.cli import commands as cli
from flashpipe.cli.cache import main
from flashpipe.sources.cache import Cache, CacheRecord


@pytest.fixture
def cache() -> Cache:
    found = Cache()
    for number, text in enumerate(("https://example.org/a.bin", "github:o/r@1/b.bin")):
        sha256 = found.keep(bytes([number]) * 2000)
        found.note(CacheRecord(text, sha256, 2000))
    return found


def test_what_is_there(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["github:o/r@1/b.bin", "https://example.org/a.bin"]
    assert re.fullmatch(r"2 sources; .* in all, in .*cache", lines[2])
    assert "2,000 B" in lines[0]
    assert main([]) == 0
    del cache


def test_getting_rid_of_it(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    lock = cache.lock_path("x")
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert main(["clean"]) == 0
    assert "freed" in capsys.readouterr().out
    assert cache.entries() == []
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == [lock]  # somebody may hold it


def test_what_is_used_stays(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    first = cache.record("https://example.org/a.bin")
    assert first is not None
    old = time.time() - 40 * 86_400
    for path in (cache.folder / "sha256").glob("*/*"):
        os.utime(path, (old, old))
    assert cache.content(first.sha256)
    assert main(["clean", "--unused", "30"]) == 0
    assert [entry.record.text for entry in cache.entries()] == ["https://example.org/a.bin"]
    del capsys


def test_a_download_that_goes_on_is_left_alone(cache: Cache) -> None:
    part = cache.part_path("https://example.org/c.bin")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"beginning")
    cache.clean()
    assert part.exists()
    os.utime(part, (1, 1))
    cache.clean()
    assert not part.exists()


def test_what_cannot_be_read_is_not_there(cache: Cache) -> None:
    for path in (cache.folder / "records").iterdir():
        path.write_text('{"text": 1')
    assert cache.entries() == []
    assert cache.record("https://example.org/a.bin") is None
    assert cache.content("../../etc/passwd") is None
    assert Cache(Path("/nowhere")).entries() == []


def test_another_run_may_be_at_work_in_it(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    files, before = Cache._files, cache.size()

    def with_one_that_goes(self: Cache, folder: str, pattern: str) -> Iterator[Path]:
        self.keep(b"comes meanwhile" * 1000)
        yield from files(self, folder, pattern)
        yield self.folder / "gone"

    monkeypatch.setattr(Cache, "_files", with_one_that_goes)
    assert cache.size() == before + 15_000
    assert cache.clean() == before, "what came meanwhile stays"
