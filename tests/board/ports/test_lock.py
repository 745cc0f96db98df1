from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flashpipe.board.ports import lock as portlock
from flashpipe.board.ports.lock import PortLock, find_owners, lock_path, lock_port, owner_of, wait_until_free
from flashpipe.board.ports.names import canonical, is_pseudo_terminal
from flashpipe.errors import PortBusyError, RecordError

HOLD = """
import sys
from flashpipe.board.ports.lock import lock_port
with lock_port(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Another process that has locked the port `bench`."""
    command = [sys.executable, "-c", HOLD, "/dev/bench"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_refused_and_named(holder: subprocess.Popen[str]) -> None:
    with pytest.raises(PortBusyError, match=f"pid {holder.pid}"), lock_port("/dev/bench"):
        pass


def test_a_killed_process_holds_nothing(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with lock_port("/dev/bench"):
        pass


def test_another_thread_is_refused_too() -> None:
    with (
        lock_port("sim://esp12"),
        pytest.raises(PortBusyError, match=f"pid {os.getpid()}"),
        lock_port("sim://esp12"),
    ):
        pass


def test_the_lock_is_given_back() -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock_port("COM3"):
            raise ZeroDivisionError


def test_different_ports_do_not_meet() -> None:
    with lock_port("sim://a"), lock_port("sim://b"), lock_port("/dev/ttyUSB0"):
        pass


def test_two_names_of_one_port_are_one_lock(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "usb-1a86"
    device.touch()
    link.symlink_to(device)
    assert lock_path(str(device)) == lock_path(str(link))
    assert lock_path("COM3") == lock_path("com3") == lock_path("\\\\.\\COM3")
    assert canonical("rfc2217://Host:1") == "rfc2217://Host:1"
    for address in (":7000", ":7000?ign_set_control", ":7000/"):
        assert lock_path(f"rfc2217://localhost{address}") == lock_path(f"rfc2217://127.0.0.1{address}")
    assert canonical("socket://LOCALHOST:1") == "socket://127.0.0.1:1"
    assert canonical("rfc2217://localhost.lab:1") == "rfc2217://localhost.lab:1"


@pytest.mark.skipif(sys.platform != "linux", reason="ptys have another name elsewhere")
def test_a_pty_is_one_by_the_name_of_a_link_too(tmp_path: Path) -> None:
    ends = os.openpty()
    link = tmp_path / "board"
    link.symlink_to(os.ttyname(ends[1]))
    assert is_pseudo_terminal(str(link))
    assert not is_pseudo_terminal(str(tmp_path / "ttyUSB0"))
    for end in ends:
        os.close(end)


def test_without_a_state_folder_boards_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLASHPIPE_STATE", str(tmp_path / "file"))
    with lock_port("COM3"):
        assert not owner_of("COM3")


def test_a_lock_file_that_cannot_be_opened_is_said() -> None:
    for end in ("", ".1", ".2", ".3"):  # whatever name is tried
        path = lock_path("COM3")
        path.with_name(path.name + end).mkdir(parents=True)
    with pytest.raises(RecordError), lock_port("COM3"):
        pass


def test_what_is_no_file_in_the_place_of_a_lock_is_in_nobodys_way() -> None:
    lock_path("COM3").mkdir(parents=True)
    with lock_port("COM3"), pytest.raises(PortBusyError), lock_port("COM3"):
        pass


def test_a_holder_that_has_not_yet_said_who_it_is_is_named_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with lock_port("sim://x"):
        path = lock_path("sim://x")
        entry = path.read_bytes()
        os.truncate(path, 0)
        monkeypatch.setattr(time, "sleep", lambda _s: path.write_bytes(entry))
        with pytest.raises(PortBusyError, match=f"pid {os.getpid()}"), lock_port("sim://x"):
            pass


def test_a_holder_that_ends_while_it_is_asked_for_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    held = lock_port("sim://x")
    held.__enter__()
    os.truncate(lock_path("sim://x"), 0)
    monkeypatch.setattr(time, "sleep", lambda _s: held.__exit__(None, None, None))
    monkeypatch.setattr(portlock, "ENTRY_S", 0.01)
    with lock_port("sim://x"):
        assert owner_of("sim://x")


def test_a_holder_that_left_no_name_is_still_a_holder() -> None:
    with lock_port("sim://x"):
        os.truncate(lock_path("sim://x"), 0)
        with pytest.raises(PortBusyError, match="another flashpipe"), lock_port("sim://x"):
            pass


# --- others ----------------------------------------------------------------------------------------------------------


def test_holders_are_found_by_their_open_files(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    for pid, name, words, target in (
        (2_000_001, "picocom", ["picocom", str(device)], device),
        (2_000_002, "python3", ["python3", "/usr/bin/miniterm.py"], device),
        (2_000_003, "bash", ["bash"], tmp_path / "other"),
    ):
        process = tmp_path / "proc" / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "fd" / "3").symlink_to(target)
        (process / "comm").write_text(f"{name}\n")
        (process / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    found = find_owners(str(device), tmp_path / "proc")
    assert [str(holder) for holder in found] == ["pid 2000001 (picocom)", "pid 2000002 (miniterm.py)"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows who holds a device")
def test_a_real_holder_is_found(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.touch()
    code = f"import sys; f = open({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        with closing(process.stdout) as said:
            assert said.readline() == "open\n"
        assert [holder.pid for holder in find_owners(str(path))] == [process.pid]
        process.kill()


def test_no_proc_means_nobody_is_known(tmp_path: Path) -> None:
    assert find_owners("/dev/ttyUSB0", tmp_path) == []


# --- a port that is offered ------------------------------------------------------------------------------------------


def listen(offered: threading.Event, shown: list[str]) -> None:
    """As a monitor does: offer the port, give it when asked, wait until it is free again."""
    with lock_port("COM7") as lock:
        lock.offer()
        offered.set()
        until = time.monotonic() + 5
        while lock.asked() is None and time.monotonic() < until:
            time.sleep(0.01)
    assert wait_until_free("COM7", lambda: time.monotonic() > until, shown.append)
    shown.append("free")


def test_a_port_that_is_offered_is_given_and_told_about() -> None:
    offered, shown = threading.Event(), list[str]()
    listener = threading.Thread(target=listen, args=(offered, shown))
    listener.start()
    assert offered.wait(5)
    with lock_port("COM7") as lock:
        assert isinstance(lock, PortLock)
        lock.tell("write    done")
        lock.tell("boot     good")
    listener.join(10)
    assert shown == ["write    done", "boot     good", "free"]
    assert not list(lock_path("COM7").parent.glob("*.wanted"))
    assert not list(lock_path("COM7").parent.glob("*.said"))


def test_who_only_listens_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portlock, "_ask", lambda *_: pytest.fail("it has asked"))
    with lock_port("COM7") as lock:
        lock.offer()
        with pytest.raises(PortBusyError, match=f"pid {os.getpid()}"), lock_port("COM7", ask=False):
            pass
    assert not list(lock_path("COM7").parent.glob("*.wanted"))


def test_what_is_told_where_nobody_gave_the_port_is_kept_nowhere() -> None:
    with lock_port("COM7") as lock:
        lock.tell("write    done")
        assert not list(lock_path("COM7").parent.glob("*.said"))
