from __future__ import annotations

import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from flashpipe import masking
from flashpipe.records import receipt
from flashpipe.records.receipt import Receipt
from hypothesis import given
from hypothesis import strategies as st

from tests.schema import checked, validator

DONE = Receipt(
    command="flash", outcome="flashed", port="sim://esp12", virtual=True, device={"mac": "5c:cf:7f:d7:1c:89"}
)

NOT_SEEN = {
    "kind": "not-checked",
    "summary": "",
    "log": "",
    "virtual": True,
    "firmware_executed": False,
    "executed": {},
}


def test_a_receipt_is_private_and_says_what_it_is(tmp_path: Path) -> None:
    path = receipt.write(DONE, tmp_path / "receipts")
    record = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert record["format"] == "flashpipe-receipt/3"
    assert record["virtual"] is True
    assert record["tools"]["esptool"][0].isdigit()
    assert "5ccf7fd71c89-flashed" in path.name


def test_two_receipts_of_one_instant_are_two_files(tmp_path: Path, monkeypatch: object) -> None:
    import time  # noqa: PLC0415

    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)  # type: ignore[attr-defined]
    assert receipt.write(DONE, tmp_path) != receipt.write(DONE, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_credentials_in_a_boot_log_are_masked(tmp_path: Path) -> None:
    log = 'connecting\nssid="home net" password: hunter2, ip=10.0.0.7\nwifi.sta.config({ssid="a", pwd="b"})\n'
    path = receipt.write(
        Receipt("boot", "booted", "COM3", virtual=False, verdict={"log": log, "list": [log]}), tmp_path
    )
    text = path.read_text()
    for secret in ("home net", "hunter2", '\\"a\\"', '\\"b\\"'):
        assert secret not in text
    assert "10.0.0.7" in text


@given(
    st.sampled_from(["pass", "password", "pwd", "psk", "key", "secret", "token", "ssid"]),
    st.text("abcXYZ019", min_size=4),
)
def test_no_assigned_credential_survives(name: str, value: str) -> None:
    for text in (f"{name}={value}", f'{name}: "{value}"', f"'{name}' = '{value}'", f"x {name.upper()}={value};y"):
        assert value not in masking.mask(text).replace(name, "").replace(name.upper(), "")


def test_a_receipt_is_what_the_schema_says(tmp_path: Path) -> None:
    path = receipt.write(replace(DONE, device={}, verdict=NOT_SEEN, lock={"state": "", "locked": False}), tmp_path)
    record = checked(json.loads(path.read_text()))
    schema = validator().schema
    assert set(record) == set(schema["properties"])
    assert set(schema["properties"]) - set(schema["required"]) == {
        "header",
        "line",
        "measured",
        "seal",
        "station",
        "told_mac",
    }, "which receipts of before have not"
    with pytest.raises(AssertionError, match="sent_bytes"):
        checked({**record, "sent_bytes": "many"})


def test_names_keep_the_order_of_the_runs_where_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [receipt.write(DONE, tmp_path).name]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 1e6)
    names += [receipt.write(DONE, tmp_path).name for _ in range(3)]
    assert names == sorted(set(names))
