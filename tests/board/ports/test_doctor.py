"""The doctor on machines made of files: each trouble is found, with the command that cures it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from flashpipe.board.ports import doctor
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.doctor import Check, Question
from flashpipe.board.ports.host import DeviceNode, Host, this_host

CH340 = PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523)
CP2102 = PortInfo("/dev/ttyUSB0", 0x10C4, 0xEA60, serial="0001")
FTDI = PortInfo("/dev/ttyUSB0", 0x0403, 0x6001, serial="A50285BI")
DIALOUT = 20
GOOD = {"esptool": "5.6.0", "pyserial": "3.5", "doit": "0.37.0"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A healthy Linux: ada is in dialout."""
    monkeypatch.delenv("container", raising=False)
    write(tmp_path, "etc/group", "root:x:0:\ndialout:x:20:ada\n")
    write(tmp_path, "proc/version", "Linux version 6.1.0-28-amd64\n")
    write(tmp_path, "proc/modules", "ch341 24576 0 - Live 0x0\n")
    write(tmp_path, "proc/1/comm", "systemd\n")
    return Host(
        tmp_path,
        "linux",
        {},
        user="ada",
        uid=1000,
        groups=frozenset({1000, DIALOUT}),
        packages=GOOD,
        serial_version="3.5",
        nodes={"/dev/ttyUSB0": DeviceNode(0, DIALOUT, 0o660)},
    )


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def adapter(root: Path, vendor: str = "1a86", product: str = "7523", *, port: bool = False) -> None:
    """An adapter on the bus."""
    write(root, "sys/bus/usb/devices/1-1/idVendor", vendor)
    write(root, "sys/bus/usb/devices/1-1/idProduct", product)
    if port:
        write(root, "sys/bus/usb/devices/1-1/1-1:1.0/ttyUSB0/dev", "188:0")


def troubles(host: Host, *ports: PortInfo, baud: int = 460800) -> list[Check]:
    return [check for check in doctor.examine(Question(host, ports, baud)) if check.state != "ok"]


def only(found: Iterable[Check]) -> Check:
    (check,) = found
    return check


def test_a_healthy_machine_has_no_trouble_and_says_what_was_looked_at(host: Host) -> None:
    found = doctor.examine(Question(host, [CH340]))
    assert troubles(host, CH340) == []
    assert doctor.worst(found) == "ok"
    assert [check.name for check in found] == [
        "adapter", "rights", "holders", "brltty", "modem-manager", "baud", "versions", "pyserial",
    ]  # fmt: skip
    assert not any(check.command for check in found)


def test_a_port_that_is_not_there_is_the_trouble_whatever_else_is(host: Host) -> None:
    for ports in ([], [CH340]):
        found = doctor.examine(Question(host, ports, missing=["/dev/ttyUSB1", "COM9"]))
        check = only(check for check in found if check.state != "ok")
        assert (check.name, check.state) == ("adapter", "fail")
        assert check.text.startswith("there is no /dev/ttyUSB1, COM9: plug the board in")


def test_a_url_is_said_not_to_be_looked_at(host: Host) -> None:
    write(host.root, "proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2\n")
    found = doctor.examine(Question(host, [], elsewhere=["rfc2217://lab:4000", "sim://esp12"]))
    assert doctor.worst(found) == "ok"
    assert [check.text for check in found if check.name == "adapter"] == [
        "rfc2217://lab:4000: behind a server, and not looked at",
        "sim://esp12: a virtual board, which needs no port",
    ]


def test_what_is_no_device_has_no_node(host: Host) -> None:
    write(host.root, "dev/ttyUSB1", "left by somebody")
    assert host.node("/dev/ttyUSB1") is None
    assert replace(host, root=Path("/")).node("/dev/null") is not None


def test_a_group_that_was_not_joined(host: Host) -> None:
    write(host.root, "etc/group", "dialout:x:20:\n")
    check = only(troubles(replace(host, groups=frozenset({1000})), CH340))
    assert (check.name, check.state, check.command) == ("rights", "fail", "sudo usermod -aG dialout ada")
    assert "log out and in" in check.text


def test_a_group_that_was_joined_after_the_login(host: Host) -> None:
    check = only(troubles(replace(host, groups=frozenset({1000})), CH340))
    assert (check.name, check.state, check.command) == ("rights", "fail", "newgrp dialout")
    assert "your group change needs a new one" in check.text


@pytest.mark.parametrize("node", [DeviceNode(0, 0, 0o600), DeviceNode(0, DIALOUT, 0o600), DeviceNode(0, 0, 0o660)])
def test_a_device_that_no_group_may_use(host: Host, node: DeviceNode) -> None:
    check = only(troubles(replace(host, nodes={"/dev/ttyUSB0": node}), CH340))
    assert (check.name, check.command) == ("rights", "sudo chmod a+rw /dev/ttyUSB0")


@pytest.mark.parametrize("node", [DeviceNode(0, 0, 0o666), DeviceNode(1000, 0, 0o600)])
def test_rights_of_everybody_and_of_the_owner_are_enough(host: Host, node: DeviceNode) -> None:
    assert troubles(replace(host, nodes={"/dev/ttyUSB0": node}), CH340) == []


def test_a_program_that_holds_the_port_is_named(host: Host) -> None:
    write(host.root, "proc/777/comm", "screen\n")
    write(host.root, "proc/777/cmdline", "screen\0/dev/ttyUSB0\0")
    (host.root / "proc/777/fd").mkdir()
    (host.root / "proc/777/fd/5").symlink_to("/dev/ttyUSB0")
    check = only(troubles(host, CH340))
    assert (check.name, check.state, check.command) == ("holders", "fail", "kill 777")
    assert "pid 777 (screen)" in check.text


def test_brltty_that_runs_and_claims_the_adapter(host: Host) -> None:
    write(host.root, "proc/55/comm", "brltty\n")
    check = only(troubles(host, CH340))
    assert (check.name, check.state) == ("brltty", "fail")
    assert check.command.startswith("sudo systemctl mask brltty")


def test_brltty_that_is_only_installed_is_a_warning(host: Host) -> None:
    write(host.root, "usr/lib/udev/rules.d/85-brltty.rules", "…")
    assert only(troubles(host, CH340)).state == "warn"


def test_brltty_that_was_masked_is_none(host: Host) -> None:
    write(host.root, "usr/lib/udev/rules.d/85-brltty.rules", "…")
    write(host.root, "etc/systemd/system/brltty-udev.service", "")  # a mask is an empty file, or a link to /dev/null
    assert troubles(host, CH340) == []


def test_modem_manager(host: Host) -> None:
    write(host.root, "proc/60/comm", "ModemManager\n")
    check = only(troubles(host, CH340))
    assert (check.name, check.state) == ("modem-manager", "warn")
    assert check.command == "sudo systemctl mask --now ModemManager"
    write(host.root, "etc/udev/rules.d/99-esp.rules", 'ATTRS{idVendor}=="1a86", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    assert troubles(host, CH340) == []
    assert only(troubles(host, CP2102)).name == "modem-manager", "another maker's"


def test_an_adapter_without_its_driver(host: Host) -> None:
    adapter(host.root, "10c4", "ea60")
    found = troubles(host)
    assert [check.name for check in found] == ["adapter", "driver"]
    assert found[1].command == "sudo modprobe cp210x"
    assert "driver cp210x is not loaded" in found[1].text


def test_an_adapter_that_something_took_from_its_driver(host: Host) -> None:
    adapter(host.root)
    assert "something else has taken it" in troubles(host)[1].text


def test_wsl_without_usbipd(host: Host) -> None:
    write(host.root, "proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2\n")
    found = troubles(host)
    assert [check.name for check in found] == ["adapter", "wsl"]
    assert "usbipd attach --wsl" in found[1].command


def test_a_container_without_the_device(host: Host) -> None:
    write(host.root, ".dockerenv", "")
    found = troubles(host)
    assert [check.name for check in found] == ["adapter", "container"]
    assert "--device=/dev/ttyUSB0" in found[1].command


def test_a_container_with_the_device_is_fine(host: Host) -> None:
    write(host.root, ".dockerenv", "")
    assert troubles(host, CH340) == []


@pytest.mark.parametrize(
    ("port", "baud", "found"),
    [(CH340, 460800, []), (CH340, 921600, []), (CH340, 1152000, ["baud"]), (CP2102, 1500000, ["baud"])],
)
def test_rates_that_adapter_and_chip_cannot_share(host: Host, port: PortInfo, baud: int, found: list[str]) -> None:
    assert [check.name for check in troubles(host, port, baud=baud)] == found


def test_the_latency_timer_of_an_ftdi(host: Host) -> None:
    path = "sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    write(host.root, path, "16\n")
    check = only(troubles(host, FTDI))
    assert (check.name, check.command) == ("latency", f"echo 1 | sudo tee /{path}")
    write(host.root, path, "1\n")
    assert troubles(host, FTDI) == []
    write(host.root, path, "16\n")
    assert troubles(host, CH340) == [], "no FTDI"


@pytest.mark.parametrize(("version", "state"), [("4.8.1", "fail"), ("5.5.0", "fail"), ("6.0.0", "fail"), ("5.7", "ok")])
def test_releases_of_esptool(host: Host, version: str, state: str) -> None:
    found = doctor.examine(Question(replace(host, packages={**GOOD, "esptool": version}), [CH340]))
    assert next(check for check in found if check.name == "versions").state == state


def without_esptool(host: Host) -> Host:
    return replace(host, packages={"pyserial": "3.5"})


def without_serial(host: Host) -> Host:
    return replace(host, serial_version="")


def with_another_serial(host: Host) -> Host:
    return replace(host, packages={**GOOD, "serial": "0.0.97"})


@pytest.mark.parametrize(
    ("change", "name", "command"),
    [
        (without_esptool, "versions", "pip install"),
        (without_serial, "pyserial", "--force-reinstall --no-deps pyserial==3.5"),
        (with_another_serial, "pyserial", "pip uninstall -y serial"),
    ],
)
def test_packages_that_are_missing_or_wrong(
    host: Host, change: Callable[[Host], Host], name: str, command: str
) -> None:
    check = only(troubles(change(host), CH340))
    assert (check.name, check.state) == (name, "fail")
    assert command in check.command


def test_the_fork_that_overwrites_pyserial(host: Host) -> None:
    forked = replace(host, packages={**GOOD, "pyserial-labgrid": "3.5.0.2"}, serial_version="3.5.0.2")
    check = only(troubles(forked, CH340))
    assert (check.name, check.state) == ("pyserial", "warn")
    assert "3.5.0.2 won" in check.text


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_asked_only_what_they_have(host: Host, system: str) -> None:
    elsewhere = replace(host, system=system, nodes={})
    assert troubles(elsewhere, replace(CH340, device="COM3")) == []
    assert only(troubles(elsewhere)).name == "adapter"


def test_this_machine_can_be_looked_at() -> None:
    here = this_host()
    assert here.packages["pyserial"]
    assert here.serial_version
    assert {check.name for check in doctor.examine(Question(here, []))} >= {"adapter", "versions", "pyserial"}
