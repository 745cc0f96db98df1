"""A full disk at every place where a run keeps something: refused by name, nothing torn, and the next run goes on."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

Command = Callable[..., Done]
JOURNAL, RECEIPT = r"^\.5ccf7f000001\.json", r"^\.\d{8}T\d{9}-5ccf7f000001-"
BLOCK, MANIFEST = r"^\.[0-9a-f]{64}-", r"^\.\d{8}T\d{9}-[0-9a-f]{8}\.json"
POINTS = [
    (BLOCK, 1, 1, False),
    (MANIFEST, 1, 1, False),
    (JOURNAL, 1, 1, False),
    (JOURNAL, 2, 1, True),
    (JOURNAL, 3, 0, True),
    (RECEIPT, 1, 1, True),
]
"""What cannot be kept, and which time; the image that is flashed; whether the board may have been touched by then."""


class Disk:
    """Full when a file whose name fits is begun for the n-th time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self._left, self._pattern = tempfile.mkstemp, 0, ""
        monkeypatch.setattr(tempfile, "mkstemp", self._make)

    def fill(self, pattern: str, nth: int) -> None:
        self._pattern, self._left = pattern, nth

    def _make(self, *args: Any, **options: Any) -> tuple[int, str]:
        if self._left and re.search(self._pattern, str(options.get("prefix", ""))):
            self._left -= 1
            if not self._left:
                raise OSError(errno.ENOSPC, "No space left on device")
        return self._real(*args, **options)

    @property
    def was_full(self) -> bool:
        return self._left == 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "board.flash", more="&fill=ff&start=rom&execute=off")


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    build = Builder()
    paths = [tmp_path / "one.bin", tmp_path / "two.bin"]
    for path, size in zip(paths, (0x30000, 0x28000), strict=True):
        path.write_bytes(build.combine(build.pair_3x(size)))
    return paths


def whole(project: Project) -> None:
    """Every record can be read, and no rest of one lies about."""
    for folder in (project.folder / ".pipeline", project.state):
        for path in folder.rglob("*"):
            assert not path.name.endswith(".part"), path
            if path.suffix == ".json":
                json.loads(path.read_text())


def test_flash_with_rollback(
    project: Project, board: SimBoard, images: list[Path], command: Command, disk: Disk
) -> None:
    (project.folder / "careful.yaml").write_text("extends: esp12\nrollback: true\n")

    def flash(image: Path) -> Done:
        return command("flash", "profile=careful", board.port, f"image={image}")

    flash(images[0]).ok()
    for pattern, nth, image, touched in POINTS:
        before = board.cells()
        disk.fill(pattern, nth)
        done = flash(images[image]).failed("record")
        assert disk.was_full, pattern
        assert "No space left" in done.err
        assert done.status == 40
        whole(project)
        assert touched or board.cells() == before, pattern
    flash(images[0]).ok()
    assert board.cells()[0x20000:0x40000] == images[0].read_bytes()[0x20000:0x40000]
    whole(project)


def test_backup_and_restore(
    project: Project, board: SimBoard, images: list[Path], command: Command, disk: Disk
) -> None:
    command("flash", "profile=esp12", board.port, f"image={images[0]}", "boot=off").ok()
    for pattern in (BLOCK, MANIFEST, RECEIPT):
        disk.fill(pattern, 1)
        command("backup", board.port).failed("record")
        assert disk.was_full, pattern
        whole(project)
    command("backup", board.port).ok()
    whole_start = board.cells()[0:0x3000]
    for pattern, nth in ((JOURNAL, 1), (JOURNAL, 2), (RECEIPT, 1)):
        disk.fill(pattern, nth)
        with board.flash.open("r+b") as stream:
            stream.write(b"\0" * 0x3000)
        command("restore", board.port, "yes=1", "boot=off").failed("record")
        assert disk.was_full, (pattern, nth)
        whole(project)
    command("restore", board.port, "yes=1", "boot=off").ok()
    assert board.cells()[0x11000:0x40000] == images[0].read_bytes()[0x11000:0x40000]
    assert board.cells()[0:0x3000] == whole_start


@pytest.mark.parametrize("name", ["receipts", "backups"])
def test_a_folder_that_cannot_be_written_stops_a_run_before_the_board_is_touched(
    project: Project, board: SimBoard, images: list[Path], command: Command, name: str
) -> None:
    (project.folder / "careful.yaml").write_text("extends: esp12\nrollback: true\n")
    command("flash", "profile=careful", board.port, f"image={images[0]}").ok()
    before = board.cells()
    folder = project.folder / ".pipeline"
    if (folder / name).exists():
        (folder / name).rename(folder / "moved")
    (folder / name).write_text("no folder")
    command("flash", "profile=careful", board.port, f"image={images[1]}").failed("record")
    assert board.cells() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full, as Linux has it")
def test_no_board_is_touched_where_the_disk_has_no_room_for_the_receipt(
    board: SimBoard, images: list[Path], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("flash", "profile=esp12", board.port, f"image={images[0]}", "boot=off").ok()
    before = board.cells()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb", 0))  # noqa: SIM115
        done = command("flash", "profile=esp12", board.port, f"image={images[1]}", "boot=off").failed("record")
    assert "No space left" in done.err
    assert board.cells() == before
    command("flash", "profile=esp12", board.port, f"image={images[1]}", "boot=off").ok()


@pytest.mark.skipif(os.name != "posix", reason="a limit as POSIX has it")
def test_no_file_can_be_written_at_all(project: Project, images: list[Path]) -> None:
    """A limit on files is the full disk that nobody can look past: locks and doit's own database meet it too."""
    words = [sys.executable, "-m", "doit", "flash", "profile=esp12", "port=sim://esp12", f"image={images[0]}"]
    (project.folder / ".pipeline").mkdir()
    (project.folder / ".pipeline" / "doit.db").touch()
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert "[code: record]" in done.stderr
    assert "doit.db" in done.stderr
    assert not (project.folder / ".pipeline" / "receipts").exists()
    project.doit("flash", "profile=esp12", "port=sim://esp12", f"image={images[0]}", "boot=off").ok()


def test_a_damaged_database_of_doit_is_said_and_does_no_harm(project: Project, images: list[Path]) -> None:
    (project.folder / ".pipeline").mkdir()
    (project.folder / ".pipeline" / "doit.db").write_bytes(b"no database, but long enough to look like one" * 40)
    done = project.doit("flash", "profile=esp12", "port=sim://esp12", f"image={images[0]}", "boot=off").ok()
    assert "doit.db: file is not a database: what was built is not remembered" in done.err
