"""Files in our folders that are none of ours: no run is broken by one. By whole commands."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Project
from tests.simboard import SimBoard

DEEP = b"[" * 100_000 + b"]" * 100_000
CONTENTS = {
    "empty": b"",
    "object": b"{}",
    "list": b"[1, 2]",
    "null": b"null",
    "number": b"1" * 5000,
    "deep": DEEP,
    "binary": bytes(range(256)) * 40,
    "receipt": b'{"format": "flashpipe-receipt/2", "time": 5, "device": [1], "images": 7, "holds": {"a": 1}}',
    "rows": b'{"format": "flashpipe-receipt/2", "device": {"mac": 1}, "holds": [1, {"start": 1, "end": 0}]}',
    "backup": b'{"format": "flashpipe-backup/1", "sha256": 1, "regions": 5}',
    "journal": b'{"format": 1, "mac": 1, "state": [], "held": {"x": 1}}',
}
NAMES = (
    "report.json", "x", "99991231T999999999-x.json", "20261129T180332380.json", "-.json", "ü.json", ".hidden.json",
    "20261129T180332380-5ccf7f000001-flashed.json", "20261129T180332380-0123abcd.json", "5ccf7f000001.json",
    "a" * 64, "doit.db-x", "key.json", "trusted.json", "ways.json", "ports.json",
)  # fmt: skip
Command = Callable[..., object]


def folders(project: Project) -> Iterator[Path]:
    """Every folder that we keep something in."""
    for root in (project.folder / ".pipeline", project.state):
        yield root
        yield from (path for path in root.rglob("*") if path.is_dir())


@pytest.fixture
def lived_in(project: Project, tmp_path: Path, firmware: Path) -> tuple[Project, SimBoard]:
    """A project in which everything that we keep is there."""
    board = SimBoard(tmp_path / "cells")
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    (project.folder / "make.py").write_text("import shutil\nshutil.copy('fw.bin', 'made.bin')\n")
    (project.folder / "kitchen.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{build: {{command: [{sys.executable}, make.py], outputs: made.bin}}}}\n"
    )
    project.flashpipe("flash", "profile=kitchen", board.port, "boot=off").ok()
    project.flashpipe("backup", board.port).ok()
    project.flashpipe("boot", board.but("&wiring=none").port)
    return project, board


def everything_works(project: Project, board: SimBoard) -> None:
    for words in (
        ("flash", "profile=kitchen", board.port, "boot=off"),
        ("report",),
        ("report", "format=csv"),
        ("audit", board.port),
        ("backup", board.port),
        ("restore", board.port, "yes=1", "boot=off"),
        ("plan", "profile=kitchen"),
        ("verify", "profile=kitchen", board.port),
        ("identify", board.port),
        ("ports",),
        ("diagnose", board.port),
        ("bundle", "--yes", "-o", "x.zip"),
        ("prune", "--dry-run", "--backups", "--keep-days", "0"),
        ("cache", "list"),
    ):
        done = project.flashpipe(*words)
        assert "Traceback" not in done.text, f"{words}: {done.text}"
        assert done.status in {0, 25} if words[0] == "audit" else not done.status, f"{words}: {done.text}"


@pytest.mark.parametrize("content", CONTENTS)
def test_whatever_lies_there(lived_in: tuple[Project, SimBoard], content: str) -> None:
    project, board = lived_in
    for folder in list(folders(project)):
        for name in NAMES:
            path = folder / name
            if not path.exists():
                path.write_bytes(CONTENTS[content])
    everything_works(project, board)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_pipes_and_folders_and_links_that_lead_nowhere(lived_in: tuple[Project, SimBoard]) -> None:
    project, board = lived_in
    for number, folder in enumerate(list(folders(project))):
        for name in NAMES:
            path = folder / name
            if path.exists():
                continue
            if number % 3 == 0:
                os.mkfifo(path)
            elif number % 3 == 1:
                path.mkdir()
            else:
                path.symlink_to("/nowhere/at/all")
    everything_works(project, board)


def test_our_own_files_damaged(lived_in: tuple[Project, SimBoard]) -> None:
    project, board = lived_in
    kept = {path: path.read_bytes() for root in (project.folder / ".pipeline", project.state)
            for path in root.rglob("*") if path.is_file() and path.suffix in {".json", ".lock", ".db"}}  # fmt: skip
    assert len(kept) > 8
    for path, data in kept.items():
        for damaged in (b"", data[: len(data) // 2], DEEP, json.dumps([1]).encode()):
            path.write_bytes(damaged)
            done = project.flashpipe("flash", "profile=kitchen", board.port, "boot=off")
            assert "Traceback" not in done.text, f"{path}: {done.text}"
            assert done.status == 0, f"{path}: {done.text}"
        path.write_bytes(data)
    shutil.rmtree(project.state)
    project.flashpipe("flash", "profile=kitchen", board.port, "boot=off").ok()
