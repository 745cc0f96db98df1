"""Booted boards that are kept: found again, bounded, removed; what is of no use is no snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flashpipe.board.boot.gaps import Gap
from flashpipe.board.boot.kinds import Verdict
from flashpipe.errors import BadValueError
from flashpipe.testing import snapshots
from flashpipe.testing.snapshots import KEPT, Booted

VERDICT = Verdict(
    "prompt", "NodeMCU at its prompt", ("> ",), "NodeMCU 3.0", "log\n> ", (Gap(1, 9),), 1.5, None, (6,), 115200
)
BOOTED = Booted(b"chip\n\0\xff", 9600, VERDICT)


def test_what_is_kept_is_found_again() -> None:
    key = snapshots.key_of(["a", "b"])
    with snapshots.guarded():
        assert snapshots.find(key) is None
        snapshots.keep(key, BOOTED)
    assert snapshots.find(key) == BOOTED
    assert key != snapshots.key_of(["ab"])


def test_only_their_owner_can_read_them(own_state: Path) -> None:
    with snapshots.guarded():
        snapshots.keep("a", BOOTED)
    (path,) = (own_state / "cache" / "snapshots").glob("*.snapshot")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\nchip", b"\xff\n", b'{"kind": 1}\n'])
def test_a_damaged_file_is_no_snapshot(own_state: Path, data: bytes) -> None:
    with snapshots.guarded():
        (own_state / "cache" / "snapshots" / "a.snapshot").write_bytes(data)
        assert snapshots.find("a") is None


def test_those_used_last_stay() -> None:
    with snapshots.guarded():
        for number in range(KEPT + 2):
            snapshots.keep(str(number), BOOTED)
            if number < KEPT:
                path = next(path for path in snapshots._kept() if path.stem == str(number))
                os.utime(path, (number, number))
        assert snapshots.find("0") is None
        assert snapshots.find(str(KEPT + 1)) is not None
    assert len(snapshots.sizes()) == KEPT


def test_they_can_be_removed() -> None:
    with snapshots.guarded():
        snapshots.keep("a", BOOTED)
    assert snapshots.clean(unused_s=3600) == 0
    assert snapshots.clean() == sum([len(BOOTED.chip)]) + snapshots_head()
    assert snapshots.sizes() == []


def snapshots_head() -> int:
    with snapshots.guarded():
        snapshots.keep("b", Booted(b"", BOOTED.baud, VERDICT))
    (size,) = snapshots.sizes()
    assert snapshots.clean() == size
    return size


class Bench:
    """One that takes no snapshot."""

    @staticmethod
    def read(data: bytes) -> object:
        raise BadValueError(f"{data!r} is of another version")


def test_one_of_another_version_is_of_no_use() -> None:
    assert snapshots.usable(BOOTED, Bench()) is None
    assert snapshots.usable(None, Bench()) is None
