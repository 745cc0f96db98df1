"""Where the log of a batch, or the claims of units, were cut or lost, a station says so, and does nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import BatchMismatchError, UnitsError

from tests.harness import Done
from tests.station.conftest import Shop, board

Command = Callable[..., Done]


@pytest.fixture
def listed(shop: Shop) -> Shop:
    """Two good boards, with the units A1 and A2 of a list."""
    (shop.folder / "units.csv").write_text("serial\nA1\nA2\nA3\n")
    with shop.shift(units="units.csv") as shift:
        for number in (1, 2):
            assert shift.visit("a", board(number)).state == "pass"
            shift.pull("a")
    return shop


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_by_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [lose, cut, cut_by_a_byte])
def test_no_unit_that_the_batch_has_given_is_given_twice(listed: Shop, damage: Callable[[Path], None]) -> None:
    claims = listed.folder / "units.csv.claims"
    whole = claims.read_bytes()
    damage(claims)
    with pytest.raises(UnitsError, match="which batch one has given to board"):
        listed.open(units="units.csv")
    claims.write_bytes(whole)
    with listed.shift(units="units.csv") as shift:
        assert shift.visit("a", board(3)).unit == "A3"


def test_claims_that_go_while_a_station_works_end_its_shift(listed: Shop) -> None:
    with listed.shift(units="units.csv") as shift:
        lose(listed.folder / "units.csv.claims")
        assert shift.visit("a", board(3)).state != "pass"
        shift.until(lambda: bool(shift.station.failures))
        assert {type(failed) for failed in shift.station.failures} == {UnitsError}
    assert listed.batch().state.counts().failed == 0, "it is not the board that is bad"


def test_a_list_without_the_units_that_are_given_is_another(listed: Shop) -> None:
    lose(listed.folder / "units.csv.claims")
    (listed.folder / "units.csv").write_text("serial\nA3\n")
    with listed.shift(units="units.csv") as shift:
        assert shift.visit("a", board(3)).unit == "A3"


@pytest.mark.parametrize("name", ["log.jsonl", "batch.json"])
def test_a_batch_whose_log_is_gone_does_not_begin_anew(listed: Shop, name: str) -> None:
    folder = listed.records / "batches" / "one"
    (folder / "log.jsonl").unlink()
    (folder / name).unlink(missing_ok=True)
    with pytest.raises(BatchMismatchError, match="does not know of 2 receipts of this batch"):
        listed.open()
    assert (folder / "batch.json").exists() is (name == "log.jsonl"), "nothing was made"


def test_wherever_a_log_was_cut_no_board_is_lost_unsaid(listed: Shop) -> None:
    log = listed.records / "batches" / "one" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    refused = []
    for number in range(len(lines) + 1):
        log.write_bytes(b"".join(lines[:number]))
        try:
            opened = listed.open(units="units.csv")
        except BatchMismatchError:
            refused.append(number)
            continue
        with listed.shift(units="units.csv"):
            pass
        assert opened.batch.refresh().counts().passed == 2, f"cut behind line {number}"
    assert 0 in refused
    assert len(lines) not in refused


def test_no_batch_is_closed_with_one_unit_on_two_good_boards(listed: Shop, command: Command) -> None:
    log = listed.records / "batches" / "one" / "log.jsonl"
    log.write_text(log.read_text().replace('"row":"A2"', '"row":"A1"'))
    done = command("batch", "close", "one", "virtual=1").failed("batch-mismatch")
    assert "unit A1 is on 2 good boards" in done.err
    assert not (listed.records / "batches" / "one" / "manifest.json").exists()
