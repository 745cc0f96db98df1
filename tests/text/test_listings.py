"""What there is, for people."""

from __future__ import annotations

import pytest
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.memory import PortMemory
from flashpipe.text import listings


def test_ports_shows_identity_place_and_the_board_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    port = PortInfo(
        "/dev/ttyUSB0",
        0x1A86,
        0x7523,
        location="1-1.2",
        by_id="/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0",
        by_path="/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.0-port0",
    )
    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", lambda: [port])
    PortMemory().remember(port.key(), "5c:cf:7f:d7:1c:89", "kitchen")
    text = listings.ports_text()
    for word in (port.device, "1a86:7523", "CH340", "1-1.2", port.by_id, port.by_path, "5c:cf:7f:d7:1c:89", "kitchen"):
        assert word in text


def test_no_port_is_no_failure_and_says_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", list)
    assert "flashpipe flash profile=demo" in listings.ports_text()
