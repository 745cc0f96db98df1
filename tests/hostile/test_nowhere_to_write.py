"""Nowhere to write: looking at boards needs no folder, records can be elsewhere, and messages name the variables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.files import cache_folder, state_folder

from tests.harness import Done, Project
from tests.simboard import SimBoard

Command = Callable[..., Done]
NOWHERE = str(Path(os.devnull, "flashpipe"))
"""Nobody can make a folder below a device, root neither."""


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHPIPE_STATE", NOWHERE)
    monkeypatch.setenv("FLASHPIPE_CACHE", f"{NOWHERE}-cache")
    monkeypatch.setenv("FLASHPIPE_CORE", "none")


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "words",
    [
        ("ports",),
        ("identify", "port=sim://demo?inline=1"),
        ("diagnose", "port=sim://demo?inline=1"),
        ("monitor", "port=sim://demo?inline=1", "timeout=1s"),
        ("profiles",),
        ("list",),
        ("plan", "profile=demo"),
    ],
)
def test_looking_needs_no_folder_and_leaves_no_trace(
    project: Project, command: Command, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(project.folder)
    command(*words).ok()
    assert contents(project.folder) == before
    monkeypatch.setenv("FLASHPIPE_RECORDS", NOWHERE)
    command(*words).ok()
    assert contents(project.folder) == before


@pytest.mark.usefixtures("nowhere")
def test_what_writes_to_a_board_says_which_variable_helps(
    project: Project, command: Command, tmp_path: Path, firmware: Path
) -> None:
    board = SimBoard(tmp_path / "cells", more="&inline=1")
    words = ("flash", "profile=nodemcu-devkit", board.port, f"image={firmware}", "boot=off")
    failed = command(*words).failed("record")
    assert "FLASHPIPE_STATE=" in failed.text
    assert not board.holds(firmware)
    assert project.receipts()[-1]["outcome"] == "record"
    failed = command("image", "profile=esp12", "image=https://127.0.0.1:1/x.bin").failed("record")
    assert "FLASHPIPE_CACHE=" in failed.text


@pytest.mark.parametrize("variable", ["", "FLASHPIPE_RECORDS"])
def test_records_can_be_elsewhere(
    project: Project, command: Command, firmware: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    before, aside = contents(project.folder), project.folder.parent
    board, elsewhere = SimBoard(aside / "cells", more="&inline=1"), aside / "deep" / "elsewhere"
    monkeypatch.setenv(variable or "UNUSED", str(elsewhere))
    more = () if variable else (f"records={elsewhere}",)
    command("flash", "profile=nodemcu-devkit", board.port, f"image={firmware}", "boot=off", *more).ok()
    command("backup", board.port, *more).ok()
    command("restore", board.port, "yes=1", "boot=off", *more).ok()
    assert "flashed" in command("report", *more).ok().text
    assert {path.name for path in elsewhere.iterdir()} >= {"receipts", "backups"}
    assert contents(project.folder) == before


def test_without_a_home_nothing_comes_to_be_in_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs  # noqa: PLC0415  what it gives is replaced

    for name in ("FLASHPIPE_STATE", "FLASHPIPE_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda *_a, **_k: "~/.local/state/flashpipe")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_a, **_k: "~/.cache/flashpipe")
    for folder in (state_folder(), cache_folder()):
        assert folder.is_absolute()
        with pytest.raises(NotADirectoryError):
            folder.mkdir(parents=True)
