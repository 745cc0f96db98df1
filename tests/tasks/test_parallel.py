"""Several boards in one command: at once, each for itself, and all of them told apart."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from flashpipe.folding import short_port
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks import several
from flashpipe.text.lines import PORT_WIDTH

from tests.harness import Done, Project
from tests.simboard import SimBoard

posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as POSIX has them")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[SimBoard, SimBoard]:
    return SimBoard(tmp_path / "a.flash", "5c:cf:7f:00:00:0a"), SimBoard(tmp_path / "b.flash", "5c:cf:7f:00:00:0b")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A test run in the background has SIGINT ignored, and would hand that down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def both(*boards: SimBoard) -> str:
    return "port=" + ",".join(board.url for board in boards)


def outcomes(project: Project) -> dict[str, list[str]]:
    """MAC to the outcomes of its receipts, in order."""
    found: dict[str, list[str]] = {}
    for receipt in project.receipts():
        found.setdefault(receipt["device"].get("mac", ""), []).append(receipt["outcome"])
    return found


def lines_of(done: Done, board: SimBoard) -> list[str]:
    return [line.removeprefix(f"{board.url}: ") for line in done.err.splitlines() if line.startswith(f"{board.url}: ")]


def test_two_boards_are_flashed_at_once_and_both_skipped_the_second_time(
    project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path
) -> None:
    words = ["flash", "profile=esp12", both(*pair), f"image={firmware}"]
    done = project.doit(*words).ok()
    for board in pair:
        assert board.holds(firmware)
        steps = [line.split()[0] for line in lines_of(done, board)]
        assert steps == ["connect", "probe", "contents", "compare", "write", "verify", "boot", "receipt"]
    assert all(line.startswith("sim://") for line in done.err.splitlines()), done.err
    again = project.doit(*words).ok()
    assert not again.wrote
    assert again.out.count("it was there already") == 2
    assert outcomes(project) == {board.mac: ["flashed", "skipped"] for board in pair}


def test_what_is_found_of_several_boards_is_told_apart(
    project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path
) -> None:
    project.flashpipe("flash", "profile=esp12", both(*pair), f"image={firmware}", "boot=off", "-q").ok()
    lines = project.flashpipe("audit", both(*pair)).ok().out.splitlines()
    for board in pair:
        assert lines[lines.index(f"{board.url}:") + 1].startswith("firmware")


def test_what_boards_say_at_once_is_shown_by_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(several, "_several", lambda: True)
    shows = [
        several.Printer(cast("BoardRun", SimpleNamespace(port=lambda name=name: name))) for name in ("COM3", "COM4")
    ]
    for piece in ("one\nt", "wo", "\nth", "ree"):
        for show in shows:
            show(piece)
    for show in shows:
        show.close()
    assert capsys.readouterr().out.splitlines() == [
        f"{port}: {line}" for line in ("one", "two", "three") for port in ("COM3", "COM4")
    ]


def test_one_board_that_fails_stops_no_other_and_the_highest_class_is_the_status(
    project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path
) -> None:
    good, bad = pair
    ports = f"{both(good, bad.but('&fault=dout-only'))},/dev/does-not-exist"
    done = project.flashpipe("flash", "profile=esp12", ports, f"image={firmware}")
    assert done.status == 52, "boot-wrong-mode: higher than port-missing's 20"
    assert "[code: boot-wrong-mode]" in done.err
    assert "[code: port-missing]" in done.err
    assert done.err.count("[code: ") == 2
    assert good.holds(firmware)
    assert outcomes(project) == {good.mac: ["flashed"], bad.mac: ["boot-wrong-mode"], "": ["port-missing"]}


def test_one_board_at_a_time_works_too(project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path) -> None:
    done = project.doit("-n", "0", "flash", "profile=esp12", both(*pair), f"image={firmware}", "boot=off").ok()
    assert done.text.count("bytes written") == 2
    assert outcomes(project) == {board.mac: ["flashed"] for board in pair}


@posix
def test_processes_instead_of_threads_are_refused(
    project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path
) -> None:
    words = ["-n", "2", "-P", "process", "flash", "profile=esp12", both(*pair), f"image={firmware}"]
    done = project.doit(*words).failed("bad-value")
    assert "-P process" in done.err
    assert not any(board.flash.exists() for board in pair)
    assert not project.journal()


@posix
def test_a_stop_names_every_board(project: Project, pair: tuple[SimBoard, SimBoard], firmware: Path) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    boards = [board.but("&time=0.1") for board in pair]
    with Running(project, "doit", "flash", "profile=esp12", both(*boards), f"image={firmware}") as terminal:
        for board in boards:
            terminal.until(f"{short_port(board.url, PORT_WIDTH)}: write")
        terminal.type("\x03")
        assert terminal.end() == 130
        (last,) = [line for line in terminal.shown.splitlines() if line.startswith("stopped: ")]
        assert terminal.orphans() == []
    for board in pair:
        assert f"board {board.mac} holds an incomplete image" in last
    assert outcomes(project) == {board.mac: ["stopped"] for board in pair}
    project.doit("flash", "profile=esp12", both(*pair), f"image={firmware}", "boot=off").ok()
    assert all(board.holds(firmware) for board in pair)
