"""`diagnose` and `doctor` as commands: what they say, how they end, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.ports import discovery
from flashpipe.board.ports.adapters import HostFacts
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.host import DeviceNode, Host
from flashpipe.flasher import explain_failure as diagnosing
from flashpipe.jobs import doctor as doctoring
from flashpipe.plan.model import FlashPlan, Segment

from tests.harness import Done, Project
from tests.simboard import SimBoard

Command = Callable[..., Done]


@pytest.fixture
def board(tmp_path: Path, firmware: Path) -> SimBoard:
    """A board that boots a real image."""
    flash = tmp_path / "one.flash"
    cells = bytearray(b"\xff" * 0x400000)
    image = firmware.read_bytes()
    cells[: len(image)] = image[:2] + b"\x02\x40" + image[4:]
    flash.write_bytes(cells)
    return SimBoard(flash)


def test_a_healthy_board_is_told_to_be_healthy_and_is_not_written(command: Command, board: SimBoard) -> None:
    command("boot", board.port).ok()  # its first boot formats the file system
    before = board.cells()
    done = command("diagnose", board.port).ok()
    assert "60 of 60 short questions answered right" in done.out
    assert "nothing wrong was found" in done.out
    assert board.cells() == before


def test_a_header_that_names_a_larger_flash_than_there_is_is_told(
    command: Command, board: SimBoard, firmware: Path, tmp_path: Path
) -> None:
    cells = bytearray(b"\xff" * 0x400000)
    image = firmware.read_bytes()
    cells[: len(image)] = image[:2] + b"\x02\x80" + image[4:]
    (tmp_path / "one.flash").write_bytes(cells)
    command("boot", board.port).ok()
    done = command("diagnose", board.port).ok()
    assert "its header names 8MB, and this flash has 4 MB" in done.out
    assert "nothing wrong" not in done.out


def test_an_answer_that_comes_too_late_is_none_that_was_lost(
    command: Command, board: SimBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, quick_register = [], EsptoolLoader.quick_register

    def impatient(link: EsptoolLoader, address: int, limit_s: float, *, late: bool = False) -> int:
        asked.append(late)
        return quick_register(link, address, limit_s if late or len(asked) % 20 else 1e-6, late=late)

    monkeypatch.setattr(EsptoolLoader, "quick_register", impatient)
    command("boot", board.port).ok()
    assert "60 of 60 short questions answered right" in command("diagnose", board.port).ok().out
    assert asked[:60] == [False] * 60
    assert asked[60:] == [True]


def test_a_board_that_starts_and_is_half_written_is_not_told_to_be_healthy(
    command: Command, firmware: Path, tmp_path: Path
) -> None:
    board = SimBoard(tmp_path / "cells", more="&fill=random:3&fault=stuck-sector:0x10000")
    command("flash", "profile=esp12", f"image={firmware}", "boot=off", board.port).failed("verify-failed")
    done = command("diagnose", board.but("").port).ok()
    assert "nothing wrong" not in done.out
    assert "it starts, but board" in done.out
    assert "incomplete image since an earlier run, which `flashpipe flash profile=esp12` continues" in done.out


@pytest.mark.parametrize(
    ("more", "ending"),
    [
        ("&fault=no-flash", ("flash-unknown", 22, "flash-absent")),
        ("&fault=dout-only", ("boot-no-image", 51, "nothing-bootable")),
        ("&app.trouble=exception", ("boot-exception", 55, "firmware-crashes")),
        ("&gpio0=low", ("boot-download-mode", 33, "gpio0-held")),
        ("&fault=protect:7", ("flash-protected", 22, "code: flash-protected")),
    ],
)
def test_what_is_wrong_is_found_on_demand(
    command: Command, board: SimBoard, more: str, ending: tuple[str, int, str]
) -> None:
    code, status, rule = ending
    done = command("diagnose", board.but(more).port).failed(code)
    assert done.status == status
    assert f"[{rule}]" in done.err
    assert done.err.count("  next: ") == 1


def test_of_a_flash_that_is_empty_where_a_firmware_begins_nothing_is_guessed(command: Command, tmp_path: Path) -> None:
    blank = f"port=sim://nodemcu-devkit?flash={tmp_path / 'blank.flash'}&fill=ff"
    assert "[empty-flash]" in command("diagnose", blank).failed("boot-no-image").err
    (tmp_path / "part.bin").write_bytes(bytes(range(256)) * 16)
    done = command("flash", "profile=esp12", f"image=0x3fc000:{tmp_path / 'part.bin'}", blank).failed("boot-no-image")
    assert "[empty-flash]" in done.err
    assert "this run has written nothing there" in done.err
    assert "mode=" not in done.err


def test_the_last_failure_on_the_port_is_remembered(command: Command, board: SimBoard) -> None:
    command("diagnose", board.but("&gpio0=low").port).failed("boot-download-mode")
    again = command("diagnose", board.but("&gpio0=low").port)
    assert "GPIO0 is still held low" in again.out.partition("before")[2].partition("\n")[0]


def test_a_flash_that_lies_about_its_size_is_found(command: Command, tmp_path: Path) -> None:
    lying = f"port=sim://nodemcu-devkit?flash={tmp_path / 'small.flash'}&fault=wrong-size:1MB"
    done = command("diagnose", lying).failed("wrong-flash-size")
    assert "begins anew at 0x100000: it has 1 MB" in done.err


@pytest.mark.parametrize(
    ("facts", "rule", "action"),
    [
        (HostFacts("linux", brltty=True), "brltty", "sudo systemctl mask brltty"),
        (HostFacts("linux", wsl=True), "wsl-detached", "usbipd attach --wsl"),
        (HostFacts("linux"), "unplugged", "plug it in firmly"),
    ],
)
def test_a_port_that_vanishes_on_a_machine_that_takes_them_away(
    command: Command, monkeypatch: pytest.MonkeyPatch, facts: HostFacts, rule: str, action: str
) -> None:
    monkeypatch.setattr(diagnosing, "look_at_host", lambda: facts)
    number = hash_of(rule)
    vanishing = f"port=sim://nodemcu-devkit?mac=5c:cf:7f:00:02:{number}&usb=1a86:7523&fault=unplug:2000"
    done = command("identify", vanishing).failed("port-lost")
    assert done.status == 20
    assert f"[{rule}]" in done.err
    assert action in done.err


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:2]


# --- doctor ----------------------------------------------------------------------------------------------------------


def machine(root: Path, monkeypatch: pytest.MonkeyPatch, *, groups: frozenset[int]) -> None:
    """A Linux with one CH340, seen through the command."""
    for path, text in {"etc/group": "dialout:x:20:ada\n", "proc/version": "Linux version 6.1\n"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    host = Host(
        root,
        "linux",
        {},
        user="ada",
        uid=1000,
        groups=groups,
        packages={"esptool": "5.6.0", "pyserial": "3.5"},
        serial_version="3.5",
        nodes={"/dev/ttyUSB0": DeviceNode(0, 20, 0o660)},
    )
    monkeypatch.delenv("container", raising=False)
    monkeypatch.setattr(doctoring, "this_host", lambda: host)
    monkeypatch.setattr(discovery, "list_ports", lambda: [PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523)])


def test_a_machine_that_is_ready(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path / "root", monkeypatch, groups=frozenset({20}))
    done = command("doctor").ok()
    assert "fail" not in done.out
    assert "/dev/ttyUSB0 may be opened, through group dialout" in done.out


def test_a_machine_that_is_not_gets_the_command(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path / "root", monkeypatch, groups=frozenset())
    done = command("doctor").failed("host-not-ready")
    assert done.status == 20
    assert "$ newgrp dialout" in done.out
    assert "next: newgrp dialout" in done.err


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["port=/dev/ttyUSB7"], "/dev/ttyUSB7"),
        (["port=/dev/ttyUSB0,/dev/ttyA*"], "/dev/ttyA*"),
        (["profile=kitchen"], "/dev/ttyUSB9"),
        (["profile=kitchen", "port=/dev/ttyUSB*,rfc2217://me:word@lab:4000"], ""),
    ],
)
def test_ports_that_are_named_have_to_be_there(
    command: Command, project: Project, monkeypatch: pytest.MonkeyPatch, words: list[str], missing: str
) -> None:
    machine(project.folder / "root", monkeypatch, groups=frozenset({20}))
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nserial: {port: /dev/ttyUSB9}\n")
    done = command("doctor", *words)
    assert done.status == (20 if missing else 0)
    assert f"there is no {missing}: " in done.out if missing else "word" not in done.out
    assert ("/dev/ttyUSB0 may be opened" in done.out) == ("/dev/ttyUSB0" in words[-1] or not missing)


def test_plain_doit_has_both_and_says_what_they_do(project: Project) -> None:
    listed = project.doit("list").ok().out
    assert "doctor" in listed
    assert "diagnose" in listed
    assert "No port is opened" in project.doit("help", "doctor").ok().out
    assert project.doit("doctor", "port=sim://esp12").ok().out.count("ok ") >= 4


@pytest.mark.parametrize(("fill", "hole"), [(b"\xff", 0x20674), (b"\0", 0x20674), (b"\x01", None)])
def test_a_crash_in_a_sector_of_the_plan_without_code_is_known(fill: bytes, hole: int | None) -> None:
    data = b"code" * 0x4000 + fill * 0x1000
    plan = cast("FlashPlan", SimpleNamespace(segments=(Segment(0x10000, data, "a.bin", len(data)),)))
    assert diagnosing._hole(0x40220674, plan) == hole
    assert diagnosing._hole(0x40218000, plan) is None
    assert diagnosing._hole(0x40300000, plan) is None
    assert diagnosing._hole(None, plan) is None
