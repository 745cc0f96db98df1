"""`rollback: true`: a firmware that does not run is replaced by what the board held, and that runs again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from flashpipe.records.backups import Store

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

Flash = Callable[..., Done]

LOOSE = {"changed": "", "verdict": "", "seal": ""}
"""What of a journal says when and how, not what the board holds."""


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "board.flash", more="&fill=ff&start=rom&execute=off")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    build = Builder()
    path = tmp_path / "good.bin"
    path.write_bytes(build.combine(build.pair_3x()))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """An image that can be loaded, and then says nothing at all."""
    build = Builder()
    path = tmp_path / "bad.bin"
    path.write_bytes(build.combine((build.start(), Random(2).randbytes(0x30000))))
    return path


@pytest.fixture
def careful(project: Project) -> Project:
    (project.folder / "careful.yaml").write_text(
        "extends: esp12\nrollback: true\nboot: {expect: nodemcu, timeout: 1500ms}\n"
    )
    return project


def apart(project: Project, board: SimBoard, image: Path, *more: str) -> Done:
    """Flash in a process of its own: a board in this one would keep its circumstances."""
    return project.flashpipe("flash", "profile=careful", board.port, f"image={image}", *more)


@pytest.fixture
def flash(command: Callable[..., Done]) -> Callable[..., Done]:
    """Flash in this process."""

    def run(board: SimBoard, image: Path, *more: str) -> Done:
        return command("flash", "profile=careful", board.port, f"image={image}", *more)

    return run


def ids(project: Project, board: SimBoard) -> list[str]:
    return Store(project.folder / ".pipeline" / "backups", board.mac).ids()


def with_files(board: SimBoard) -> bytes:
    """What the board holds once its user has lived with it."""
    with board.flash.open("r+b") as stream:
        stream.seek(0x1F0000)
        stream.write(b"files of the user" * 100)
    return board.cells()


def test_a_firmware_that_does_not_run_is_replaced_by_what_was_there(
    careful: Project, flash: Flash, board: SimBoard, good: Path, bad: Path
) -> None:
    first = flash(board, good).ok()
    assert "nothing to roll back to" in first.text
    (known,) = careful.journal()
    assert ids(careful, board) == []
    before = with_files(board)
    done = flash(board, bad).failed("rolled-back")
    assert done.status == 37
    assert ": the board holds what it held before, and runs again: " in done.err
    assert "[boot-unexpected]" in done.err.partition("runs again")[2]
    assert "next: the receipt has its log; with `rollback: false` it stays on the board" in done.err
    assert board.cells() == before
    receipt = careful.receipts()[-1]
    assert receipt["outcome"] == "rolled-back"
    assert receipt["verdict"]["kind"] == "alive"
    assert [receipt["backup"]] == ids(careful, board)
    (entry,) = careful.journal()
    assert (entry["state"], entry["passed"], entry["backup"]) == ("clean", True, "")
    assert {**entry, **LOOSE} == {**known, **LOOSE}  # as if nothing had been
    assert not flash(board, good).ok().wrote


def test_what_runs_is_not_rolled_back_and_its_backup_no_longer_needed(
    careful: Project, flash: Flash, board: SimBoard, good: Path, tmp_path: Path
) -> None:
    flash(board, good).ok()
    build = Builder()
    newer = tmp_path / "newer.bin"
    newer.write_bytes(build.combine(build.pair_3x(0x28000)))
    flash(board, newer).ok()
    assert len(ids(careful, board)) == 1
    assert careful.journal()[0]["backup"] == ""
    assert [careful.receipts()[-1]["backup"]] == ids(careful, board)
    assert board.cells()[0x20000:0x30000] == newer.read_bytes()[0x20000:0x30000]


@pytest.mark.usefixtures("careful")
def test_a_board_whose_flash_cannot_do_the_mode_comes_back(flash: Flash, board: SimBoard, good: Path) -> None:
    thin = board.but("&fill=ff&start=rom&execute=off&fault=dout-only")
    flash(thin, good, "mode=dout").ok()
    before = board.cells()
    done = flash(thin, good, "mode=dio").failed("rolled-back")
    assert "[boot-wrong-mode]" in done.err
    assert board.cells() == before


def test_where_nothing_runs_any_more_both_are_told(careful: Project, board: SimBoard, good: Path, bad: Path) -> None:
    apart(careful, board, good).ok()
    before = with_files(board)
    crashing = board.but("&fill=ff&start=rom&app.trouble=exception")
    done = apart(careful, crashing, bad).failed("rollback-failed")
    assert done.status == 37
    assert "does not run" in done.err
    assert "flashpipe restore backup=" in done.err, "as it was typed"
    assert board.cells() == before
    (entry,) = careful.journal()
    assert (entry["state"], entry["passed"]) == ("clean", False)


def test_an_interrupted_run_keeps_its_way_back(careful: Project, board: SimBoard, good: Path, bad: Path) -> None:
    apart(careful, board, good).ok()
    before = with_files(board)
    apart(careful, board.but("&fill=ff&start=rom&execute=off&fault=unplug:90000"), bad).failed("port-lost")
    (entry,) = careful.journal()
    (kept,) = ids(careful, board)
    assert (entry["state"], entry["backup"]) == ("writing", kept)
    bad.write_bytes(bad.read_bytes()[:-4] + b"more")  # another attempt at it: the way back is the same
    apart(careful, board, bad).failed("rolled-back")
    assert ids(careful, board) == [kept]
    assert board.cells() == before


def test_without_a_boot_check_nothing_is_kept(
    careful: Project, flash: Flash, board: SimBoard, good: Path, bad: Path
) -> None:
    flash(board, good).ok()
    done = flash(board, bad, "boot=off").ok()
    assert "nothing is kept" in done.text
    assert ids(careful, board) == []
