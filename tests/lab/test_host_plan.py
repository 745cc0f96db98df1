"""Which boards a host serves, and to whom."""

from __future__ import annotations

import pytest
from flashpipe.board.ports import discovery
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.errors import BadValueError, NoPortError
from flashpipe.lab.host_plan import OWN, HostPort, checked_network, plan_of_words


def test_a_host_is_for_its_own_machine_unless_an_address_is_named() -> None:
    plan = plan_of_words("sim://esp12,sim://d1-mini")
    assert plan.listen == "127.0.0.1"
    assert plan.is_local
    assert [(port.name, port.tcp) for port in plan.ports] == [("board1", 7101), ("board2", 7102)]
    assert plan.ports[0].allow == OWN


@pytest.mark.parametrize("listen", ["0.0.0.0", "10.0.0.7:7000", "[2001:db8::1]:7000", "::"])
def test_an_address_that_others_reach_wants_to_know_who_may_come(listen: str) -> None:
    with pytest.raises(BadValueError, match="password"):
        plan_of_words("sim://esp12", listen)
    plan = plan_of_words("sim://esp12", listen, "10.0.0.0/24, 2001:db8::/64")
    assert plan.ports[0].admits("10.0.0.9")
    assert plan.ports[0].admits("::ffff:10.0.0.9")
    assert plan.ports[0].admits("2001:db8::5%eth0")
    assert not plan.ports[0].admits("10.0.1.9")
    assert not plan.ports[0].admits("127.0.0.1")


@pytest.mark.parametrize(
    ("listen", "allow"),
    [
        ("bench", ""),
        ("127.0.0.1:x", ""),
        ("127.0.0.1:70000", ""),
        ("127.0.0.1:65535", ""),
        ("", "10.0.0.0/33"),
        ("", "me"),
    ],
)
def test_what_is_no_address_is_named(listen: str, allow: str) -> None:
    with pytest.raises(BadValueError):
        plan_of_words("sim://esp12,sim://d1-mini", listen, allow)


def test_usb_boards_are_named_by_their_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    first = PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523, by_path="/dev/serial/by-path/one", by_id="/dev/serial/by-id/x")
    other = PortInfo("/dev/ttyUSB1", 0x1A86, 0x7523)
    modem = PortInfo("/dev/ttyS0")
    monkeypatch.setattr(discovery, "list_ports", lambda: [first, other, modem])
    assert [port.device for port in plan_of_words("").ports] == ["/dev/serial/by-path/one", "/dev/ttyUSB1"]
    monkeypatch.setattr(discovery, "list_ports", list)
    with pytest.raises(NoPortError):
        plan_of_words("")


def test_one_address_is_a_network_of_one() -> None:
    port = HostPort("b", "x", 1, (checked_network("10.0.0.9"),))
    assert port.admits("10.0.0.9")
    assert not port.admits("10.0.0.8")
