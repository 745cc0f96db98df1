"""Boards whose reset line no wire drives: `reset=none` and `reset=manual`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Project
from tests.simboard import SimBoard

posix = pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "one.flash")


@pytest.fixture
def in_loader(board: SimBoard, tmp_path: Path) -> SimBoard:
    return board.but(f"&start=rom&wiring=none&record={tmp_path / 'transcript'}")


def test_a_board_in_download_mode_is_flashed_and_left_there(
    project: Project, in_loader: SimBoard, board: SimBoard, firmware: Path, tmp_path: Path
) -> None:
    words = ["flash", "profile=esp12", f"image={firmware}", "reset=none", "boot=off"]
    done = project.flashpipe(*words, in_loader.port).ok()
    assert done.wrote
    assert "its boot was not watched, and it is still in its loader" in done.text
    assert "\nnext: press RESET, then: flashpipe node " in done.text
    (receipt,) = project.receipts()
    assert (receipt["outcome"], receipt["verdict"]["kind"]) == ("flashed", "not-checked")
    assert board.holds(firmware)
    notes = [json.loads(line) for line in (tmp_path / "transcript").read_text().splitlines()]
    assert not [note for note in notes if note.get("what") == "lines" and "1" in note["value"]], "no line was pulled"
    assert not project.flashpipe(*words, in_loader.port).ok().wrote


def test_a_stub_that_an_earlier_run_left_at_its_rate_is_found(
    project: Project, board: SimBoard, firmware: Path
) -> None:
    stub = board.but("&start=stub-v1&wiring=none")
    project.doit("flash", "profile=esp12", stub.port, f"image={firmware}", "reset=none", "boot=off").ok()
    assert board.holds(firmware)


def test_a_board_that_is_not_in_download_mode_is_not_reset(
    project: Project, board: SimBoard, firmware: Path, tmp_path: Path
) -> None:
    running = board.but(f"&record={tmp_path / 'transcript'}")
    done = project.flashpipe("flash", "profile=esp12", running.port, f"image={firmware}", "reset=none", "boot=off")
    assert done.failed("no-answer").status == 21
    assert "reset=none forbids" in done.err
    notes = [json.loads(line) for line in (tmp_path / "transcript").read_text().splitlines()]
    assert not [note for note in notes if note.get("what") == "lines" and "1" in note["value"]]


@pytest.mark.parametrize("reset", ["none", "manual"])
def test_a_boot_that_nobody_can_start_is_refused_before_anything_is_opened(
    project: Project, in_loader: SimBoard, firmware: Path, reset: str
) -> None:
    done = project.flashpipe("flash", "profile=esp12", in_loader.port, f"image={firmware}", f"reset={reset}")
    assert done.failed("bad-value").status == 3
    assert "needs a person to press RESET, and nobody can be asked here" in done.err
    assert "reset=none boot=off" in done.err
    assert not in_loader.flash.exists()


def test_manual_on_a_pipe_is_refused_where_a_person_would_have_to_press(
    project: Project, board: SimBoard, firmware: Path
) -> None:
    done = project.flashpipe("flash", "profile=esp12", board.port, f"image={firmware}", "reset=manual", "boot=off")
    assert done.failed("no-answer").status == 21
    assert "needs a person to press RESET, and nobody can be asked here" in done.err


# --- boards on a pty: no line but the bytes reaches them -------------------------------------------------------------


@pytest.fixture
def bench(
    project: Project, board: SimBoard, request: pytest.FixtureRequest
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A board without reset wires on a pty, and its buttons: lines written to the process's standard input."""
    words = ["board", "--pty", "--flash", str(board.flash), "--start", "app", "--sync-resets", "no"]
    words += ["--time", getattr(request, "param", "fast")]
    process = subprocess.Popen(
        [sys.executable, "-m", "flashpipe.cli.main", *words, "--option", "wiring=none"],
        env=project.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.terminate()


def press(bench: subprocess.Popen[str], *commands: str) -> None:
    assert bench.stdin is not None
    bench.stdin.write("".join(f"{command}\n" for command in commands))
    bench.stdin.flush()


@posix
def test_a_person_presses_the_buttons(
    project: Project, board: SimBoard, bench: tuple[str, subprocess.Popen[str]], firmware: Path
) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    url, buttons = bench
    words = ["flash", "profile=esp12", f"port={url}", f"image={firmware}", "reset=manual"]
    with Running(project, "doit", *words) as terminal:
        terminal.until("hold GPIO0 at GND (FLASH button), tap RESET")
        terminal.until("VCC 3.3 V")
        press(buttons, "gpio0 low", "reset")
        terminal.until("download mode seen: you can release GPIO0")
        terminal.until("release GPIO0, then tap RESET")
        press(buttons, "reset")
        terminal.until("GPIO0 was still low: take it off GND, then tap RESET again")
        press(buttons, "gpio0 high", "reset")
        terminal.until("reset seen")
        assert terminal.end() == 0, terminal.shown
        assert terminal.sane
    assert board.holds(firmware)
    (receipt,) = project.receipts()
    assert receipt["virtual"] is True
    assert receipt["outcome"] == "flashed"


@posix
@pytest.mark.parametrize("bench", ["0.15"], indirect=True)
@pytest.mark.parametrize("share", [2, 9])
def test_a_killed_run_is_continued_on_the_stub_that_it_left_in_mid_block(
    project: Project, board: SimBoard, bench: tuple[str, subprocess.Popen[str]], firmware: Path, share: int
) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    url, buttons = bench
    press(buttons, "reset download")
    words = ["flash", "profile=esp12", f"port={url}", f"image={firmware}", "reset=none", "boot=off"]
    with Running(project, "doit", *words) as terminal:
        terminal.until("write    " + "█" * share)
        terminal.signal(signal.SIGKILL)
        assert terminal.end() == -signal.SIGKILL
    assert [entry["state"] for entry in project.journal()] == ["writing"]
    assert project.doit(*words).ok().wrote
    assert board.holds(firmware)
