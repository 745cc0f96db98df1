"""Packing: what is kept, that it is checked, and that nothing depends on it."""

from __future__ import annotations

import os
import sys
import threading
import types
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from flashpipe.board.loader import compression as packing
from flashpipe.files import cache_folder

DATA = Random(7).randbytes(0x4000) * 8


def kept() -> list[Path]:
    return [path for path, _ in packing.streams()]


@pytest.fixture(autouse=True)
def only_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deflate", None)
    monkeypatch.setattr(packing, "_begun", {})  # what an earlier test of this process began


def test_a_stream_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = packing.pack(DATA)
    assert zlib.decompress(first) == DATA
    (path,) = kept()
    monkeypatch.setattr("zlib.compress", None)
    os.utime(path, (0, 0))
    assert packing.pack(DATA) == first
    assert path.stat().st_mtime > 0, "it counts as used"


def test_what_is_prepared_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    packing.prepare(DATA)
    packing.prepare(DATA)
    (begun,) = packing._begun.values()
    begun.join()
    monkeypatch.setattr(packing, "_pack", None)
    assert zlib.decompress(packing.pack(DATA)) == DATA


def test_what_nobody_takes_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BEGUN", 2)
    contents = [bytes([number]) * 0x8000 for number in range(4)]
    for data in contents:
        packing.prepare(data)
    assert len(packing._begun) == 2
    assert [zlib.decompress(packing.pack(data)) == data for data in contents] == [True] * 4


def test_boards_that_want_one_stream_at_once_have_it_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    compress, all_there = zlib.compress, threading.Barrier(6)

    def counted(data: bytes, level: int) -> bytes:
        made.append(level)
        return compress(data, level)

    def board() -> bytes:
        all_there.wait(30)
        packing.prepare(DATA)
        return packing.pack(DATA)

    monkeypatch.setattr("zlib.compress", counted)
    with ThreadPoolExecutor(6) as boards:
        streams = [one.result(30) for one in [boards.submit(board) for _ in range(6)]]
    assert made == [9]
    assert {zlib.decompress(stream) for stream in streams} == {DATA}


GOOD = zlib.compress(DATA, 9)


@pytest.mark.parametrize(
    "damaged",
    [GOOD[:-9], GOOD + b"more", b"", b"no stream", zlib.compress(b"another", 9), zlib.compress(DATA + b"more", 9)],
    ids=["short", "long", "empty", "foreign", "of other bytes", "of more bytes"],
)
def test_a_damaged_stream_is_made_again(damaged: bytes) -> None:
    packing.pack(DATA)
    (path,) = kept()
    path.write_bytes(damaged)
    assert packing.pack(DATA) == GOOD
    assert path.read_bytes() == GOOD


def test_small_contents_are_not_kept() -> None:
    packing.prepare(b"small")
    assert zlib.decompress(packing.pack(b"small")) == b"small"
    assert kept() == []


def test_the_least_recently_used_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "KEPT_BYTES", 3 * len(GOOD))
    contents = [Random(seed).randbytes(0x4000) * 8 for seed in range(4)]
    made: list[Path] = []
    for age, content in enumerate(contents):
        packing.pack(content)
        made += [path for path in kept() if path not in made]
        os.utime(made[-1], (age + 1, age + 1))
    assert [path.exists() for path in made] == [False, True, True, True]
    packing.pack(contents[1])
    packing.pack(DATA)
    assert [path.exists() for path in made] == [False, True, False, True]


def test_what_was_not_used_for_long_can_be_removed() -> None:
    packing.pack(DATA)
    (path,) = kept()
    assert packing.clean(unused_s=60) == 0
    os.utime(path, (0, 0))
    assert packing.clean(unused_s=60) == len(GOOD)
    assert kept() == []


def test_a_cache_that_cannot_be_written_is_no_failure() -> None:
    cache_folder().mkdir(parents=True, exist_ok=True)
    (cache_folder() / "packed").write_text("in the way")
    assert zlib.decompress(packing.pack(DATA)) == DATA
    packing.prepare(DATA)
    assert zlib.decompress(packing.pack(DATA)) == DATA


def test_libdeflate_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def compress(data: bytes, level: int) -> bytearray:
        asked.append(level)
        return bytearray(zlib.compress(data, 1))

    monkeypatch.setitem(sys.modules, "deflate", types.SimpleNamespace(zlib_compress=compress))
    assert packing.pack(DATA) == zlib.compress(DATA, 1)
    assert asked == [10]
    assert [path.suffix for path in kept()] == [".deflate10"]
    other = DATA[::-1]
    packing.pack(DATA, quick=True)
    assert asked == [10], "the smaller one is there"
    packing.pack(other, quick=True)
    assert asked == [10, 9]
    packing.pack(other)
    assert asked == [10, 9, 10], "a slower line gets the smaller one"
    assert sorted(path.suffix for path in kept()) == [".deflate10", ".deflate10", ".deflate9"]
