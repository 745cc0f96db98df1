from __future__ import annotations

import errno
import os
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217
from flashpipe.board.ports import open as serialport
from flashpipe.board.ports import rfc2217
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.lock import PortOwner
from flashpipe.board.ports.names import check_address
from flashpipe.board.ports.open import open_port
from flashpipe.board.ports.rfc2217 import RemotePort
from flashpipe.errors import BadValueError, NoPortError, PipelineError, PortBusyError, PortDeniedError, PortError

posix = pytest.mark.skipif(os.name != "posix", reason="ptys exist on POSIX only")


@pytest.fixture
def pty_pair() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


@posix
def test_a_pty_is_opened_and_carries_bytes(pty_pair: tuple[int, str]) -> None:
    master, name = pty_pair
    port: Any = open_port(name, 74880)
    with port:
        port.timeout = 1
        os.write(master, b"hello")
        assert port.read(5) == b"hello"
        port.baudrate = 115200
        port.write(b"\r")
        assert os.read(master, 1) == b"\r"
        assert (port.dtr, port.rts) == (False, False)


@posix
def test_a_port_opened_twice_is_busy(pty_pair: tuple[int, str]) -> None:
    first: Any = open_port(pty_pair[1], 115200)
    with first, pytest.raises(PortBusyError):
        open_port(pty_pair[1], 115200)


def test_a_missing_port_says_which_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = [PortInfo("/dev/ttyUSB1", 0x1A86, 0x7523), PortInfo("/dev/ttyS0")]
    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", lambda: there)
    with pytest.raises(NoPortError, match=r"there is /dev/ttyUSB1 \(CH340\)") as caught:
        open_port(str(tmp_path / "ttyUSB9"), 115200)
    assert caught.value.hint == "port=/dev/ttyUSB1"


def test_a_missing_port_among_none_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("flashpipe.board.ports.discovery.list_ports", list)
    with pytest.raises(NoPortError) as caught:
        open_port(str(tmp_path / "ttyUSB9"), 115200)
    assert caught.value.hint


def test_a_url_of_an_unknown_kind_is_a_bad_value() -> None:
    with pytest.raises(BadValueError):
        open_port("nonsense://x", 115200)


@pytest.mark.parametrize("address", ["", "127.0.0.1", ":4000", "a:b", "host:99999", "host:0", "[::1:4000", "[::1]"])
@pytest.mark.parametrize("kind", ["rfc2217", "socket", "RFC2217"])
def test_a_remote_port_without_host_and_number_is_a_bad_value(kind: str, address: str) -> None:
    with pytest.raises(BadValueError, match="://HOST:PORT"):
        open_port(f"{kind}://{address}", 115200)


@pytest.mark.parametrize("port", ["rfc2217://[::1]:4000?ign_set_control", "socket://me:secret@host:1", "/dev/ttyUSB0"])
def test_what_has_host_and_number_or_needs_none_is_fine(port: str) -> None:
    check_address(port)


@posix
def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PortError):
        open_port(str(tmp_path / "file"), 115200)


def test_a_remote_port_nobody_serves() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
    for kind in ("socket", "rfc2217"):
        with pytest.raises(NoPortError, match=f"{kind}://127.0.0.1:{number}"):
            open_port(f"{kind}://127.0.0.1:{number}", 115200)


def test_a_server_that_does_not_answer_as_rfc_2217_does_may_have_another_client() -> None:
    said = serial.SerialException("Remote does not seem to support RFC2217 or BINARY mode [we-BINARY:False(INACTIVE)]")
    error = serialport._translate("rfc2217://lab:7000", said)
    assert isinstance(error, PortBusyError)
    assert "INACTIVE" not in error.message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows who holds a device")
def test_a_monitor_left_open_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialport, "find_owners", lambda _: [PortOwner(4711, "minicom")])
    with pytest.raises(PortBusyError, match=r"pid 4711 \(minicom\)"):
        open_port("/dev/ttyUSB0", 115200)


# --- what the system's errors become ---------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, NoPortError),
        (errno.ENODEV, NoPortError),
        (errno.ENXIO, NoPortError),
        (errno.EACCES, PortDeniedError),
        (errno.EPERM, PortDeniedError),
        (errno.EBUSY, PortBusyError),
        (errno.EAGAIN, PortBusyError),
        (errno.EIO, PortError),
    ],
)
def test_system_errors_have_our_names(number: int, kind: type[PipelineError], tmp_path: Path) -> None:
    error = serialport._translate(str(tmp_path), OSError(number, os.strerror(number)))
    assert type(error) is kind


def test_windows_errors_are_read_from_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    busy = ValueError("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)")
    absent = ValueError("could not open port 'COM9': FileNotFoundError(2, 'The system cannot find …', None, 2)")
    assert isinstance(serialport._translate("COM3", busy), PortBusyError)
    assert isinstance(serialport._translate("COM9", absent), NoPortError)


@posix
def test_denied_names_group_and_command() -> None:
    error = serialport._denied("/dev/ttyUSB0", "dialout", "eve", listed=False, mode=0o20660)
    assert "group dialout" in error.message
    assert "sudo usermod -aG dialout eve" in error.hint


def test_denied_tells_a_session_that_is_older_than_the_group() -> None:
    error = serialport._denied("/dev/ttyUSB0", "dialout", "eve", listed=True, mode=0o20660)
    assert "not in this session" in error.message
    assert "log out" in error.hint


@pytest.mark.parametrize(("group", "mode"), [("root", 0o20660), ("dialout", 0o20600)])
def test_denied_where_no_group_helps(group: str, mode: int) -> None:
    assert "usermod" not in serialport._denied("/dev/ttyUSB0", group, "eve", listed=False, mode=mode).hint


@posix
def test_denied_can_be_asked_of_a_real_file(tmp_path: Path) -> None:
    (tmp_path / "tty").touch()
    assert str(tmp_path / "tty") in serialport.denied(str(tmp_path / "tty")).message


# --- lines -----------------------------------------------------------------------------------------------------------


@posix
def test_opening_lets_both_lines_go_in_one_step(pty_pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl  # noqa: PLC0415  POSIX only
    import termios  # noqa: PLC0415  POSIX only

    calls: list[tuple[int, int]] = []
    real = fcntl.ioctl

    def ioctl(handle: int, request: int, *rest: Any) -> Any:
        if request in {termios.TIOCMBIC, termios.TIOCMBIS}:
            calls.append((request, struct.unpack("I", rest[0])[0]))
            return b""
        return real(handle, request, *rest)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    port: Any = open_port(pty_pair[1], 115200)
    with port:
        assert calls[0] == (termios.TIOCMBIC, termios.TIOCM_DTR | termios.TIOCM_RTS)
        assert all(request == termios.TIOCMBIC for request, _ in calls)
        port.dtr = True
        assert calls[-1] == (termios.TIOCMBIS, termios.TIOCM_DTR)


# --- RFC 2217 --------------------------------------------------------------------------------------------------------


@pytest.fixture
def telnet_port() -> Iterator[str]:
    """A serial server on a loopback socket: pyserial's own RFC 2217 side over pyserial's loop device."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        device = serial.serial_for_url("loop://", timeout=0.01)

        class Out:
            def write(self, data: bytes) -> None:
                connection.sendall(data)

        manager_class: Any = serial.rfc2217.PortManager
        manager = manager_class(device, Out())
        connection.settimeout(0.01)
        with connection, device:
            while not stop.is_set():
                waiting = device.read(device.in_waiting or 1)
                if waiting:
                    connection.sendall(b"".join(manager.escape(waiting)))
                try:
                    data = connection.recv(1024)
                except TimeoutError:
                    continue
                if not data:
                    return
                device.write(b"".join(manager.filter(data)))

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}?ign_set_control"
    stop.set()
    thread.join(5)
    listener.close()


def test_a_remote_port_changes_its_timeout_without_a_word(telnet_port: str) -> None:
    port: Any = open_port(telnet_port, 115200)
    with port:
        started = time.perf_counter()
        for count in range(200):
            port.timeout = count / 1000
        assert time.perf_counter() - started < 0.5
        assert port.timeout == 0.199
        port.timeout = 2
        port.write(b"ping")
        assert port.read(4) == b"ping"
        with pytest.raises(ValueError, match="timeout"):
            port.timeout = -1


def test_a_remote_port_is_closed_without_a_pause(telnet_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port: Any = open_port(telnet_port, 115200)
    slept = list[float]()
    monkeypatch.setattr(time, "sleep", slept.append)
    port.close()
    port.close()
    assert (port.is_open, slept) == (False, [])
    assert telnet_port in rfc2217._hung_up


def test_a_server_that_is_called_again_gets_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    port, slept = RemotePort(None), list[float]()
    port.port = "rfc2217://127.0.0.1:1"
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(serial.SerialException):
        port.open()
    monkeypatch.setitem(rfc2217._hung_up, port.port, time.monotonic() + 1000)
    with pytest.raises(serial.SerialException):
        port.open()
    assert [seconds > 900 for seconds in slept] == [False, True]


def test_an_rfc2217_client_goes_on_when_its_answer_is_there() -> None:
    port, answers = RemotePort(None), list[str]()

    def answer() -> None:
        port._answered.set()  # of something else
        answers.append("rate")
        port._answered.set()

    port._read_buffer, port._network_timeout = queue.Queue(), 60.0
    thread = threading.Timer(0.01, answer)
    thread.start()
    port._wait_until(lambda: bool(answers), "the rate")
    thread.join()
    port._network_timeout = 0.01
    with pytest.raises(serial.SerialException, match="the server does not answer about the rate"):
        port._wait_until(lambda: len(answers) > 1, "the rate")
