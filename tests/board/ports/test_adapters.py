from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.board.ports.adapters import HostFacts, adapter_name, look_at_host


def add(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def plug_in(root: Path, place: str, usb: str, *, port: str = "") -> None:
    folder = f"sys/bus/usb/devices/{place}"
    vendor, product = usb.split(":")
    add(root, f"{folder}/idVendor", f"{vendor}\n")
    add(root, f"{folder}/idProduct", f"{product}\n")
    (root / folder / f"{place}:1.0").mkdir()
    if port:
        (root / folder / f"{place}:1.0" / port).mkdir(parents=True)


@pytest.fixture(autouse=True)
def _no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)


def test_a_plain_linux(tmp_path: Path) -> None:
    add(tmp_path, "proc/version", "Linux version 6.1.0\n")
    plug_in(tmp_path, "1-1", "1a86:7523", port="ttyUSB0")
    plug_in(tmp_path, "1-2", "0403:6001", port="tty/ttyACM0")
    plug_in(tmp_path, "1-3", "046d:c077")
    assert look_at_host(tmp_path, "linux") == HostFacts("linux")


def test_an_adapter_without_a_port_is_noticed(tmp_path: Path) -> None:
    plug_in(tmp_path, "1-1", "1a86:7523")
    plug_in(tmp_path, "1-2", "10c4:ea60", port="ttyUSB0")
    assert look_at_host(tmp_path, "linux").unbound == ("CH340 (1a86:7523)",)


def test_brltty_is_seen_by_its_rules_or_its_process(tmp_path: Path) -> None:
    add(tmp_path, "proc/1/comm", "systemd\n")
    assert not look_at_host(tmp_path, "linux").brltty
    add(tmp_path, "proc/77/comm", "brltty\n")
    assert look_at_host(tmp_path, "linux").brltty
    add(tmp_path / "b", "usr/lib/udev/rules.d/85-brltty.rules")
    assert look_at_host(tmp_path / "b", "linux").brltty


def test_wsl_and_containers_are_recognised(tmp_path: Path) -> None:
    add(tmp_path, "proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2\n")
    add(tmp_path, ".dockerenv")
    facts = look_at_host(tmp_path, "linux")
    assert facts.wsl
    assert facts.container


def test_other_systems_are_not_searched(tmp_path: Path) -> None:
    plug_in(tmp_path, "1-1", "1a86:7523")
    assert look_at_host(tmp_path, "darwin") == HostFacts("darwin")


def test_this_machine_can_be_looked_at() -> None:
    assert look_at_host().system


@pytest.mark.parametrize(
    ("usb", "name"),
    [((0x1A86, 0x55D4), "CH9102"), ((0x067B, 0x2303), "PL2303"), ((0x1A86, 1), "WCH"), ((None, None), "serial port")],
)
def test_adapters_have_names(usb: tuple[int | None, int | None], name: str) -> None:
    assert adapter_name(*usb) == name
