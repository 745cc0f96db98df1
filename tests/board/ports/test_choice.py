from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flashpipe import files
from flashpipe.board.ports.adapters import HostFacts
from flashpipe.board.ports.choice import choose_port
from flashpipe.board.ports.discovery import PortInfo, find_port, list_ports
from flashpipe.board.ports.memory import PortMemory
from flashpipe.board.ports.names import is_url, is_virtual, port_slug
from flashpipe.errors import NoPortError, PortAmbiguousError
from hypothesis import given
from hypothesis import strategies as st

CH340 = PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523, "", "1-1.2", "USB2.0-Serial")
SECOND = replace(CH340, device="/dev/ttyUSB1", location="1-1.3")
CP2102 = PortInfo("/dev/ttyUSB2", 0x10C4, 0xEA60, "0001", "1-1.4", "CP2102")
FTDI = PortInfo("/dev/ttyUSB3", 0x0403, 0x6001, "A50285BI", "1-1.5", "FT232R")
BUILT_IN = PortInfo("/dev/ttyS0")
LINUX = HostFacts("linux")


@dataclass(frozen=True)
class Wanted:
    usb: str = ""
    serial: str = ""
    location: str = ""


@dataclass
class Scanned:
    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    location: str | None = None
    description: str = "n/a"


# --- what there is ---------------------------------------------------------------------------------------------------


def test_usb_ports_come_first_and_in_natural_order() -> None:
    names = ["/dev/ttyS0", "/dev/ttyUSB10", "/dev/ttyUSB9"]
    scanned = [Scanned(name, *((0x1A86, 0x7523) if "USB" in name else ())) for name in names]
    assert [info.device for info in list_ports(lambda: scanned)] == ["/dev/ttyUSB9", "/dev/ttyUSB10", "/dev/ttyS0"]


def test_macos_twins_and_bluetooth_are_left_out() -> None:
    names = ["/dev/cu.Bluetooth-Incoming-Port", "/dev/cu.wlan-debug", "/dev/tty.usbserial-1", "/dev/cu.usbserial-1"]
    assert [info.device for info in list_ports(lambda: [Scanned(name) for name in names])] == ["/dev/cu.usbserial-1"]


def test_this_machine_can_be_asked() -> None:
    assert all(info.device for info in list_ports())


def test_a_port_that_is_named_is_found_as_in_the_list_and_a_programs_own_terminal_is_none() -> None:
    assert [find_port(info.device) for info in list_ports()] == list_ports()
    assert find_port("/dev/pts/0") is None
    assert find_port("/dev/ttyUSB99") is None


@pytest.mark.parametrize(
    ("info", "adapter", "key"),
    [
        (CH340, "CH340", "1a86:7523@1-1.2"),
        (CP2102, "CP210x", "10c4:ea60@1-1.4"),  # 0001 is what every other CP2102 says
        (FTDI, "FT232R", "0403:6001:A50285BI"),
        (BUILT_IN, "serial port", "/dev/ttyS0"),
        (PortInfo("COM7", 0x067B, 0x23A3), "PL2303", "067b:23a3@COM7"),
        (PortInfo("COM8", 0x1234, 0x5678, "x"), "USB serial", "1234:5678:x"),
    ],
)
def test_identity(info: PortInfo, adapter: str, key: str) -> None:
    assert (info.adapter(), info.key()) == (adapter, key)


# --- which one is meant ----------------------------------------------------------------------------------------------


def test_the_only_adapter_is_taken() -> None:
    assert choose_port("auto", [BUILT_IN, CH340]) == CH340


def test_a_built_in_port_is_never_taken_by_itself() -> None:
    with pytest.raises(NoPortError, match="ttyS0"):
        choose_port("auto", [BUILT_IN], facts=LINUX)


def test_two_adapters_are_refused_with_a_list() -> None:
    memory = PortMemory()
    memory.remember(SECOND.key(), "5c:cf:7f:d7:1c:89", "kitchen")
    with pytest.raises(PortAmbiguousError) as caught:
        choose_port("auto", [CH340, SECOND, CP2102])
    lines = caught.value.message.splitlines()
    assert len(lines) == 4
    assert "/dev/ttyUSB0" in lines[1]
    assert "1a86:7523" in lines[1]
    assert "1-1.2" in lines[1]
    assert "5c:cf:7f:d7:1c:89, profile kitchen" in lines[2]


def test_the_remembered_adapter_wins() -> None:
    assert choose_port("auto", [CH340, SECOND], SECOND.key()) == SECOND


def test_one_that_was_remembered_and_is_gone_decides_nothing() -> None:
    with pytest.raises(PortAmbiguousError):
        choose_port("auto", [CH340, SECOND], FTDI.key())


def test_two_alike_that_are_both_remembered_are_refused() -> None:
    twin = replace(FTDI, device="/dev/ttyUSB9")
    with pytest.raises(PortAmbiguousError):
        choose_port("auto", [FTDI, twin], FTDI.key())


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (Wanted(usb="10C4:EA60"), CP2102),
        (Wanted(serial="A50285BI"), FTDI),
        (Wanted(location="1-1.3"), SECOND),
        (Wanted(usb="1a86:7523", location="1-1.2"), CH340),
    ],
)
def test_a_match_picks_its_port(match: Wanted, found: PortInfo) -> None:
    assert choose_port(match, [CH340, SECOND, CP2102, FTDI, BUILT_IN]) == found


def test_a_match_that_fits_two_is_refused() -> None:
    with pytest.raises(PortAmbiguousError):
        choose_port(Wanted(usb="1a86:7523"), [CH340, SECOND, FTDI])


def test_a_match_that_fits_none_says_what_there_is() -> None:
    with pytest.raises(NoPortError, match="/dev/ttyUSB3"):
        choose_port(Wanted(usb="1a86:7523"), [FTDI], facts=LINUX)


def test_a_named_port_is_found_by_any_of_its_names(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    info = replace(CH340, device=str(device))
    assert choose_port(str(link), [info, SECOND]) == info


@pytest.mark.parametrize("name", ["/dev/ttyUSB77", "sim://esp12", "rfc2217://bench:4000", "COM3"])
def test_a_named_port_need_not_be_listed(name: str) -> None:
    assert choose_port(name, [CH340, SECOND]).device == name


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (LINUX, "dmesg"),
        (HostFacts("darwin"), "WCH"),
        (HostFacts("win32"), "Device Manager"),
        (HostFacts("linux", wsl=True), "usbipd"),
        (HostFacts("linux", container=True), "--device"),
        (HostFacts("linux", brltty=True), "brltty"),
        (HostFacts("linux", brltty=True, unbound=("CH340 (1a86:7523)",)), "has taken it"),
        (HostFacts("linux", unbound=("CP210x (10c4:ea60)",)), "modprobe"),
        (HostFacts("linux", container=True, unbound=("CP210x (10c4:ea60)",)), "into this container"),
    ],
)
def test_no_port_names_the_likeliest_cause(facts: HostFacts, word: str) -> None:
    with pytest.raises(NoPortError) as caught:
        choose_port("auto", [], facts=facts)
    assert word in caught.value.hint
    assert "\n" not in caught.value.hint


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "slug"),
    [("/dev/ttyUSB0", "ttyUSB0"), ("COM3", "COM3"), ("sim://esp12", "sim_esp12"), ("/dev/cu.usbserial-1410", None)],
)
def test_plain_ports_have_plain_slugs(port: str, slug: str | None) -> None:
    assert port_slug(port) == (slug or port.removeprefix("/dev/"))


@given(st.text(max_size=200))
def test_slugs_can_be_task_names(port: str) -> None:
    slug = port_slug(port)
    assert slug
    assert len(slug) <= 70
    assert not set(slug) & set("=*?&/\\ :\t\n'\"<>|")
    assert not slug.startswith("_")


def test_different_ports_have_different_slugs() -> None:
    ports = [
        "sim://a?b=1",
        "sim://a?b=2",
        "sim://a_b_1",
        "/dev/a/b",
        "/dev/a_b",
        "sim://a",
        "sim_a/",
        "x" * 99,
        "x" * 98,
    ]
    assert len({port_slug(port) for port in ports}) == len(ports)


def test_urls() -> None:
    assert is_url("socket://host:1")
    assert not is_url("/dev/ttyUSB0")
    assert not is_url("COM3")


def test_virtual_ports_are_known_by_their_url_or_their_living_process(tmp_path: Path) -> None:
    assert is_virtual("sim://esp12")
    assert is_virtual("SIM+attach:///tmp/x")
    assert not is_virtual("/dev/ttyUSB0")
    folder = files.virtual_ports_folder()
    folder.mkdir(parents=True)
    port = tmp_path / "pts"
    port.touch()
    (folder / "dead.json").write_text(json.dumps({"pid": 2**22 + 1, "ports": ["rfc2217://localhost:1"]}))
    (folder / "broken.json").write_text("{")
    (folder / "alive.json").write_text(json.dumps({"pid": os.getpid(), "ports": [str(port), "socket://localhost:2"]}))
    link = tmp_path / "link"
    link.symlink_to(port)
    assert is_virtual(str(port))
    assert is_virtual(str(link))
    assert is_virtual("socket://localhost:2")
    assert not is_virtual("rfc2217://localhost:1")
