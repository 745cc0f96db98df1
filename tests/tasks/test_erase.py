"""`flashpipe erase`: all of it, or the sectors named and nothing else; by whole commands on virtual boards in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.flash import Region

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

PARAMS = Region(0x3FD000, 0x400000)
"""Where NodeMCU 3.x of the newer layout keeps Wi-Fi settings (facts: image-flashmap §5.3)."""
Command = Callable[..., Done]


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "flash", more="&fill=ff&start=rom")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    build = Builder()
    path = tmp_path / "nodemcu.bin"
    path.write_bytes(build.combine(build.pair_3x()))
    return path


@pytest.fixture
def flashed(board: SimBoard, image: Path, command: Command) -> SimBoard:
    command("flash", "profile=esp12", board.port, f"image={image}").ok()
    cells = bytearray(board.cells())
    cells[0x200000:0x300000] = b"user files" * (0x100000 // 10) + b"x" * 6
    cells[PARAMS.start : PARAMS.end] = b"my network, my network" * 558 + b"x" * 12
    board.flash.write_bytes(cells)
    return board


def blank(cells: bytes, region: Region) -> bytes:
    return cells[: region.start] + b"\xff" * region.size + cells[region.end :]


def test_addresses_are_erased_and_nothing_beside_them(project: Project, flashed: SimBoard, command: Command) -> None:
    before, region = flashed.cells(), Region(0x203000, 0x2A5000)
    done = command("erase", flashed.port, "regions=0x203000-0x2a5000", "yes=1").ok()
    assert "blank" in done.err
    assert flashed.cells() == blank(before, region)
    receipt = project.receipts()[-1]
    assert (receipt["outcome"], receipt["written"], receipt["whole"]) == ("erased", [str(region)], False)


def test_a_word_means_what_the_board_s_own_table_says(flashed: SimBoard, command: Command) -> None:
    before = flashed.cells()
    command("erase", flashed.port, "regions=wifi", "yes=1").ok()
    assert flashed.cells() == blank(before, PARAMS)


def test_the_firmware_is_written_again_where_it_was_erased(
    project: Project, flashed: SimBoard, image: Path, command: Command
) -> None:
    command("erase", flashed.port, "regions=0x20000-0x24000", "yes=1").ok()
    assert project.journal()[0]["state"] == "erased"
    done = command("flash", "profile=esp12", flashed.port, f"image={image}").ok()
    assert done.wrote
    assert "it was erased" in done.text
    command("verify", "profile=esp12", flashed.port, f"image={image}").ok()


def test_a_board_that_lost_only_files_still_holds_its_firmware(
    project: Project, flashed: SimBoard, image: Path, command: Command
) -> None:
    command("erase", flashed.port, "regions=0x200000-0x300000", "yes=1").ok()
    assert project.journal()[0]["state"] == "clean"
    assert not command("flash", "profile=esp12", flashed.port, f"image={image}").ok().wrote


def test_an_audit_knows_what_was_erased(flashed: SimBoard, command: Command) -> None:
    command("erase", flashed.port, "regions=0x200000-0x300000", "yes=1").ok()
    command("audit", flashed.port).ok()
    command("erase", flashed.port, "regions=0x20000-0x24000", "yes=1").ok()
    command("audit", flashed.port).ok()


def test_all_is_the_whole_flash(flashed: SimBoard, command: Command) -> None:
    command("erase", flashed.port, "regions=all", "yes=1").ok()
    assert set(flashed.cells()) == {0xFF}


@pytest.mark.parametrize("regions", ["spiff", "0x1000", "0x1001-0x2000", "0x3ff000-0x401000", "0x2000-0x1000"])
def test_what_is_no_region_erases_nothing(flashed: SimBoard, command: Command, regions: str) -> None:
    before = flashed.cells()
    command("erase", flashed.port, f"regions={regions}", "yes=1").failed("bad-value")
    assert flashed.cells() == before


def test_an_area_that_nobody_knows_is_refused(board: SimBoard, command: Command) -> None:
    command("identify", board.port).ok()
    before = board.cells()
    assert "profile=NAME" in command("erase", board.port, "regions=spiffs", "yes=1").failed("bad-value").err
    assert board.cells() == before


def test_it_is_asked_for_by_its_addresses(flashed: SimBoard, command: Command) -> None:
    before = flashed.cells()
    done = command("erase", flashed.port, "regions=wifi").failed("not-confirmed")
    assert str(PARAMS) in done.text
    assert flashed.cells() == before
