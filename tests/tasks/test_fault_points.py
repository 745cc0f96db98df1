"""A few of the accidents of `tests/bench/soak.py`, so that each run of the tests meets every kind of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faultpoints import Point, differential_bed, ending_under, full_bed, rivals, twins

if sys.platform == "win32":
    pytest.skip("signals as POSIX has them", allow_module_level=True)


@pytest.mark.parametrize(
    "kind", ["kill", "int", "kill-before-record", "kill-after-record", "unplug", "power-loss", "brown-out"]
)
def test_an_accident_half_way_through_a_full_flash(tmp_path: Path, kind: str) -> None:
    bed = full_bed(tmp_path / "bed")
    bed.suffer(_middle(bed.count(), kind))


@pytest.mark.parametrize("kind", ["kill", "term", "stolen"])
def test_an_accident_while_five_sectors_are_changed(tmp_path: Path, kind: str) -> None:
    bed = differential_bed(tmp_path / "bed", known=True)
    bed.suffer(_middle(bed.count(), kind))


def _middle(counts: dict[str, int], kind: str) -> Point:
    if kind.endswith("record"):
        return Point(kind, 2)
    if kind == "power-loss":
        return Point(kind, counts["operations"] // 2)
    if kind == "brown-out":
        return Point(kind, 2)
    return Point(kind, (counts["before_flash"] + counts["sent"]) // 2)


@pytest.mark.parametrize("line", ["noise:1e-3", "noise-out:1e-4", "lost:1e-4", "lost-out:1e-3"])
def test_a_bad_line_is_never_a_wrong_success(tmp_path: Path, line: str) -> None:
    ending_under(line, tmp_path / "bed", seed=1)


def test_two_processes_on_one_board(tmp_path: Path) -> None:
    assert rivals(tmp_path / "bed")


def test_two_boards_with_one_mac(tmp_path: Path) -> None:
    assert twins(tmp_path / "bed")
