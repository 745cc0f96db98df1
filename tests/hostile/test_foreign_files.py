"""Files in our folders that are none of ours: no run is broken by one. By commands in this process."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Done, Project
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
Command = Callable[..., Done]
ROUNDS = 3
"""Rounds in which each name gets other contents, in each folder others."""


def folders(project: Project) -> list[Path]:
    """Every folder that we keep something in."""
    roots = [project.folder / ".pipeline", project.state]
    below = [
        path for root in roots for path in sorted(root.rglob("*")) if path.is_dir() and "compiled" not in path.parts
    ]
    return roots + below


@pytest.fixture
def lived_in(
    project: Project, tmp_path: Path, firmware: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> tuple[Project, SimBoard]:
    """A project in which everything that we keep is there."""
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    board = SimBoard(tmp_path / "cells", more="&inline=1")
    (project.folder / "fw.bin").write_bytes(firmware.read_bytes())
    (project.folder / "make.py").write_text("import shutil\nshutil.copy('fw.bin', 'made.bin')\n")
    (project.folder / "kitchen.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{build: {{command: [{sys.executable}, make.py], outputs: made.bin}}}}\n"
    )
    command("flash", "profile=kitchen", board.port, "boot=off").ok()
    command("backup", board.port).ok()
    return project, board


def everything_works(command: Command, board: SimBoard) -> None:
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
        done = command(*words)
        assert "Traceback" not in done.text, f"{words}: {done.text}"
        assert done.status in {0, 25} if words[0] == "audit" else not done.status, f"{words}: {done.text}"


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_whatever_lies_there(lived_in: tuple[Project, SimBoard], command: Command, turn: int) -> None:
    project, board = lived_in
    contents = list(CONTENTS.values())
    for number, folder in enumerate(folders(project)):
        for at, name in enumerate(NAMES):
            path = folder / name
            if not path.exists():
                path.write_bytes(contents[(number + at + 3 * turn) % len(contents)])
    everything_works(command, board)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_pipes_and_folders_and_links_that_lead_nowhere(lived_in: tuple[Project, SimBoard], command: Command) -> None:
    project, board = lived_in
    for number, folder in enumerate(folders(project)):
        for at, name in enumerate(NAMES):
            path = folder / name
            if path.exists():
                continue
            if (number + at) % 3 == 0:
                os.mkfifo(path)
            elif (number + at) % 3 == 1:
                path.mkdir()
            else:
                path.symlink_to("/nowhere/at/all")
    everything_works(command, board)


def test_our_own_files_damaged(lived_in: tuple[Project, SimBoard], command: Command) -> None:
    project, board = lived_in
    roots = (project.folder / ".pipeline", project.state)
    kept = {path: path.read_bytes() for root in roots for path in sorted(root.rglob("*"))
            if path.is_file() and path.suffix in {".json", ".lock", ".db"}}  # fmt: skip
    assert len(kept) >= 7
    for turn in range(4):
        for at, (path, data) in enumerate(kept.items()):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes((b"", data[: len(data) // 2], DEEP, json.dumps([1]).encode())[(at + turn) % 4])
        done = command("flash", "profile=kitchen", board.port, "boot=off")
        assert "Traceback" not in done.text, done.text
        assert done.status == 0, done.text
    shutil.rmtree(project.state)
    command("flash", "profile=kitchen", board.port, "boot=off").ok()
