"""The same board behind every transport: pty, sim+attach, RFC 2217."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.attach import AttachServer
from flashpipe.sim.servers.loopback import listen
from flashpipe.sim.servers.rfc2217 import Rfc2217Server

SYNC = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)
ROM_REPLIES = slip.encode(bytes.fromhex("01080200070712200000")) * 8
STUB_REPLIES = slip.encode(bytes.fromhex("01080200000000000000")) * 8
posix = pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")


@pytest.fixture
def attached(opener: Any) -> Iterator[tuple[HostLine, Any, AttachServer]]:
    server = AttachServer(parse_url("sim://esp12").build())
    server.start()
    port = opener(server.name, baudrate=115200, timeout=2)
    yield server.link, port, server
    port.close()
    server.stop()


@pytest.fixture
def pty() -> Iterator[Callable[..., Any]]:
    from flashpipe.sim.servers.pty import PtyPort  # noqa: PLC0415  POSIX only

    ports: list[Any] = []

    def make(url: str, *, reset_on_sync: bool = True) -> Any:
        ports.append(PtyPort(parse_url(url).build(), reset_on_sync=reset_on_sync))
        ports[-1].start()
        return ports[-1]

    yield make
    for port in ports:
        port.stop()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within two seconds."""
    deadline = time.monotonic() + 2
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


# --- sim+attach ------------------------------------------------------------------------------------------------------


def reset_into_loader(port: Any) -> None:
    port.dtr = False
    port.rts = True
    port.dtr = True
    port.rts = False
    port.dtr = False


def test_attached_board_sees_lines_baud_and_bytes(attached: tuple[HostLine, Any, AttachServer]) -> None:
    link, port, _ = attached
    assert port.name.startswith("rfc2217:")
    reset_into_loader(port)
    port.reset_input_buffer()
    assert link.board.mode == "rom"
    port.write(SYNC)
    assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
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


@pytest.mark.parametrize("url", ["sim+attach://", "sim+attach://example.org:1", "sim+attach://127.0.0.1",
                                 "sim+attach://127.0.0.1:99999"])  # fmt: skip
def test_bad_attach_urls(url: str, opener: Any) -> None:
    with pytest.raises(BadValueError) as caught:
        opener(url)
    assert url in caught.value.message


def test_nobody_listens(opener: Any) -> None:
    free = listen(0)
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(serial.SerialException):
        opener(f"sim+attach://127.0.0.1:{port}")


def test_servers_listen_on_loopback_only() -> None:
    for server in (AttachServer(parse_url("sim://esp12").build()), Rfc2217Server(parse_url("sim://esp12").build())):
        assert server._socket.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError):  # noqa: PT011  the system's own error
            listen(server.port)
        server._socket.close()


# --- RFC 2217 --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5's own
def test_rfc2217_sees_lines_and_baud() -> None:
    server = Rfc2217Server(parse_url("sim://esp12").build())
    server.start()
    try:
        with serial.serial_for_url(server.name, baudrate=115200, timeout=2) as port:
            port.dtr = False
            port.rts = True
            port.dtr = True
            port.rts = False
            port.dtr = False
            assert until(lambda: server.link.board.mode == "rom")
            port.reset_input_buffer()
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            port.baudrate = 460800
            assert until(lambda: server.link.baud == 460800)
        assert server.link.board.mode == "rom"
    finally:
        server.stop()


# --- pty -------------------------------------------------------------------------------------------------------------


@posix
def test_first_sync_after_an_opening_finds_the_rom(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2")
    for _ in range(2):
        with serial.Serial(board.name, 115200, timeout=2) as port:
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            resets = board.link.board.resets
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            assert board.link.board.resets == resets
        assert until(lambda: board._fresh)


@posix
def test_a_stub_can_be_left_alone(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2", reset_on_sync=False)
    with serial.Serial(board.name, 115200, timeout=2) as port:
        port.write(SYNC)
        assert port.read(len(STUB_REPLIES)) == STUB_REPLIES


@posix
@pytest.mark.parametrize("baud", [9600, 74880, 115200, 250000, 921600, 3000000])
def test_any_rate_of_the_pty_is_read_exactly(pty: Any, baud: int) -> None:
    board = pty("sim://esp12?start=rom")
    with serial.Serial(board.name, baud, timeout=2) as port:
        port.write(b"x")
        assert until(lambda: board.link.baud == baud)


@posix
def test_a_host_that_sets_no_rate_is_understood(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v1", reset_on_sync=False)
    board.link.board.uart.divider = 56
    port = os.open(board.name, os.O_RDWR | os.O_NOCTTY)
    os.write(port, SYNC)
    assert until(lambda: board.link.waiting() == 0)
    got = b""
    while len(got) < len(STUB_REPLIES):
        got += os.read(port, 4096)
    os.close(port)
    assert got == STUB_REPLIES


@posix
def test_what_was_said_while_nobody_listened_is_lost(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2", reset_on_sync=False)
    board.link.write(SYNC)
    time.sleep(0.05)
    with serial.Serial(board.name, 115200, timeout=0.2) as port:
        assert port.read(1) == b""


@posix
def test_a_program_in_ram_is_heard_by_the_next_host(pty: Any, bench: Any) -> None:
    board = pty("sim://esp12?start=stub-v1", reset_on_sync=False)
    program = b"\x12\xc1\xf0\x09\x01".ljust(16, b"\0") + b"Hello world!\n\0\0\0"
    with serial.Serial(board.name, 115200, timeout=2) as port:
        head = bench.words(len(program), 0, 0, 0)
        for opcode, data in ((5, bench.words(32, 1, 0x1800, 0x40100000)), (7, head + program),
                             (6, bench.words(0, 0x40100000))):  # fmt: skip
            port.write(slip.encode(HEADER.pack(0, opcode, len(data), 0) + data))
            assert port.read(12)[-3:-1] == b"\0\0"
    with serial.Serial(board.name, 115200, timeout=2) as port:
        assert port.read(100).count(b"Hello world!\n") >= 5


@posix
def test_unplugged_pty_says_nothing_more(pty: Any) -> None:
    board = pty("sim://esp12?start=rom&fault=unplug:60")
    with serial.Serial(board.name, 115200, timeout=0.2) as port:
        port.write(SYNC + SYNC)
        time.sleep(0.05)
        port.reset_input_buffer()
        port.write(SYNC)
        assert port.read(1) == b""


def test_many_boards_in_one_process() -> None:
    links = [parse_url(f"sim://esp01?board={number}&start=rom").build() for number in range(16)]
    for link in links:
        link.write(SYNC)
        assert link.read(link.waiting(), 0) == ROM_REPLIES
    assert len({link.board.spec.mac for link in links}) == 16


def test_a_socket_of_another_program_is_refused_politely() -> None:
    listening = listen(0)
    with pytest.raises(OSError) as caught:  # noqa: PT011  the system's own error
        listen(listening.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
    listening.close()
    assert listening.family == socket.AF_INET
