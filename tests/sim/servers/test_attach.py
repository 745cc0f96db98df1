"""A board behind `sim+attach://`, and the port that reaches it."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import serial
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.attach import AttachServer

from tests.sim.lines import reset_into_loader, syncs, until


@pytest.fixture
def attached(opener: Any) -> Iterator[tuple[HostLine, Any, AttachServer]]:
    server = AttachServer(parse_url("sim://esp12").build())
    server.start()
    port = opener(server.name, baudrate=115200, timeout=2)
    yield server.link, port, server
    port.close()
    server.stop()


def test_attached_board_sees_lines_baud_and_bytes(attached: tuple[HostLine, Any, AttachServer]) -> None:
    link, port, _ = attached
    assert port.name.startswith("rfc2217:")
    reset_into_loader(port)
    assert syncs(port)
    assert link.board.mode == "rom"
    port.baudrate = 74880
    port.flush()
    assert link.baud == 74880
    with pytest.raises(OSError, match="descriptor") as caught:
        port.fileno()
    assert caught.value.errno == errno.ENOTTY


def test_attached_board_has_one_client(attached: tuple[HostLine, Any, AttachServer], opener: Any) -> None:
    _, port, server = attached
    with pytest.raises(serial.SerialException) as caught:
        opener(server.name)
    assert caught.value.errno == errno.EBUSY
    port.close()
    assert until(lambda: not server._taken.locked())
    opener(server.name).close()


def test_attached_board_goes_on_without_its_client(attached: tuple[HostLine, Any, AttachServer], opener: Any) -> None:
    link, port, server = attached
    reset_into_loader(port)
    port.flush()
    port.close()
    assert until(lambda: not server._taken.locked())
    assert link.board.mode == "rom"
    with opener(server.name):
        assert link.board.mode == "rom"


def test_end_of_the_boards_process(attached: tuple[HostLine, Any, AttachServer]) -> None:
    _, port, server = attached
    server.stop()
    with pytest.raises(serial.SerialException, match="ended"):
        all(port.read(1) for _ in range(10_000))  # what the program in flash had said comes first


def test_unplugging_reaches_the_attached_host(attached: tuple[HostLine, Any, AttachServer]) -> None:
    link, port, _ = attached
    link.add_fault("unplug:10")
    port.write(bytes(20))
    with pytest.raises(serial.SerialException, match="disconnected"):
        all(port.read(1) for _ in range(10_000))  # what the program in flash had said comes first


def test_a_read_can_be_cancelled(attached: tuple[HostLine, Any, AttachServer], opener: Any) -> None:
    _, port, _ = attached
    for each in (port, opener("sim://esp12?start=rom", timeout=None)):
        each.timeout = 5
        timer = threading.Timer(0.05, each.cancel_read)
        timer.start()
        each.reset_input_buffer()
        begun = time.monotonic()
        each.read(10_000)
        assert time.monotonic() - begun < 4
        each.close()
