"""What is written for systemd and for labgrid's exporter."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flashpipe.lab.exporter import exporter_yaml, place_commands
from flashpipe.lab.host_plan import LOOPBACK, OWN, HostPlan, HostPort, checked_network
from flashpipe.lab.systemd import EXPORTER, HOST, hidden, units
from ruamel.yaml import YAML

PLAN = HostPlan(
    "10.0.5.2",
    (
        HostPort("kitchen", "/dev/serial/by-path/one", 7101, (checked_network("10.0.5.0/24"),)),
        HostPort("hall", "/dev/serial/by-path/two", 7102, OWN),
    ),
)


def test_the_exporter_is_given_static_ports() -> None:
    read = YAML(typ="safe").load(exporter_yaml(PLAN))
    assert read["kitchen"] == {
        "NetworkSerialPort": {"host": "10.0.5.2", "port": 7101, "speed": 115200, "protocol": "rfc2217"}
    }
    assert list(read) == ["kitchen", "hall"]
    assert YAML(typ="safe").load(exporter_yaml(PLAN, "bench"))["hall"]["NetworkSerialPort"]["host"] == "bench"


def test_no_line_is_a_statement_of_the_exporters_templates() -> None:
    text = exporter_yaml(HostPlan(LOOPBACK, PLAN.ports))
    assert all(line.startswith("##") for line in text.splitlines() if line.startswith("#"))
    assert "{" not in text


def test_a_host_of_this_machine_alone_is_said_to_be_one() -> None:
    local = HostPlan(LOOPBACK, PLAN.ports)
    assert "loopback" in exporter_yaml(local)
    assert "loopback" not in exporter_yaml(PLAN)


def test_each_board_becomes_a_place() -> None:
    (first, second) = place_commands(PLAN, "bench")
    assert "bench/kitchen/NetworkSerialPort" in first
    assert "-p hall create" in second


def test_a_unit_may_reach_what_the_plan_lets_in_and_no_more() -> None:
    made = units(PLAN, Path("/etc/flash pipe/100%.yaml"))
    assert set(made) == {HOST}
    service = _section(made[HOST])
    assert service["IPAddressDeny"] == "any"
    assert set(service["IPAddressAllow"].split()) == {"127.0.0.0/8", "::1/128", "10.0.5.0/24"}
    assert service["Restart"] == "always"
    assert service["ExecStart"].endswith("host 'file=/etc/flash pipe/100%%.yaml'")


def test_an_exporter_comes_back_whenever_it_ends() -> None:
    made = units(PLAN, Path("/etc/host.yaml"), coordinator="lab:20408", exporter_file=Path("/etc/exporter.yaml"))
    service = _section(made[EXPORTER])
    assert service["Restart"] == "always"
    assert "-c lab:20408 /etc/exporter.yaml" in service["ExecStart"]


@pytest.mark.skipif(os.name != "posix", reason="systemd is for Linux")
def test_what_a_units_user_cannot_read_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    python, file = home / "python3", tmp_path / "host.yaml"
    python.touch(0o755)
    file.touch(0o600)
    (tmp_path / "linked").symlink_to(python)
    lines = hidden([tmp_path / "linked", file, Path("/etc/passwd")])
    assert not any(line.startswith("/etc/passwd") for line in lines)
    assert any(line.startswith(f"{tmp_path / 'linked'}: ") and "cannot read" in line for line in lines)
    assert any(line.startswith(f"{file}: ") and "cannot read" in line for line in lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    made = units(PLAN, tmp_path / "host.yaml", coordinator="lab:20408", exporter_file=tmp_path / "exporter.yaml")
    for name, text in made.items():
        (tmp_path / name).write_text(text.replace("/opt/labgrid/bin/labgrid-exporter", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in made)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Unknown" not in done.stderr


def _section(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser["Service"])
