"""Firmware other than NodeMCU, unmodified, up to its prompt and back with an answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flashpipe.sim.simulation import RunEnd, Script, Simulation, build_flash, start

from tests.sim.executed import MB


def played(
    segments: dict[int, bytes], *sends: str, size: int = 4 * MB, until: str = "", timeout_s: float = 30
) -> RunEnd:
    """Run it with these texts typed, up to `until` or until everything is said."""
    script = Script(
        sends=tuple(text.encode() for text in sends),
        until=re.compile(until, re.MULTILINE) if until else None,
        timeout_s=timeout_s,
    )
    return Simulation(start(build_flash(segments, size)), script).run()


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("micropython-1.9.3", "MicroPython v1.9.3-8-g63826ac5c on 2017-11-01"),
        ("micropython-1.10.0", "MicroPython v1.10-8-g8b7039d7d on 2019-01-26"),
    ],
)
def test_micropython_computes(firmware_folder: Path, name: str, version: str) -> None:
    outcome = played(
        {0: (firmware_folder / f"{name}.bin").read_bytes()}, "print(6*7)\r\n", "import uos; uos.listdir()\r\n"
    )
    assert outcome.reason == "quiet"
    assert f"\n{version}; ESP module with ESP8266\n" in outcome.text
    assert ">>> print(6*7)\n42\n>>> import uos; uos.listdir()\n['boot.py']\n>>> " in outcome.text


def test_circuitpython_waits_for_a_key(firmware_folder: Path) -> None:
    contents = {0: (firmware_folder / "circuitpython-3.0.0-beta.1.bin").read_bytes()}
    outcome = played(contents, "ab", "print(6*7)\r\n")
    assert "Press any key to enter the REPL." in outcome.text
    assert outcome.text.endswith(">>> print(6*7)\n42\n>>> ")


def test_espruino_computes(firmware_folder: Path) -> None:
    contents = {0: (firmware_folder / "espruino-1v99.bin").read_bytes()}
    outcome = played(contents, "print(6*7);\r")
    assert "Flash map 4MB:512/512, manuf 0xef chip 0x4016" in outcome.text
    assert "print(6*7);\n42\n=undefined\n>" in outcome.text


def test_basic_opens_its_access_point(firmware_folder: Path) -> None:
    contents = {0: (firmware_folder / "esp8266basic-3.0alpha.bin").read_bytes()}
    assert played(contents, until="Creating WIFI access point").reason == "until"


# --- real images -----------------------------------------------------------------------------------------------------


@pytest.mark.images
def test_at_answers_behind_its_boot_loader(real_images: Path) -> None:
    folder = real_images / "layouts"
    contents = {0: (folder / "boot_v1.6.bin").read_bytes(), 0x1000: (folder / "user1.1024.new.2.bin").read_bytes()}
    outcome = played(contents, "AT\r\n", "AT+GMR\r\n", size=MB)
    assert "2nd boot version : 1.6" in outcome.text
    assert "\nready\nAT\n\nOK\nAT+GMR\nAT version:" in outcome.text
    assert outcome.text.endswith("\nOK\n")


@pytest.mark.images
def test_the_oldest_nodemcu_answers(real_images: Path) -> None:
    contents = {0: (real_images / "layouts" / "nodemcu-0.9.2-20141219.bin").read_bytes()}
    outcome = played(contents, "print(6*7)\r\n", timeout_s=60)
    assert "NodeMcu 0.9.2 build 20141219  powered by Lua 5.1.4" in outcome.text
    assert outcome.text.endswith("\n42\n> ")


@pytest.mark.images
def test_a_repeater_has_a_command_line(real_images: Path) -> None:
    folder = real_images / "layouts"
    contents = {
        0: (folder / "repeater-0x00000.bin").read_bytes(),
        0x2000: (folder / "repeater-0x02000.bin").read_bytes(),
    }
    outcome = played(contents, "show stats\r\n")
    assert "WiFi Repeater" in outcome.text
    assert "CMD>" in outcome.text


@pytest.mark.images
def test_a_boot_loader_without_its_application_says_so(real_images: Path) -> None:
    outcome = played({0: (real_images / "layouts" / "rboot.bin").read_bytes()}, timeout_s=5)
    assert "rBoot v" in outcome.text
