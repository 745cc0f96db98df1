"""Killed again and again, in a whole and in a differential flash: each run goes on from what is there."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.harness import Project
from tests.simboard import SimBoard

if sys.platform == "win32":
    pytest.skip("signals and terminals as POSIX has them", allow_module_level=True)

from tests.running import Running

SLOW = "&time=0.15"
HALF = "█" * 11
SECTOR = 0x1000


def changed(image: Path, folder: Path) -> Path:
    """The image with three of every four sectors changed: much to write, and much that is there already."""
    data = bytearray(image.read_bytes())
    for at in range(0x10000, len(data) - SECTOR, SECTOR):  # what stands before it is checked segment by segment
        if at // SECTOR % 4:
            data[at + 100 : at + 1100] = bytes(value ^ 0x5A for value in data[at + 100 : at + 1100])
    path = folder / "changed.bin"
    path.write_bytes(data)
    return path


def kill_at(project: Project, board: SimBoard, image: Path, *sights: str) -> str:
    """Run until all of `sights` were seen, one after the other, and kill; what was shown."""
    words = ("flash", "profile=esp12", board.but(SLOW).port, f"image={image}", "boot=off", "allow=image-checksum")
    with Running(project, "doit", *words) as terminal:
        terminal.until(sights[0])
        for sight in sights[1:]:
            terminal.expect(sight)
        terminal.signal(signal.SIGKILL)
        assert terminal.end() == -signal.SIGKILL
        assert terminal.sane
        return terminal.shown


def state(project: Project) -> str:
    (entry,) = project.journal()
    return str(entry["state"])


@pytest.mark.parametrize("known", [False, True], ids=["whole", "differential"])
def test_however_often_it_is_killed_a_flash_ends_whole(
    project: Project, firmware: Path, tmp_path: Path, *, known: bool
) -> None:
    board, image = SimBoard(tmp_path / "one.flash"), firmware
    last = ("flash", "profile=esp12", board.port, "boot=off", "allow=image-checksum")
    if known:
        project.doit(*last, f"image={firmware}").ok()
        image = changed(firmware, tmp_path)
        kill_at(project, board, image, "compare ")
        assert state(project) == "clean", "nothing was touched yet"
        assert board.holds(firmware)
    for sights in (("write ",), ("write ", HALF), ("verify ",)):
        shown = kill_at(project, board, image, *sights)
        assert state(project) == "writing"
        assert ("did not finish" in shown) is (sights != ("write ",))
    done = project.doit(*last, f"image={image}").ok()
    assert "did not finish" in done.text
    assert not done.wrote, "the last one was killed when all had been written"
    assert state(project) == "clean"
    assert board.holds(image)


def test_a_run_that_goes_on_says_where(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "one.flash")
    kill_at(project, board, firmware, "write ", HALF)
    image, flash = firmware.read_bytes(), board.cells()
    bad = [at for at in range(0, len(image), SECTOR) if flash[at : at + SECTOR] != image[at : at + SECTOR]]
    assert bad[0] == 0, "the boot sector comes last"
    done = project.doit("flash", "profile=esp12", board.port, "boot=off", f"image={firmware}").ok()
    assert f"continuing at {bad[1]:#08x}: " in done.text
    assert "sectors are in place" in done.text
    (receipt,) = [receipt for receipt in project.receipts() if receipt["outcome"] == "flashed"]
    assert 0 < receipt["sent_bytes"] < firmware.stat().st_size * 0.7
    assert board.holds(firmware)
