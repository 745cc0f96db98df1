"""Where the boards of a station come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.errors import BadValueError
from flashpipe.profile.model import PortMatch
from flashpipe.station.sockets import Socket, Sockets, sockets_of

USB = PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523, location="1-1.2")
SECOND = PortInfo("/dev/ttyUSB1", 0x1A86, 0x7523, location="1-1.3")
SERIAL = PortInfo("/dev/ttyS0")


def test_every_usb_port_is_a_socket_by_its_place_and_no_other_port() -> None:
    sockets = Sockets([], scan=lambda: [USB, SECOND, SERIAL])
    present = sockets.present()
    assert {place: socket.port for place, socket in present.items()} == {
        "1-1.2": "/dev/ttyUSB0",
        "1-1.3": "/dev/ttyUSB1",
    }
    assert sockets.observable


def test_a_profile_may_say_which_usb_ports_are_meant() -> None:
    match = PortMatch(usb="1a86:7523", location="1-1.3")
    assert set(Sockets([], scan=lambda: [USB, SECOND], match=match).present()) == {"1-1.3"}


def test_a_port_of_windows_is_there_when_the_system_says_so() -> None:
    there = [PortInfo("COM3", 0x1A86, 0x7523)]
    sockets = Sockets(["com3"], scan=lambda: there)
    assert set(sockets.present()) == {"com3"}
    there.clear()
    assert sockets.present() == {}


def test_names_are_there_or_not_and_patterns_find_what_comes(tmp_path: Path) -> None:
    sockets = Sockets([str(tmp_path / "slot*"), "/dev/ttyUSB*"], scan=lambda: [USB])
    assert set(sockets.present()) == {"ttyUSB0"}
    (tmp_path / "slot1").touch()
    assert set(sockets.present()) == {"ttyUSB0", "slot1"}


@pytest.mark.skipif(os.name != "posix", reason="nodes as POSIX has them")
def test_another_device_under_the_same_name_is_another_one(tmp_path: Path) -> None:
    link = tmp_path / "slot"
    sockets = Sockets([str(link)])
    link.symlink_to("/dev/null")
    before = sockets.present()["slot"]
    assert not before.is_other(sockets.present()["slot"])
    link.unlink()
    link.symlink_to("/dev/zero")
    assert before.is_other(sockets.present()["slot"])
    assert before.is_other(Socket("slot", "/dev/other"))
    assert not before.is_other(Socket("slot", str(link))), "a look that tells nothing is no swap"


def test_urls_have_short_names_of_their_own_and_do_not_tell() -> None:
    sockets = sockets_of(
        "sim://esp12?mac=5c:cf:7f:00:00:01,sim://esp12?mac=5c:cf:7f:00:00:02,socket://me:pw@shelf:4000"
    )
    present = sockets.present()
    assert list(present) == ["esp12", "esp12 2", "shelf:4000"]
    assert not any(map(sockets.tells, present.values()))
    assert not sockets.observable


@pytest.mark.parametrize("text", ["/dev/null,/dev/null", "all,/dev/null", "COM3,com3", "sim://a,sim://a"])
def test_a_port_that_is_there_twice_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        sockets_of(text)


def test_a_virtual_board_that_none_can_be_is_refused_before_the_first() -> None:
    with pytest.raises(BadValueError, match="unknown fault 'zzz'"):
        sockets_of("sim://esp12,sim://esp12?fault=zzz")


def test_a_link_to_a_port_is_that_port(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(BadValueError, match="twice"):
        sockets_of(f"/dev/null,{tmp_path / 'link'}")
