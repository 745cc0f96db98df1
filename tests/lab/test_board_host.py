"""A host of boards, and the clients that come to it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import serial
from flashpipe.board.ports import rfc2217
from flashpipe.board.ports.lock import lock_port
from flashpipe.board.ports.names import is_virtual
from flashpipe.board.ports.open import open_port
from flashpipe.board.session.session import Session
from flashpipe.errors import HostListenError, NoPortError, PortBusyError, PortDeniedError
from flashpipe.lab import board_host
from flashpipe.lab.board_host import MOST_WAITING, BoardHost, HostedPort
from flashpipe.lab.host_check import check
from flashpipe.lab.host_plan import LOOPBACK, HostPlan, HostPort, checked_network

from tests.lab.hosting import plan, serving, virtual

WAIT_S = 60.0


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedPort]:
    """A host of one board, for all tests here that leave it as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASHPIPE_STATE", str(tmp_path_factory.mktemp("state")))
        with serving(plan(virtual())) as (host, _):
            yield host.ports[0]


def test_a_board_is_found_through_its_host_which_says_that_it_is_virtual(hosted: HostedPort) -> None:
    assert not is_virtual(hosted.url)  # as on another machine: this test has a state folder of its own
    session = Session(hosted.url)
    device = session.connected()
    session.close()
    assert device.mac.startswith("5c:cf:7f:01:00:")
    assert device.virtual
    assert session.execution.virtual
    assert is_virtual(hosted.url)


def test_programs_of_this_machine_know_which_boards_of_a_host_are_virtual(tmp_path: Path) -> None:
    with serving(plan(virtual(), f"{tmp_path}/ttyUSB7")) as (host, _):
        assert is_virtual(host.ports[0].url)
        assert not is_virtual(host.ports[1].url)
    assert not is_virtual(host.ports[0].url)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5's own
def test_pyserials_own_client_agrees_with_the_host(hosted: HostedPort) -> None:
    with serial.serial_for_url(hosted.url, baudrate=74880, bytesize=7, parity="E", stopbits=2, timeout=2) as port:
        port.rts = True
        port.dtr = False
        assert port.cts
        port.baudrate = 460800
        port.reset_output_buffer()


def test_a_second_client_is_told_who_has_the_board(hosted: HostedPort) -> None:
    first = open_port(hosted.url, 115200)
    try:
        with pytest.raises(PortBusyError) as busy:
            open_port(hosted.url, 115200)
        assert f"in use by {LOOPBACK} since" in busy.value.message
    finally:
        first.close()
    until(lambda: hosted._visit is None)
    open_port(hosted.url, 115200).close()


def test_who_calls_as_soon_as_another_has_hung_up_gets_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def slow_to_let_go(device: str) -> Iterator[None]:
        with lock_port(device):
            yield
            time.sleep(0.3)

    monkeypatch.setattr(board_host, "lock_port", slow_to_let_go)
    monkeypatch.setattr(rfc2217, "_REST_S", 0.0)  # another process knows nothing of the first one's end
    with serving(plan(virtual())) as (host, _):
        for _ in range(2):
            open_port(host.ports[0].url, 115200).close()


def test_who_is_not_on_the_list_gets_no_board() -> None:
    with serving(plan(virtual(), allow=(checked_network("10.1.0.0/16"),))) as (host, notes):
        with pytest.raises(PortDeniedError):
            open_port(host.ports[0].url, 115200)
        assert "refused" in notes[-1]
        (proof,) = check(HostPlan(LOOPBACK, (HostPort("b0", "", host.ports[0].tcp, ()),)), LOOPBACK, reset=False)
        assert not proof.works


def test_a_board_that_is_not_plugged_in_is_told(tmp_path: Path) -> None:
    with serving(plan(f"{tmp_path}/ttyUSB7")) as (host, _), pytest.raises(NoPortError):
        open_port(host.ports[0].url, 115200)


def test_a_port_that_this_machine_uses_is_busy_for_others() -> None:
    device = virtual()
    with serving(plan(device)) as (host, _):
        own = Session(device)
        own.open()
        with pytest.raises(PortBusyError):
            open_port(host.ports[0].url, 115200)
        own.close()
        open_port(host.ports[0].url, 115200).close()


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.0\r\n\r\n", b"\xff\xfa" + b"," * 2000, bytes(range(256)) * 8, b"\xff", b"\xff\xfa,\x05\xff\xf0"],
    ids=["http", "endless", "everything", "cut", "empty"],
)
def test_whatever_a_client_sends_the_next_one_gets_the_board(hosted: HostedPort, said: bytes) -> None:
    with socket.create_connection((LOOPBACK, hosted.tcp), timeout=10) as client:
        client.sendall(said)
    session = Session(hosted.url, busy_wait_s=WAIT_S)
    session.open()
    session.close()


def test_a_client_that_dies_leaves_the_board_to_the_next(hosted: HostedPort) -> None:
    client = socket.create_connection((LOOPBACK, hosted.tcp), timeout=10)
    client.sendall(b"\xff\xfd\x2c")
    assert client.recv(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset in place of an end
    client.close()
    session = Session(hosted.url, busy_wait_s=WAIT_S)
    session.open()
    session.close()


def test_a_crowd_of_clients_is_not_listened_to(hosted: HostedPort) -> None:
    with ExitStack() as crowd:
        for _ in range(3 * MOST_WAITING):
            crowd.enter_context(socket.create_connection((LOOPBACK, hosted.tcp), timeout=10))
        until(lambda: len(hosted._clients) == MOST_WAITING)
        assert sum(thread.is_alive() for thread in hosted._clients) <= MOST_WAITING
    session = Session(hosted.url, busy_wait_s=WAIT_S)
    until(lambda: not any(thread.is_alive() for thread in hosted._clients))
    session.open()
    session.close()


def test_a_host_that_ends_sends_its_client_away() -> None:
    with serving(plan(virtual())) as (host, _):
        client = open_port(host.ports[0].url, 115200)
        stopping = threading.Thread(target=host.stop)
        stopping.start()
        stopping.join(WAIT_S)
        assert not stopping.is_alive()
        client.timeout = 10
        with pytest.raises(serial.SerialException):
            client.read(1 << 20)
        client.close()


def test_an_address_that_is_taken_is_named() -> None:
    with serving(plan(virtual())) as (host, _):
        taken = HostPort("other", virtual(), host.ports[0].tcp, ())
        with pytest.raises(HostListenError, match=str(taken.tcp)):
            BoardHost(HostPlan(LOOPBACK, (taken,)), lambda _text: None)


def test_a_check_resets_each_board_and_says_what_it_is() -> None:
    with serving(plan(virtual(), virtual("esp12"))) as (host, _):
        seen = HostPlan(LOOPBACK, tuple(HostPort(one.port.name, "", one.tcp, ()) for one in host.ports))
        first, second = check(seen, LOOPBACK, reset=True)
        assert first.works
        assert "5c:cf:7f:01:00:" in first.text
        assert second.works
        assert first.text != second.text


@pytest.mark.skipif(os.name != "posix", reason="a pty")
def test_a_device_that_vanishes_ends_the_conversation() -> None:
    master, slave = os.openpty()
    with serving(plan(os.ttyname(slave))) as (host, notes):
        client = open_port(host.ports[0].url, 115200)
        os.write(master, b"hello\xff")
        client.timeout = 10
        assert client.read(6) == b"hello\xff"
        client.write(b"\xff\x00")
        assert b"".join(os.read(master, 1) for _ in range(2)) == b"\xff\x00"
        os.close(master)
        until(lambda: "lost" in notes[-1])
        client.close()
    os.close(slave)
