"""What works alone, beside flashing: identify, monitor, boot, ports, profiles; by whole commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flashpipe.profile.load import load_profile
from flashpipe.sim.kinds import BOARDS

from tests.harness import Project
from tests.nodemcu import MB, formatted
from tests.terminal import Terminal

# --- identify --------------------------------------------------------------------------------------------------------

FOUR_MB = "d1-mini, d1-mini-clone, esp12, nodemcu-devkit"
WANTED = {
    "esp01": ("ESP8266EX", "GigaDevice GD25Q40", "512 KB", "c8/4013", "none", "esp01, esp07"),
    "esp01-1m": ("ESP8266EX", "GigaDevice GD25Q80", "1 MB", "c8/4014", "none", "esp01-1m, esp07-1m"),
    "esp07": ("ESP8266EX", "BergMicro BG25Q40", "512 KB", "e0/4013", "none", "esp01, esp07"),
    "esp07-1m": ("ESP8266EX", "BergMicro BG25Q80", "1 MB", "e0/4014", "none", "esp01-1m, esp07-1m"),
    "esp12": ("ESP8266EX", "Winbond W25Q32", "4 MB", "ef/4016", "4 MB", FOUR_MB),
    "esp8285": ("ESP8285N08", "Puya P25D80H or P25Q80H", "1 MB", "85/6014", "1 MB", "d1-mini-lite, esp8285"),
    "esp8285-2m": ("ESP8285N16", "Puya P25Q16H", "2 MB", "85/6015", "2 MB", "esp8285-2m"),
    "nodemcu-devkit": ("ESP8266EX", "Winbond W25Q32", "4 MB", "ef/4016", "4 MB", FOUR_MB),
    "d1-mini": ("ESP8266EX", "XMC XM25QH32", "4 MB", "20/4016", "4 MB", FOUR_MB),
    "d1-mini-clone": ("ESP8266EX", "BergMicro BG25Q32", "4 MB", "e0/4016", "none", FOUR_MB),
    "d1-mini-lite": ("ESP8285N08", "Puya P25D80H or P25Q80H", "1 MB", "85/6014", "1 MB", "d1-mini-lite, esp8285"),
    "d1-mini-pro": ("ESP8266EX", "Winbond W25Q128", "16 MB", "ef/4018", "16 MB", "d1-mini-pro"),
    "wroom-02": ("ESP8266EX", "Winbond W25Q16", "2 MB", "ef/4015", "2 MB", "wroom-02"),
    "demo": ("ESP8266EX", "Winbond W25Q32", "4 MB", "ef/4016", "4 MB", FOUR_MB),
}
"""Board: chip, manufacturer and part, size, ID, size by SFDP, profiles that fit."""


def fields(text: str) -> dict[str, str]:
    """Lines of `name     value`."""
    return {line[:9].strip(): line[9:] for line in text.splitlines() if line[:9].strip()}


def identify(project: Project, port: str) -> dict[str, str]:
    return fields(project.doit("identify", f"port={port}").ok().out)


def test_every_virtual_board_is_in_the_table() -> None:
    assert set(WANTED) == set(BOARDS)


def test_identify_names_chip_flash_and_fitting_profiles_of_every_board(project: Project, tmp_path: Path) -> None:
    # One command for all: the ports are separated by commas, the blocks by their first line.
    names = [name for name in WANTED if name != "demo"]
    ports = [f"sim://{name}?mac=5c:cf:7f:00:00:{number:02x}" for number, name in enumerate(names)]
    ports.append(f"sim://demo?mac=5c:cf:7f:00:00:{len(names):02x}&flash={tmp_path / 'demo.flash'}")
    text, _, table = project.doit("identify", f"port={','.join(ports)}").ok().out.rpartition("\nport  ")
    assert f"all {len(ports)} boards" in table
    blocks = {block["port"]: block for block in map(fields, re.split(r"^(?=port  )", text, flags=re.MULTILINE)[1:])}
    assert len(blocks) == len(WANTED)
    for number, (name, (chip, part, size, jedec, sfdp, profiles)) in enumerate(WANTED.items()):
        block = next(block for port, block in blocks.items() if f"://{name}?" in port)
        assert block["port"].endswith(" (virtual board)")
        assert block["chip"].startswith(f"{chip} (Wi-Fi, 160MHz")
        assert ("Embedded Flash" in block["chip"]) == chip.startswith("ESP8285")
        assert block["MAC"] == f"5c:cf:7f:00:00:{number:02x}"
        assert block["crystal"] == "26 MHz"
        assert block["flash"] == f"{part}, {size}, ID {jedec}"
        assert block["SFDP"] == sfdp
        assert block["profiles"] == profiles


def test_a_crystal_of_40_mhz_is_found(project: Project) -> None:
    assert identify(project, "sim://esp12?crystal=40")["crystal"] == "40 MHz"


def test_a_part_that_no_table_knows_keeps_its_id(project: Project) -> None:
    found = identify(project, "sim://esp12?flash_id=0x164077&size=4MB")
    assert "unknown manufacturer 0x77" in found["flash"]
    assert "4 MB" in found["flash"]


def test_a_size_that_no_shipped_profile_has_is_told_what_to_write(project: Project) -> None:
    assert "size: auto" in identify(project, "sim://esp12?part=W25Q64")["profiles"]


def test_a_profile_of_ones_own_fits_too(project: Project) -> None:
    (project.folder / "kitchen.yaml").write_text("extends: esp12\n")
    (project.folder / "broken.yaml").write_text("extends: esp12\nflahs: {}\n")
    assert identify(project, "sim://esp12")["profiles"] == f"kitchen, {FOUR_MB}"


def test_identify_changes_nothing_and_leaves_the_board_running(project: Project, tmp_path: Path) -> None:
    flash = tmp_path / "a.flash"
    port = f"sim://nodemcu-devkit?flash={flash}"
    identify(project, port)
    cells = flash.read_bytes()
    identify(project, port)
    assert flash.read_bytes() == cells
    assert not project.receipts()


# --- monitor ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(project: Project, tmp_path: Path, firmware: Path) -> str:
    """Port of a board on which NodeMCU runs."""
    port = f"sim://nodemcu-devkit?flash={tmp_path / 'm.flash'}"
    project.doit("flash", "profile=nodemcu-devkit", f"port={port}", f"image={firmware}").ok()
    return port


def test_monitor_shows_the_console_sends_what_is_typed_and_ends_well(
    project: Project, tmp_path: Path, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLASHPIPE_CORE")  # executed
    (tmp_path / "m.flash").write_bytes(formatted(firmware, MB))
    port = f"port=sim://nodemcu-devkit?size=1MB&flash={tmp_path / 'm.flash'}"
    with Terminal(project.folder, project.environment(), "doit", "monitor", port) as terminal:
        terminal.expect("Ctrl-C ends it")
        while not terminal.shows("> ", 1.0):  # a board that opening its port has started says more first
            terminal.type("\n")
        terminal.type("print('flash' .. 'pipe')\n")
        terminal.expect("flashpipe\n> ")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert terminal.sane
        shown = terminal.shown
    assert shown.count("print('flash' .. 'pipe')") == 1, "what was typed is not shown twice"
    assert not set(shown) & {chr(code) for code in range(32) if chr(code) not in "\t\n\b"}


def test_monitor_needs_no_terminal(project: Project, running: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", "monitor", f"port={running}"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Ctrl-C ends it" in line:
            break
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode in {0, 143}, out + err
    assert "Traceback" not in out + err


def test_monitor_of_a_port_that_is_not_there(project: Project) -> None:
    assert project.flashpipe("monitor", "port=/dev/does-not-exist").failed("port-missing").status == 20


# --- boot ------------------------------------------------------------------------------------------------------------


def test_boot_shows_the_log_and_the_verdict_and_leaves_a_receipt(project: Project, running: str) -> None:
    done = project.doit("boot", "profile=nodemcu-devkit", f"port={running}").ok()
    assert "1.5.4.1" in done.out
    assert "predicted from the image, firmware not executed" in done.err
    receipt = project.receipts()[-1]
    assert (receipt["command"], receipt["outcome"], receipt["virtual"]) == ("boot", "booted", True)
    assert receipt["verdict"]["kind"] == "prompt"
    assert receipt["verdict"]["firmware_executed"] is False


def test_boot_of_a_blank_board_fails_with_its_reason_and_status(project: Project) -> None:
    done = project.flashpipe("boot", "port=sim://esp12?fill=ff").failed("boot-no-image")
    assert done.status == 51
    assert project.receipts()[-1]["outcome"] == "boot-no-image"


def test_a_reset_that_does_not_reach_the_chip_is_no_silence(project: Project) -> None:
    done = project.flashpipe("boot", "port=sim://esp01?wiring=none").failed("boot-download-mode")
    assert done.status == 33
    assert "the reset line does not reach the chip" in done.text


def test_boot_may_ask_for_a_text(project: Project, running: str) -> None:
    project.doit("boot", f"port={running}", "boot=1.5.4.1").ok()
    (project.folder / "other.yaml").write_text("extends: esp12\nboot: {expect: MicroPython, timeout: 3s}\n")
    done = project.flashpipe("boot", "profile=other", f"port={running}").failed("boot-unexpected")
    assert done.status == 34


# --- ports and profiles ----------------------------------------------------------------------------------------------


def test_profiles_lists_each_with_hardware_and_what_is_wrong_with_it(project: Project) -> None:
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nabout: the kitchen\n")
    (project.folder / "broken.yaml").write_text("extends: esp12\nflahs: {}\n")
    text = project.doit("profiles").ok().out
    assert re.search(r"^kitchen +esp8266, 4MB, dio +the kitchen  \(this project\)$", text, re.MULTILINE)
    assert re.search(r"^esp01-1m +esp8266, 1MB, dout +ESP-01", text, re.MULTILINE)
    assert "did you mean 'flash'" in text
    assert "next: flashpipe flash profile=NAME" in text
    assert "next: flashpipe flash profile=NAME" in project.flashpipe("profiles").ok().out
    names = {line.split()[0] for line in text.splitlines() if re.match(r"\S+ +esp8", line)}
    assert {"esp01", "esp01-1m", "esp07", "esp12", "esp8285", "nodemcu-devkit", "d1-mini", "wroom-02"} <= names
    assert all(load_profile(name, project.folder) for name in names)
    assert max(map(len, text.splitlines())) <= 100


def test_ports_as_a_command_opens_none(project: Project) -> None:
    done = project.doit("ports").ok()
    assert "connect" not in done.text
