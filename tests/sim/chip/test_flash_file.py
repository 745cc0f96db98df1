"""A flash file belongs to one board at a time, and outlives a killed process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip.flash_file import FileCells

SIZE = 0x40000
HOLD = """
import sys
from pathlib import Path
from flashpipe.sim.chip.flash_file import FileCells
cells = FileCells(Path(sys.argv[1]), 0x40000, "ff")
cells[0x1000:0x1004] = b"held"
print("held", flush=True)
sys.stdin.read()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="locks as POSIX has them")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process with a board on `flash`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "flash")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@posix
@pytest.mark.usefixtures("holder")
def test_another_process_cannot_use_it_at_the_same_time(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="another process uses this file"):
        FileCells(tmp_path / "flash", SIZE, "ff")


@posix
def test_a_killed_process_loses_nothing_and_holds_nothing(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    cells = FileCells(tmp_path / "flash", SIZE, "ff")
    assert cells[0x1000:0x1005] == b"held\xff"
    cells.close()


def test_another_board_of_this_process_cannot_use_it_either(tmp_path: Path) -> None:
    cells = FileCells(tmp_path / "flash", SIZE, "ff")
    with pytest.raises(BadValueError, match="another virtual board uses this file"):
        FileCells(tmp_path / "flash", SIZE, "ff")
    cells.close()
    cells.open()
    cells.close()


def test_nothing_is_left_where_it_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadValueError, match="No space left"):
        FileCells(tmp_path / "flash", SIZE, "ff")
    assert list(tmp_path.iterdir()) == []
