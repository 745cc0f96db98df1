"""Reading receipts again: which rows count, and what makes them doubtful."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import RecordError
from flashpipe.flash import Region
from flashpipe.records import history, receipt, seal
from flashpipe.records.history import RejectedFile, StoredReceipt, read_receipts, vouched

MAC = "5c:cf:7f:00:00:01"


def row(start: int, end: int, md5: str = "aa", kind: str = "firmware") -> dict[str, Any]:
    return {"start": start, "end": end, "kind": kind, "what": "x", "md5": md5}


def kept(name: str, *holds: dict[str, Any], mac: str = MAC, **more: object) -> StoredReceipt:
    record = {"format": "flashpipe-receipt/2", "outcome": "flashed", "device": {"mac": mac}, "holds": list(holds)}
    return StoredReceipt(Path(f"{name}.json"), {**record, **more})


def test_a_whole_flash_replaces_all_that_was_said() -> None:
    rows, doubtful = vouched(
        [kept("1", row(0, 0x9000), row(0x9000, 0xA000), whole=True), kept("2", row(0, 0x1000, "bb"), whole=True)], MAC
    )
    assert [(found.region, found.md5, found.receipt) for found in rows] == [(Region(0, 0x1000), "bb", "2.json")]
    assert doubtful == []


def test_a_part_replaces_what_it_touches_only() -> None:
    rows, _ = vouched(
        [
            kept("1", row(0, 0x1000), row(0x1000, 0x2000, "bb"), row(0x2000, 0x3000, "cc"), whole=True),
            kept("2", row(0x1800, 0x2000, "dd")),
            kept("3", row(0, 0x9000, "ee"), mac="5c:cf:7f:00:00:02", whole=True),
        ],
        MAC,
    )
    assert [found.md5 for found in rows] == ["aa", "dd", "cc"]


def test_a_run_that_left_the_board_in_mid_write_makes_it_doubtful_until_the_next_whole_one() -> None:
    broken = kept("2", board_state="writing", outcome="port-lost")
    first = kept("1", row(0, 0x1000), whole=True)
    assert vouched([first, broken], MAC)[1] == [broken]
    assert vouched([first, broken, kept("3", row(0, 0x1000), whole=True)], MAC)[1] == []
    assert vouched([first, kept("2", board_state="clean", outcome="wrong-board")], MAC)[1] == []


def test_receipts_of_the_first_format_are_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({"format": "flashpipe-receipt/1", "device": {"mac": MAC}}))
    (tmp_path / "2.json").write_text('{"format": "flashpipe-receipt/2", "dev')
    (tmp_path / "3.json").write_text(json.dumps({"format": "other"}))
    (tmp_path / ".4.json.part").write_text("{}")
    good, bad = read_receipts(tmp_path)
    assert [(one.name, one.mac, one.good) for one in good] == [("1.json", MAC, False)]
    assert [file.path.name for file in bad] == ["2.json", "3.json"]
    assert vouched(good, MAC) == ([], [])
    assert read_receipts(tmp_path / "nowhere") == ([], [])


@pytest.mark.parametrize("holds", [[{"start": 1}], ["x"], 7, None])
def test_rows_that_are_none_say_nothing(holds: object) -> None:
    assert (
        vouched([kept("1", whole=True), StoredReceipt(Path("2.json"), {"device": {"mac": MAC}, "holds": holds})], MAC)[
            0
        ]
        == []
    )


def test_what_is_no_file_is_no_receipt(tmp_path: Path) -> None:
    (tmp_path / "1.json").mkdir()
    assert read_receipts(tmp_path) == ([], [RejectedFile(tmp_path / "1.json")])


def test_a_receipt_that_may_not_be_read_is_an_error_of_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "1.json").touch()
    monkeypatch.setattr(history, "read_regular", refuse)
    with pytest.raises(RecordError):
        read_receipts(tmp_path)


def stored(folder: Path, time: str, stamp: str = "", **more: object) -> Path:
    """A receipt of this user in a file whose name has its time, or another stamp."""
    record = {"format": receipt.FORMAT, "time": time, "outcome": "flashed", "steps": [["write", 1.25]], **more}
    path = folder / f"{stamp or re.sub('[-:Z]', '', time) + '123'}-5ccf7f000001-flashed.json"
    path.write_text(json.dumps(seal.sealed({"device": {"mac": MAC}, **record})))
    return path


def test_a_receipt_under_another_name_counts_once_and_has_its_own_age(tmp_path: Path) -> None:
    first = stored(tmp_path, "2026-01-01T10:00:00Z")
    second = stored(tmp_path, "2026-01-02T10:00:00Z")
    for name in (
        "copy.json",
        "19990101T000000000-x.json",
        "99991231T235959999-x.json",
        f"{first.stem}-2.json",
        "zz.json",
    ):
        (tmp_path / name).write_text(json.dumps(json.loads(first.read_text()), indent=3))
    good, rejected = read_receipts(tmp_path)
    assert [one.path for one in good] == [first, second]
    assert {file.copy_of for file in rejected} == {first.name}
    assert len(rejected) == 5
    first.unlink()
    second.rename(tmp_path / "99991231T235959998-x.json")
    good, _ = read_receipts(tmp_path)
    assert [one.text("time") for one in good] == ["2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"]


def test_no_name_of_a_far_day_moves_the_receipts_that_come(tmp_path: Path) -> None:
    first = stored(tmp_path, "2026-01-01T10:00:00Z")
    (tmp_path / "99991231T235959999-x.json").write_bytes(first.read_bytes())
    (tmp_path / "20991231T235959999-x.json").write_bytes(first.read_bytes())
    (tmp_path / "20981231T235959999-x.json").write_text("")
    path = receipt.write(receipt.Receipt("flash", "flashed", "p", virtual=False), tmp_path)
    assert path.name[:4] == time.strftime("%Y", time.gmtime())
    jumped = stored(tmp_path, "2097-01-01T10:00:00Z")  # the clock said so
    path = receipt.write(receipt.Receipt("flash", "flashed", "q", virtual=False), tmp_path)
    assert path.name > jumped.name
    assert [one.path for one in read_receipts(tmp_path)[0]][-1] == path


def test_failures_of_one_second_that_took_no_time_are_as_many_as_they_were(tmp_path: Path) -> None:
    for _ in range(3):
        receipt.write(receipt.Receipt("flash", "port-missing", "p", virtual=False), tmp_path)
    assert len(read_receipts(tmp_path)[0]) == 3
