"""What a person sees and is asked of what a board keeps and loses, by whole commands."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.flashes import put_files
from tests.harness import Done, Project
from tests.images import Builder
from tests.running import Running
from tests.simboard import SimBoard

MAKE = Builder()
FILES = slice(0x40000, 0x3FB000)
"""The board runs again after each command, and writes to the rest."""
posix = pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    """A NodeMCU 3.x that has run, with a file."""
    cells = bytearray(MAKE.combine(MAKE.pair_3x()).ljust(0x400000, b"\xff"))
    cells[3] = 0x40
    cells[0xF000:0xF002] = b"\5\0"
    cells[0x3FD000:0x3FD004] = b"wifi"
    put_files(cells, 0x40000, 478, data=b"a file")
    (tmp_path / "board.flash").write_bytes(cells)
    return SimBoard(tmp_path / "board.flash", more="&execute=off")


@pytest.fixture
def larger(tmp_path: Path) -> str:
    path = tmp_path / "larger.bin"
    path.write_bytes(MAKE.combine(MAKE.pair_3x(0x70000)))
    return f"image={path}"


def insist(project: Project) -> str:
    (project.folder / "mine.yaml").write_text("extends: nodemcu-devkit\nkeep: [spiffs]\n")
    return "profile=mine"


def test_the_plan_shows_what_is_kept_and_lost(
    project: Project, command: Callable[..., Done], board: SimBoard, larger: str
) -> None:
    before = board.cells()[FILES]
    done = command("plan", "profile=nodemcu-devkit", board.port, larger).ok()
    assert board.cells()[FILES] == before
    assert not project.journal()
    lines = done.out.splitlines()
    assert "         lost: file system at 0x040000..0x3fc000: the new image reaches to 0x080000" in lines
    assert any(line.startswith("         kept: ") and "SDK init data at 0x00f000..0x010000" in line for line in lines)
    table = [[*line.split()[:2], line.split()[4]] for line in lines if re.match(r"0x[0-9a-f]{6} +0x", line)]
    assert ["0x00f000", "0x010000", "keep"] in table
    assert ["0x010000", "0x011000", "write"] in table
    assert {(start, action) for start, _, action in table} >= {("0x040000", "lost"), ("0x3fd000", "keep")}
    actions, areas = re.findall(r"^\|(.{64})\|$", done.out, re.MULTILINE)
    assert actions == "##=#" + "!" * 60
    assert areas == "RTcccccc" + "S" * 55 + "P"
    assert " ! lost  # write  = skip   (one character: 64 KB)" in done.out
    assert "S SPIFFS" in done.out


def test_insisting_in_a_pipe_is_a_refusal_with_a_way_out(
    project: Project, command: Callable[..., Done], board: SimBoard, larger: str
) -> None:
    words = ("flash", insist(project), board.port, larger, "boot=off")
    before = board.cells()[FILES]
    refused = command(*words).failed("would-lose-data")
    assert refused.status == 13
    assert "allow=would-lose-data" in refused.err
    assert board.cells()[FILES] == before
    assert project.receipts()[-1]["outcome"] == "would-lose-data"
    done = command(*words, "allow=would-lose-data").ok()
    assert "backed up as" in done.text
    receipt = project.receipts()[-1]
    assert receipt["allowed"] == ["would-lose-data"]
    assert receipt["keeping"]["lost"][0]["what"] == "spiffs"


@posix
@pytest.mark.parametrize(("answer", "outcome"), [("yes", "flashed"), ("no", "would-lose-data")])
def test_a_person_is_asked(project: Project, board: SimBoard, larger: str, answer: str, outcome: str) -> None:
    words = ("flash", insist(project), board.port, larger, "boot=off")
    with Running(project, "doit", *words) as terminal:
        terminal.until("file system at 0x040000..0x3fc000 would be lost")
        terminal.until("Type yes to go on:")
        terminal.type(answer + "\n")
        assert (terminal.end() == 0) == (answer == "yes"), terminal.shown
    assert project.receipts()[-1]["outcome"] == outcome
