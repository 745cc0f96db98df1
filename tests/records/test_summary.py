"""What the receipts of many boards say together."""

from __future__ import annotations

from pathlib import Path

from flashpipe.records.history import StoredReceipt
from flashpipe.records.summary import summarise


def receipt(mac: int, at: int, outcome: str, unit: str) -> StoredReceipt:
    station = {"batch": "one", "unit": {"serial": unit}}
    record = {"command": "flash", "outcome": outcome, "time": f"2026-12-01T10:00:{at:02}Z", "station": station}
    return StoredReceipt(Path(f"{at}.json"), {**record, "device": {"mac": f"5c:cf:7f:00:00:{mac:02x}"}})


def test_a_unit_that_was_given_back_is_that_of_the_board_which_got_it_then() -> None:
    received = [receipt(1, 1, "verify-failed", "SN1"), receipt(2, 2, "flashed", "SN1"), receipt(3, 3, "silence", "SN2")]
    lines = {line.mac[-1]: line.unit for line in summarise(received, "").boards}
    assert lines == {"1": "", "2": "SN1", "3": "SN2"}
