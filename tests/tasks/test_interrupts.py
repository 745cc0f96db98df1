"""Ctrl-C, SIGTERM and SIGKILL at every stage of a flash, on a terminal: what is said, left, and continued."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Project
from tests.simboard import SimBoard

if sys.platform == "win32":
    pytest.skip("signals and terminals as POSIX has them", allow_module_level=True)

from tests.running import Running, is_gone, no_longer_than

INT, TERM, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
DOIT, FLASHPIPE = "doit", "flashpipe.cli.main"
HALF = "█" * 11
STATES = {
    "connect ": "stopped: nothing was being written",
    "probe ": "stopped: board 5c:cf:7f:00:00:01 was not being written",
    "write ": "stopped: board 5c:cf:7f:00:00:01 holds an incomplete image; run the same command again, it continues",
    "boot ": "stopped: board 5c:cf:7f:00:00:01 was not being written, its boot was not judged",
}
STATES |= dict.fromkeys((HALF, "verify "), STATES["write "])


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A test run in the background has SIGINT ignored, and would hand that down."""
    before = signal.signal(INT, signal.default_int_handler)
    yield
    signal.signal(INT, before)


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "one.flash")


def slow(board: SimBoard, at: str = "") -> SimBoard:
    """A board that takes long enough over a step for us to come in between."""
    return board.but("&time=0.15" + ("&param.md5_cycles=60000" if at in {"probe ", "verify "} else ""))


def words(board: SimBoard, image: Path, *more: str) -> list[str]:
    return ["flash", "profile=esp12", board.port, f"image={image}", *more]


def states(project: Project) -> list[str]:
    return [str(entry["state"]) for entry in project.journal()]


def check_database(project: Project) -> None:
    path = project.folder / ".pipeline" / "doit.db"
    if path.exists():
        connection = sqlite3.connect(path)
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        connection.close()


def check_left(project: Project, terminal: Running) -> None:
    """Nothing but the board's flash and our records may show that something was cut off."""
    assert "Traceback" not in terminal.shown
    assert terminal.sane
    assert terminal.orphans() == []
    check_database(project)
    assert not list(project.folder.rglob("*.part"))
    assert not list(project.state.rglob("*.part"))


def check_continued(project: Project, board: SimBoard, image: Path, at: str) -> None:
    done = project.doit(*words(board, image, "boot=off")).ok()
    assert done.wrote is (at in {"write ", HALF}), done.text  # else all of it was there, whatever we knew of it
    assert ("did not finish" in done.text) is (at != "boot ")
    assert states(project) == ["clean"]
    assert board.holds(image)


@pytest.mark.parametrize(
    ("at", "number", "command"),
    [
        ("connect ", INT, (DOIT, "-n", "0")),
        ("connect ", TERM, (FLASHPIPE,)),
        ("probe ", INT, (FLASHPIPE,)),
        ("write ", TERM, (DOIT, "-n", "0")),
        (HALF, INT, (DOIT,)),
        (HALF, TERM, (FLASHPIPE,)),
        ("verify ", INT, (DOIT, "-n", "0")),
        ("boot ", INT, (FLASHPIPE,)),
        ("boot ", TERM, (DOIT, "-n", "0")),
    ],
)
def test_a_request_to_stop_leaves_a_named_state(  # noqa: PLR0917  three of them are fixtures
    project: Project, board: SimBoard, firmware: Path, at: str, number: signal.Signals, command: tuple[str, ...]
) -> None:
    with Running(project, *command, *words(slow(board, at), firmware)) as terminal:
        before = len(terminal.until(at))
        terminal.signal(number)
        assert terminal.end() == 128 + number
        said = terminal.shown[before:]
        lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip() and "█" not in line]
        assert lines[-1] == STATES[at], said
        assert "error:" not in said
        assert "receipt" not in said
        check_left(project, terminal)
    began = at not in {"connect ", "probe "}
    unfinished = began and at != "boot "
    assert states(project) == (["writing"] if unfinished else ["clean"] if began else [])
    assert [receipt["outcome"] for receipt in project.receipts()] == ["stopped"]
    if began:
        check_continued(project, board, firmware, at)


@pytest.mark.parametrize("at", [HALF, "verify ", "boot "])
def test_a_killed_run_is_continued(project: Project, board: SimBoard, firmware: Path, at: str) -> None:
    with Running(project, DOIT, *words(slow(board, at), firmware)) as terminal:
        terminal.until(at)
        (boards,) = terminal.children()
        terminal.signal(KILL)
        assert terminal.end() == -KILL
        check_left(project, terminal)
        assert is_gone(boards), "the process of its boards ends with it"
    unfinished = at != "boot "
    assert states(project) == (["writing"] if unfinished else ["clean"])
    check_continued(project, board, firmware, at)


@pytest.mark.parametrize("at", ["connect ", HALF, "boot "])
def test_a_run_whose_boards_die_ends_as_if_the_cable_was_pulled(
    project: Project, board: SimBoard, firmware: Path, at: str
) -> None:
    """A native fault in the virtual board touches neither journal nor receipt."""
    with Running(project, FLASHPIPE, *words(slow(board, at), firmware)) as terminal:
        terminal.until(at)
        (boards,) = terminal.children()
        os.kill(boards, signal.SIGSEGV)
        assert terminal.end() == 20
        assert "[code: port-lost]" in terminal.shown
        assert "the board's process was ended by SIGSEGV" in terminal.shown
        check_left(project, terminal)
    assert [receipt["outcome"] for receipt in project.receipts()] == ["port-lost"]
    assert states(project) == {"connect ": [], HALF: ["writing"], "boot ": ["clean"]}[at]
    if at != "connect ":
        check_continued(project, board, firmware, at)


def test_a_second_request_ends_at_once(project: Project, board: SimBoard) -> None:
    with Running(project, DOIT, "erase", board.but("&time=real").port, "yes=1") as terminal:
        terminal.until("erase    whole")
        terminal.signal(INT)  # an erase of the whole chip cannot be asked to end: it is waited for, some seconds
        time.sleep(0.4)
        assert not terminal.ended
        with no_longer_than(4):
            terminal.signal(INT)
            assert terminal.end() == 130
        assert "is partly erased; run the same command again" in terminal.shown
        check_left(project, terminal)
    assert states(project) == ["writing"]
    assert [receipt["outcome"] for receipt in project.receipts()] == ["stopped"]


def test_of_several_boards_a_table_says_how_far_each_has_come(
    project: Project, board: SimBoard, tmp_path: Path, firmware: Path
) -> None:
    other = SimBoard(tmp_path / "two.flash", "5c:cf:7f:00:00:02")
    ports = f"port={slow(board).url},{slow(other).url}"
    with Running(project, FLASHPIPE, "flash", "profile=esp12", ports, f"image={firmware}") as terminal:
        terminal.until("write    █")
        terminal.signal(INT)
        assert terminal.end() == 130
        rows = [line for line in terminal.shown.splitlines() if "[code: stopped]" in line]
        assert sum(mac in row for row in rows for mac in (board.mac, other.mac)) == 2, terminal.shown
        check_left(project, terminal)
    assert [receipt["outcome"] for receipt in project.receipts()] == ["stopped", "stopped"]


def test_a_question_is_no_reason_to_wait(project: Project, board: SimBoard) -> None:
    with Running(project, DOIT, "erase", board.port) as terminal:
        terminal.until("Type yes")
        with no_longer_than(4):
            terminal.type("\x03")
            assert terminal.end() == 130
        assert "stopped: nothing was being written" in terminal.shown
        check_left(project, terminal)
    assert states(project) == []


def test_ctrl_c_ends_the_monitor_well(project: Project, board: SimBoard) -> None:
    with Running(project, DOIT, "monitor", board.port) as terminal:
        terminal.until("Ctrl-C ends it")
        terminal.type("\x03")
        assert terminal.end() == 0
        check_left(project, terminal)


def test_whoever_reads_our_lines_may_go_away(project: Project, board: SimBoard, firmware: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", DOIT, *words(slow(board), firmware, "boot=off")],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stderr is not None
        while process.stderr.readline().startswith((b"connect", b"probe")):
            pass
        process.stderr.close()
        process.wait(20)
    assert states(project) == ["clean"]
    assert board.holds(firmware)
