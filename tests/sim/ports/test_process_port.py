"""A board in the process that `sim://` gives it: how it dies, how it ends, and who can reach it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError, PortError, SystemLimitError
from flashpipe.sim import messages
from flashpipe.sim.ports import board_process, process_port
from flashpipe.sim.ports.board_process import BoardProcess, the_process
from flashpipe.sim.sockets import HOST

from tests.sim.lines import ROM_REPLIES, SYNC, reset_into_loader, syncs, until
from tests.sim.servers import hostile

ROOT = Path(__file__).resolve().parents[3]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups as POSIX has them")
Opener = Any


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of the test's own, which may kill it; what was lost with it is not remembered."""
    monkeypatch.setattr(board_process._STATE, "process", None)
    monkeypatch.setattr(process_port, "_gone", {})
    yield
    process = board_process._STATE.process
    if process is not None:
        process.end()


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):
        return ") Z" in Path(f"/proc/{pid}/stat").read_text("ascii")
    return False


# --- what it does ----------------------------------------------------------------------------------------------------


def test_it_waits_in_the_boards_time(remote: Opener) -> None:
    with remote("sim://esp12?fill=ff") as port:
        port.dtr, port.rts = False, True
        port.reset_input_buffer()
        before = port.own_time()
        assert port.hear(30.0) == b""
        assert port.own_time() == pytest.approx(before + 30.0)
        port.write(b"x")
        assert port.own_time() == pytest.approx(before + 30.0)
        port.rts = False
        assert port.own_time() > before + 30.0
        assert port.hear(30.0)


@posix
def test_what_becomes_of_the_compiled_core_is_told_to_the_starters_user(
    remote: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("FLASHPIPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLASHPIPE_CORE", raising=False)
    for _ in range(2):  # the second time it was told before
        with remote("sim://esp12?fill=ff"):
            pass
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("sim: compiling the core with ")
    assert second.startswith(f"sim: {compiler} cannot compile the core")


def test_it_sees_lines_baud_and_bytes(remote: Opener) -> None:
    with remote("sim://esp12", baudrate=115200, timeout=2) as port:
        reset_into_loader(port)
        assert syncs(port)
        assert port.usb_identity == "1a86:7523"
        port.baudrate = 9600
        port.write(SYNC)
        port.timeout = 0.05
        assert port.read(len(ROM_REPLIES)) != ROM_REPLIES, "the ROM has measured another rate"


def test_all_boards_of_a_run_are_in_one_process(remote: Opener) -> None:
    with remote("sim://esp12"), remote("sim://esp01"), remote("sim://esp12?board=2"):
        first = the_process()
        assert len(first.clients) == 3
    assert the_process() is first


def test_names_of_files_mean_what_they_mean_here(remote: Opener, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("FLASHPIPE_STATE", "mine")
        with remote("sim://esp01?flash=cells"), remote("sim://demo"):
            pass
        assert (tmp_path / name / "cells").stat().st_size == 512 * 1024
        assert (tmp_path / name / "mine" / "boards" / "demo.flash").is_file()


def test_a_folder_that_was_removed_is_no_obstacle(remote: Opener, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    remote("sim://esp12").close()


def test_a_closed_port_has_let_go_of_its_flash_file(remote: Opener, opener: Opener, tmp_path: Path) -> None:
    url = f"sim://esp01?flash={tmp_path / 'cells'}"
    for way in (remote, opener, remote):
        way(url).close()


def test_a_flash_file_that_a_killed_run_is_about_to_release_is_waited_for(remote: Opener, tmp_path: Path) -> None:
    url = f"sim://esp01?flash={tmp_path / 'cells'}"
    code = f"""
        import os, signal, serial
        serial.protocol_handler_packages.append("flashpipe.sim")
        port = serial.serial_for_url({url!r})
        port.write(b"x" * 100_000)
        os.kill(os.getpid(), signal.SIGTERM)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "pipeline")}
    for _ in range(3):
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False, timeout=60)
        remote(url).close()


# --- its end ---------------------------------------------------------------------------------------------------------


@posix
def test_a_board_whose_process_dies_is_a_port_that_went_away(remote: Opener) -> None:
    port, other = remote("sim://esp12", timeout=5), remote("sim://esp01", timeout=5)
    os.kill(the_process().pid, signal.SIGKILL)
    for each in (port, other):
        with pytest.raises(serial.SerialException, match="SIGKILL"):
            all(each.read(1) for _ in range(10_000))  # what the program in flash had said comes first
        with pytest.raises(serial.SerialException):
            each.write(SYNC)
        each.close()
    with pytest.raises(serial.SerialException) as caught:
        remote("sim://esp12")
    assert caught.value.errno == errno.ENOENT, "no factory-new board stands in for the one that was lost"
    assert "SIGKILL" in str(caught.value)
    with remote("sim://d1-mini", timeout=2) as another:
        assert another.read(1), "another board gets another process"


@posix
def test_a_board_that_has_used_up_its_processor_time_says_so(remote: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    port = remote("sim://esp12", timeout=5)
    monkeypatch.setattr("resource.getrlimit", lambda _: (1, 1))
    os.kill(the_process().pid, signal.SIGXCPU)
    with pytest.raises(SystemLimitError):
        all(port.read(1) for _ in range(10_000))


def test_a_port_that_was_unplugged_is_not_there_again(remote: Opener) -> None:
    for fault, number in (("unplug", errno.ENOENT), ("stolen", errno.EBUSY)):
        url = f"sim://esp12?start=rom&fault={fault}:10"
        port = remote(url, timeout=5)
        with pytest.raises(serial.SerialException):
            all(port.write(SYNC) and port.read(1) for _ in range(1000))
        port.close()
        with pytest.raises(serial.SerialException) as caught:
            remote(url)
        assert caught.value.errno == number


def test_a_port_that_was_lost_is_there_again_later(remote: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    port = remote("sim://esp12", timeout=5)
    process = the_process()
    process._process.kill()
    with pytest.raises(serial.SerialException):
        all(port.read(1) for _ in range(10_000))
    port.close()
    monkeypatch.setattr(process_port, "_gone", {"sim://esp12": (time.monotonic(), "long ago")})
    port.open()
    assert port.read(1)
    port.close()


LEAVE = {
    "returns": "port.close()",
    "returns with an open port": "",
    "fails": "raise SystemExit('an error')",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "leaves at once": "os._exit(3)",
}


@posix
@pytest.mark.parametrize("ending", LEAVE)
def test_it_ends_with_its_starter(ending: str, tmp_path: Path) -> None:
    code = f"""
        import os, signal, serial
        from flashpipe.sim.ports.board_process import the_process
        serial.protocol_handler_packages.append("flashpipe.sim")
        port = serial.serial_for_url("sim://esp12?flash={tmp_path / "cells"}")
        assert os.getsid(the_process().pid) != os.getsid(0), "signals of the terminal are for the starter"
        print(the_process().pid, flush=True)
        {LEAVE[ending]}
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "pipeline")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert until(lambda: gone(int(done.stdout)))


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_for_a_whole_group_are_the_starters(remote: Opener, number: signal.Signals) -> None:
    with remote("sim://esp12", timeout=2) as port:
        process = the_process()
        os.kill(process.pid, number)
        port.reset_input_buffer()
        assert not process.has_ended()


@posix
def test_a_forked_process_has_boards_of_its_own(remote: Opener) -> None:
    with remote("sim://esp12"):
        mine = the_process()
        pid = os.fork()
        if not pid:
            status = 1
            with contextlib.suppress(BaseException):
                remote("sim://esp12").close()  # busy, if the parent's process were asked
                status = 0 if the_process().pid != mine.pid else 2
                the_process().end()
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert mine.usable


def test_where_no_process_can_be_started_that_is_said(remote: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(PortError) as caught:
        remote("sim://esp12")
    assert "inline=1" in caught.value.hint


def test_a_process_that_does_not_start_says_why(remote: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_process, "_START", "raise SystemExit('no such luck')  # {}")
    with pytest.raises(PortError) as caught:
        remote("sim://esp12")
    assert "status 1: no such luck" in caught.value.message


# --- who can reach it ------------------------------------------------------------------------------------------------


def knock(process: BoardProcess, data: bytes) -> bytes:
    """What comes back before the process closes the connection."""
    with socket.create_connection((HOST, process._port), 5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_only_its_starter_is_served(remote: Opener) -> None:
    with remote("sim://esp12", timeout=2) as port:
        process, opening = the_process(), messages.pack(messages.OPEN, hostile.opening("sim://esp01"))
        for secret in (b"", b"0" * 32, process._secret[:-1]):
            assert knock(process, messages.pack(messages.SECRET, secret) + opening) == b""
        assert knock(process, opening) == b""
        assert knock(process, messages.pack(messages.SECRET, process._secret) + opening)
        port.flush()


def test_the_secret_is_in_no_table_of_processes(remote: Opener) -> None:
    with remote("sim://esp12"):
        process = the_process()
        words = b" ".join(map(os.fsencode, process._process.args))  # type: ignore[arg-type]
        assert process._secret not in words


@pytest.mark.parametrize("url", ["sim://esp99", "sim://esp12?colour=red", "sim://esp12?inline=2"])
def test_a_bad_url_is_the_same_error_as_in_this_process(url: str, remote: Opener) -> None:
    with pytest.raises(BadValueError) as caught:
        remote(url)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_how_long_an_answer_may_take(remote: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands still is a port that went away, and not a program that hangs."""
    with remote("sim://esp12", timeout=0.05) as port:
        port.reset_input_buffer()
        monkeypatch.setattr("flashpipe.sim.ports.attached.PATIENCE_S", 0.2)
        os.kill(the_process().pid, signal.SIGSTOP)
        os.waitpid(the_process().pid, os.WUNTRACED)  # it may go on for a moment on another processor
        begun = time.monotonic()
        with pytest.raises(serial.SerialException, match="does not answer"):
            port.read(1)
        assert time.monotonic() - begun < 5
        os.kill(the_process().pid, signal.SIGCONT)
