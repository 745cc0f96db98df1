"""A station that is killed three times, and two that share one list of units: nothing is counted twice or lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benches import Batches, killed, write_units


@pytest.mark.parametrize("kills", [(5, 14, 17)])
def test_three_kills_lose_and_double_nothing(tmp_path: Path, kills: tuple[int, ...]) -> None:
    batches = Batches(tmp_path / "shop", boards=9, bad=5, ports=3)
    batches.make()
    for seed, at in enumerate(kills):
        assert killed(batches.run(seed, at))
    assert batches.run(7) == 0
    counts = batches.check()
    assert counts["passed"] == 4
    assert counts["failed"] + counts["aside"] == 5


def test_two_stations_share_one_list_of_units(tmp_path: Path) -> None:
    units = tmp_path / "units.csv"
    write_units(units, 4)
    shops = [Batches(tmp_path / name, boards=2, bad=0, ports=2) for name in "ab"]
    for first, shop in zip((1, 10), shops, strict=True):
        shop.make(units, first)
    stations = [shop.start(1) for shop in shops]
    assert [station.wait(300) for station in stations] == [0, 0]
    assert [shop.check()["passed"] for shop in shops] == [2, 2]
