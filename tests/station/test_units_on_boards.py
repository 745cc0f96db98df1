"""A unit on its way: to an executed NodeMCU, its test, the test jig, the receipt and the label; secrets nowhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flashpipe.errors import TemplateError
from flashpipe.flasher import lua_stage
from flashpipe.jobs.policy import run_policy
from flashpipe.station.attempt import Attempts

from tests.luac import make_luac
from tests.nodemcu import MB, formatted
from tests.station.conftest import Shop, address

SECRET = "correct-horse"
BEFORE_3 = 6
"""How Lua files of NodeMCU before 3.0 count a string."""
JIG = """
import json, os, sys
unit = json.loads(os.environ["FLASHPIPE_UNIT"])
assert unit["token"] == os.environ["FLASHPIPE_UNIT_token"]
print("measuring", unit["serial"], unit["token"], file=sys.stderr)
print(json.dumps({"volts": 3.3, "mac": os.environ["FLASHPIPE_MAC"]}))
sys.exit(0 if unit["serial"] == "A1" else 3)
"""


@pytest.fixture
def sensor(shop: Shop, firmware: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(lua_stage, "SURVIVE_S", 0.2)
    folder = shop.folder
    (folder / "units.csv").write_text(f"serial,token:secret\nA1,{SECRET}\nA2,other-secret\n")
    (folder / "config.lua").write_text("return {serial=@serial@, token=@token@}\n")
    (folder / "test.lua").write_text('print("T=21.5 A1 done")\n')
    (folder / "jig.py").write_text(JIG)
    (folder / "sensor.yaml").write_text(
        f"extends: nodemcu-devkit\nflash: {{size: 1MB}}\nfirmware: {{image: {firmware}}}\n"
        "files: {config.lua: {template: config.lua}}\n"
        "acceptance:\n  run: test.lua\n  prints: '/T=(?P<temp>[0-9.]+) @serial@/'\n  command: [python3, jig.py]\n"
        "  timeout: 30s\n  limits: {temp: [15, 30], volts: [3, 3.4]}\n"
    )
    for number in (1, 2):
        (folder / f"{number}.bin").write_bytes(formatted(firmware, MB))
    return shop


def test_a_unit_reaches_files_test_jig_receipt_and_label_and_its_secret_nothing_else(sensor: Shop) -> None:
    url = f"sim://nodemcu-devkit?inline=1&flash={sensor.folder}/1.bin&mac={address(1)}&size=1MB&part=GD25Q80B"
    with sensor.shift(units="units.csv", labels="labels.csv", zpl="labels.zpl") as shift:
        assert shift.visit("a", url).state == "ask", "it holds a NodeMCU"
        shift.press("a")
        shift.until(lambda: len(sensor.ended) == 2)
        view = shift.port("a")
        assert view is not None
        assert (view.state, view.unit) == ("pass", "A1"), view
    receipt = sensor.project.receipts()[-1]
    assert receipt["measured"] == {"temp": 21.5, "volts": 3.3, "mac": address(1)}
    assert receipt["station"]["unit"] == {"serial": "A1", "token": "***"}
    sent = f'return {{serial="A1", token="{SECRET}"}}\n'.encode()
    assert [file["sha256"] for file in receipt["files"]] == [hashlib.sha256(sent).hexdigest()]
    assert "A1" in (sensor.folder / "labels.csv").read_text()
    kept = [path for path in sensor.records.rglob("*") if path.is_file()]
    kept += [sensor.folder / "labels.csv", sensor.folder / "labels.zpl"]
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_a_jig_that_says_no_fails_the_board_which_keeps_its_unit(sensor: Shop) -> None:
    (sensor.folder / "test.lua").write_text('print("T=21.5 A2 done")\n')
    (sensor.folder / "units.csv").write_text("serial,token:secret\nA2,other-secret\nA1,x-secret\n")
    url = f"sim://nodemcu-devkit?inline=1&flash={sensor.folder}/2.bin&mac={address(2)}&size=1MB&part=GD25Q80B"
    with sensor.shift(units="units.csv") as shift:
        shift.visit("a", url)
        shift.press("a")
        shift.until(lambda: len(sensor.ended) == 2)
        view = shift.port("a")
        assert view is not None
        assert (view.state, view.code) == ("fail", "acceptance-command")
        assert any("A2 stays" in note for note in shift.station.view().notes)
    assert "other-secret" not in sensor.project.receipts()[-1]["error"]
    assert "measuring A2 ***" in sensor.project.receipts()[-1]["error"]
    measured = {"temp": 21.5, "volts": 3.3, "mac": address(2)}
    assert sensor.project.receipts()[-1]["measured"] == measured
    assert sensor.batch().state.rows()[0].measured == measured


def test_a_compiled_template_has_the_values_of_each_unit_which_are_kept_nowhere(shop: Shop) -> None:
    make_luac(shop.folder, string=BEFORE_3)
    (shop.folder / "units.csv").write_text(f"serial,token:secret\nA1,{SECRET}\nA2,other-secret\n")
    (shop.folder / "config.lua").write_text("return {serial=@serial@, token=@token@}\n")
    with (shop.folder / "sensor.yaml").open("a") as profile:
        profile.write("files: {config.lc: {template: config.lua, compile: true}}\n")
    opened = shop.open(units="units.csv")
    assert opened.units is not None
    attempts = Attempts(opened.inputs, opened.batch, opened.rules, station="s", units=opened.units)
    attempts.check_pins()
    for serial, token in (("A1", SECRET), ("A2", "other-secret")):
        inputs = attempts._for_board()
        inputs.unit = {"serial": serial, "token": token}
        (file,) = run_policy(inputs).lua.files
        assert (file.name, file.data) == (
            "config.lc",
            f'\x1bLuareturn {{serial="{serial}", token="{token}"}}\n'.encode(),
        )
    attempts.check_pins()
    kept = [path for path in shop.records.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


def test_what_a_station_sends_is_compiled_when_it_begins(shop: Shop) -> None:
    make_luac(shop.folder, string=BEFORE_3)
    (shop.folder / "main.lua").write_text("return 1\n")
    with (shop.folder / "sensor.yaml").open("a") as profile:
        profile.write("files: {main.lc: {from: main.lua, compile: true}}\n")
    (file,) = run_policy(shop.open().inputs).lua.files
    assert file.data == b"\x1bLuareturn 1\n"


def test_a_station_that_tests_no_board_says_so(shop: Shop) -> None:
    assert shop.open().is_tested
    with (shop.folder / "sensor.yaml").open("a") as profile:
        profile.write("acceptance: {command: [python3, jig.py]}\n")
    assert not shop.open(batch="two").is_tested


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ({}, "where each board has its own: units=FILE.csv, or serial=RULE"),
        ({"serial": "X{n}"}, "where each board has its own: units=FILE.csv"),
        ({"units": "units.csv"}, "where each board has its own: a column of units.csv"),
    ],
)
def test_a_template_that_wants_what_no_board_has_names_the_list(shop: Shop, words: dict[str, str], hint: str) -> None:
    (shop.folder / "units.csv").write_text("serial\nA1\n")
    (shop.folder / "config.lua").write_text("return @room@\n")
    with (shop.folder / "sensor.yaml").open("a") as profile:
        profile.write("files: {config.lua: {template: config.lua}}\n")
    with pytest.raises(TemplateError, match="@room@") as caught:
        shop.open(None, **words)
    assert caught.value.hint.endswith(hint)
