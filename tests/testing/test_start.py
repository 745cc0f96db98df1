"""Which board tests run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.profile.load import load_profile
from flashpipe.testing.start import key_of_boot, private, virtual_port

from tests.testing.conftest import make_project


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("extends: nodemcu-devkit\n", "sim://nodemcu-devkit"),
        ("extends: d1-mini\nserial: {port: /dev/ttyUSB0}\n", "sim://d1-mini"),
        ("extends: demo\n", "sim://nodemcu-devkit"),
        ('extends: d1-mini\nserial: {port: "sim://demo?board=x"}\n', "sim://d1-mini?board=x"),
        ('extends: d1-mini\nserial: {port: "sim://esp12?adc=3"}\n', "sim://esp12?adc=3"),
        ("chip: esp8285\nflash: {size: 2MB, mode: dout}\n", "sim://esp8285-2m"),
        ("chip: esp8266\nflash: {size: auto, mode: dio}\n", "sim://esp12"),
        ("extends: esp12\nflash: {size: 1MB, mode: dout}\n", "sim://esp01-1m"),
        ('extends: esp12\nserial: {port: "sim://demo?adc=3"}\nflash: {size: 8MB}\n', "sim://esp12?part=W25Q64&adc=3"),
        ("chip: esp8285\nflash: {size: auto, mode: dout}\n", "sim://esp8285"),
    ],
)
def test_the_virtual_board_is_of_the_profiles_kind(tmp_path: Path, text: str, port: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert virtual_port(load_profile("mine", tmp_path)) == port


def test_a_test_has_a_board_of_its_own_that_is_fast_and_keeps_nothing() -> None:
    port = private("sim://esp12?adc=3&flash=a.bin&time=real&board=x&record=r&inline=0", 7)
    options = port.removeprefix("sim://esp12?").split("&")
    assert [word for word in options if not word.startswith("mac=")] == ["adc=3", "inline=1", "board=test-7"]
    assert private("sim://demo").startswith("sim://nodemcu-devkit?")


def test_its_mac_is_the_one_that_is_named_or_the_same_in_each_process() -> None:
    assert "mac=5c:cf:7f:01:02:03" in private("sim://esp12?mac=5c:cf:7f:01:02:03")
    assert private("sim://esp12", 1).partition("&board")[0] == private("sim://esp12", 2).partition("&board")[0]


def test_whatever_a_boot_depends_on_makes_another_snapshot(tmp_path: Path, firmware: Path) -> None:
    folder = make_project(tmp_path / "blink", firmware)
    changes: list[Callable[[], object]] = [
        lambda: (folder / "hello.lua").write_text("print(2)\n"),
        lambda: (folder / "blink.yaml").write_text((folder / "blink.yaml").read_text() + "keep: [rf]\n"),
        lambda: (folder / "blink.yaml").write_text((folder / "blink.yaml").read_text() + "values: {a: b}\n"),
    ]
    keys = [key(folder)]
    assert key(folder) == keys[0]
    for change in changes:
        change()
        keys.append(key(folder))
    keys += [key(folder, mode="dout"), key(folder, port="sim://esp12"), key(folder, version="2")]
    assert len(set(keys)) == len(keys)


def key(folder: Path, port: str = "sim://nodemcu-devkit", version: str = "1", **more: str) -> str:
    inputs = RunInputs(CommandLine(folder, folder, check({"profile": "blink", **more})))
    return key_of_boot(inputs, private(port), [version])
