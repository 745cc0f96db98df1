"""`doit backup` and `doit restore` as a user meets them, on virtual boards that live in files."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from flashpipe.flash import Region
from flashpipe.records.backups import Store

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

RF_CAL, PARAMS = Region(0xD000, 0xE000), Region(0x3FD000, 0x400000)
"""Where NodeMCU 3.x of the newer layout keeps what is one board's own (facts: image-flashmap §5.3)."""

Command = Callable[..., Done]


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "first.flash", more="&fill=ff&start=rom&execute=off")


@pytest.fixture
def other(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "other.flash", "5c:cf:7f:00:00:02", more="&fill=ff&start=rom&execute=off")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    build = Builder()
    path = tmp_path / "nodemcu.bin"
    path.write_bytes(build.combine(build.pair_3x()))
    return path


def store_of(project: Project, board: SimBoard) -> Store:
    return Store(project.folder / ".pipeline" / "backups", board.mac)


def change(board: SimBoard, at: int, data: bytes) -> None:
    with board.flash.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


@pytest.fixture
def flashed(board: SimBoard, image: Path, command: Command) -> SimBoard:
    command("flash", "profile=esp12", board.port, f"image={image}").ok()
    change(board, 0x200000, b"user files" * 1000)
    change(board, PARAMS.start, b"my network")
    change(board, RF_CAL.start, b"my radio")
    return board


def test_what_was_backed_up_comes_back_byte_for_byte(project: Project, flashed: SimBoard) -> None:
    before = flashed.cells()
    told = project.doit("backup", flashed.port).ok()
    (manifest,) = store_of(project, flashed).manifests()
    assert manifest.whole
    assert f"backup {manifest.id} of board {flashed.mac}: whole flash, 4 MB" in told.out
    assert flashed.cells() == before
    change(flashed, 0, b"\0" * 0x30000)
    change(flashed, 0x200000, b"\0" * 0x9000)
    change(flashed, 0x340000, b"\0" * 0x100)
    done = project.doit("restore", flashed.port, "yes=1").ok()
    assert flashed.cells() == before
    assert "NodeMCU" in done.text
    assert [(receipt["command"], receipt["outcome"]) for receipt in project.receipts()[1:]] == [
        ("backup", "backed-up"),
        ("restore", "restored"),
    ]
    (entry,) = project.journal()
    assert (entry["state"], entry["passed"]) == ("clean", True)


def test_the_second_backup_reads_only_what_changed(project: Project, flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port).ok()
    files = len(store_of(project, flashed).block_files())
    assert "KB read" not in command("backup", flashed.port).ok().err
    change(flashed, 0x200000, b"other files")
    assert "64 KB read" in command("backup", flashed.port).ok().err
    assert len(store_of(project, flashed).block_files()) == files + 1
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in store_of(project, flashed).folder.rglob("*"))


def test_a_restored_board_is_what_its_plan_says_again(project: Project, flashed: SimBoard, image: Path) -> None:
    project.doit("backup", flashed.port).ok()
    change(flashed, 0x20000, b"\0" * 0x100)
    project.doit("restore", flashed.port, "yes=1").ok()
    assert not project.doit("flash", "profile=esp12", flashed.port, f"image={image}").ok().wrote


def test_nothing_is_written_where_nothing_differs(flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port, "regions=0x0-0x200000").ok()
    done = command("restore", flashed.port, "yes=1", "boot=off").ok()
    assert "already" in done.err
    assert not done.wrote


def test_another_board_gets_no_calibration_and_no_networks(
    project: Project, flashed: SimBoard, other: SimBoard, command: Command
) -> None:
    command("backup", flashed.port).ok()
    (manifest,) = store_of(project, flashed).manifests()
    command("restore", other.port, "yes=1").failed("backup-missing")
    done = command("restore", other.port, "yes=1", f"backup={manifest.id}", "boot=off").ok()
    assert "another's" in done.err
    want = bytearray(flashed.cells())
    for region in (RF_CAL, PARAMS):
        want[region.start : region.end] = b"\xff" * region.size
    assert other.cells() == bytes(want)
    # Its own ones stay where its firmware has them at the same place.
    change(other, PARAMS.start, b"its network")
    change(other, 0x20000, b"\0" * 0x100)
    command("restore", other.port, "yes=1", f"backup={manifest.id[:18]}", "boot=off").ok()
    assert other.cells()[PARAMS.start :].startswith(b"its network")
    assert other.cells()[0x20000:0x30000] == flashed.cells()[0x20000:0x30000]
    command("restore", other.port, "yes=1", f"backup={manifest.id}", "regions=all", "boot=off").ok()
    assert other.cells() == flashed.cells()


def test_regions_by_name_and_by_address(project: Project, flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port, "regions=wifi,0x200000-0x203000").ok()
    (manifest,) = store_of(project, flashed).manifests()
    assert manifest.regions == [Region(0x200000, 0x203000), PARAMS]
    change(flashed, PARAMS.start, b"\0" * 20)
    change(flashed, 0x200000, b"\0" * 20)
    change(flashed, 0x210000, b"left alone")
    command("restore", flashed.port, "yes=1", "regions=0x200000-0x201000", "boot=off").ok()
    assert flashed.cells()[0x200000:].startswith(b"user files")
    assert flashed.cells()[PARAMS.start :].startswith(b"\0" * 20)
    command("restore", flashed.port, "yes=1", "boot=off").ok()
    assert flashed.cells()[PARAMS.start :].startswith(b"my network")
    assert flashed.cells()[0x210000:].startswith(b"left alone")


def test_a_backup_of_parts_is_put_back_by_the_names_of_them(flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port, "regions=wifi,0x200000-0x203000").ok()
    change(flashed, PARAMS.start, b"\0" * 20)
    change(flashed, 0x200000, b"left alone")
    command("restore", flashed.port, "yes=1", "regions=wifi", "boot=off").ok()
    assert flashed.cells()[PARAMS.start :].startswith(b"my network")
    assert flashed.cells()[0x200000:].startswith(b"left alone")
    before = flashed.cells()
    done = command("restore", flashed.port, "yes=1", "regions=spiffs", "boot=off").failed("backup")
    assert "does not hold all of spiffs as this board has it" in done.err
    command("restore", flashed.port, "yes=1", "regions=rf", "boot=off").failed("backup")
    assert flashed.cells() == before


def test_regions_that_no_file_can_hold_are_refused_before_they_are_read(
    project: Project, flashed: SimBoard, tmp_path: Path, command: Command
) -> None:
    done = command("backup", flashed.port, "regions=wifi,0x200000-0x203000", f"file={tmp_path / 'x'}")
    assert "cannot show a gap" in done.failed("bad-value").err
    assert store_of(project, flashed).manifests() == []
    assert not (tmp_path / "x").exists()


def test_a_plain_file_out_and_in(flashed: SimBoard, tmp_path: Path, command: Command) -> None:
    before, dump = flashed.cells(), tmp_path / "dump.bin"
    command("backup", flashed.port, f"file={dump}").ok()
    assert dump.read_bytes() == before
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    command("backup", flashed.port, f"file={dump}").failed("bad-value")
    change(flashed, 0x1000, b"\0" * 0x20000)
    done = command("restore", flashed.port, "yes=1", f"backup={dump}", "boot=off").ok()
    assert "the file does not say whose they are" in done.err
    assert "another's" not in done.err
    command("restore", flashed.port, "yes=1", f"backup={dump}", "regions=all", "boot=off").ok()
    assert flashed.cells() == before
    dump.write_bytes(before[:0x5000])
    command("restore", flashed.port, "yes=1", f"backup={dump}").failed("bad-value")
    change(flashed, 0x300000, b"\0" * 9)
    command("restore", flashed.port, "yes=1", f"backup={dump}", "regions=0x300000-0x305000", "boot=off").ok()
    assert flashed.cells()[0x300000:0x305000] == before[:0x5000]


def test_a_file_of_a_part_goes_where_it_came_from(flashed: SimBoard, tmp_path: Path, command: Command) -> None:
    before = flashed.cells()
    for name, words, at in (
        ("boot.bin", "0x0-0x10000", 0x100),
        ("wifi.bin", "wifi", PARAMS.start),
        ("files.bin", "0x200000-0x203000", 0x200000),
    ):
        command("backup", flashed.port, f"regions={words}", f"file={tmp_path / name}").ok()
        change(flashed, at, b"\0" * 30)
        done = command("restore", flashed.port, "yes=1", f"backup={tmp_path / name}", f"regions={words}", "boot=off")
        assert done.ok().wrote
        assert flashed.cells() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("0x200000-0x204000", "12,288 bytes are neither the whole flash of this board nor what regions="),
        ("0x200000-0x202000,wifi", "names, 2 regions"),
        ("lfs", "regions=lfs: the partition table of this NodeMCU has none"),
        ("0x3ff000-0x402000", "the flash ends at 0x400000"),
    ],
)
def test_a_file_that_does_not_fit_its_regions_is_refused_with_both(
    flashed: SimBoard, tmp_path: Path, command: Command, words: str, told: str
) -> None:
    before, path = flashed.cells(), tmp_path / "part.bin"
    path.write_bytes(bytes(0x3000))
    done = command("restore", flashed.port, "yes=1", f"backup={path}", f"regions={words}").failed("bad-value")
    assert told in done.err
    assert "say with regions=" not in done.err
    assert flashed.cells() == before


def test_an_area_that_the_firmware_does_not_have_is_called_that(flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port).ok()
    for words in (["backup"], ["erase", "yes=1"], ["restore", "yes=1"]):
        done = command(*words, flashed.port, "regions=lfs").failed("bad-value")
        assert "regions=lfs: the partition table of this NodeMCU has none" in done.err
        assert "it has spiffs" in done.err


def test_what_cannot_be_restored_is_refused_before_anything_is_written(
    project: Project, flashed: SimBoard, tmp_path: Path, command: Command
) -> None:
    command("backup", flashed.port).ok()
    store = store_of(project, flashed)
    (manifest,) = store.manifests()
    small = SimBoard(tmp_path / "small.flash", "5c:cf:7f:00:00:03", "esp01", "&start=rom")
    command("restore", small.port, "yes=1", f"backup={manifest.id}").failed("wrong-flash-size")
    (dump := tmp_path / "dump.bin").write_bytes(flashed.cells())
    done = command("restore", small.port, "yes=1", f"backup={dump}").failed("wrong-flash-size")
    assert "dump.bin was read from 4 MB" in done.err
    assert "restore it on a board of its size" in done.err
    command("restore", flashed.port).failed("not-confirmed")
    command("restore", flashed.port, "yes=1", "regions=lfs,spiff").failed("bad-value")
    command("restore", flashed.port, "yes=1", "backup=20200101T000000000").failed("backup-missing")
    before = flashed.cells()
    change(flashed, 0x30000, b"\0" * 4)
    block = store.block_files()[0]
    block.write_bytes(b"\0")
    command("restore", flashed.port, "yes=1").failed("backup-damaged")
    assert flashed.cells()[0x30004:] == before[0x30004:]


def test_a_restore_that_breaks_off_is_named_and_continued(
    project: Project, flashed: SimBoard, command: Command
) -> None:
    change(flashed, 0x200000, Random(1).randbytes(0x20000))
    before = flashed.cells()
    command("backup", flashed.port).ok()
    change(flashed, 0, b"\0" * 0x40000)
    change(flashed, 0x200000, b"\0" * 0x20000)
    leaving = flashed.but("&fill=ff&start=rom&execute=off&fault=unplug:90000")
    done = project.doit("restore", leaving.port, "yes=1").failed("port-lost")
    assert "in part" in done.err
    (entry,) = project.journal()
    assert entry["state"] == "writing"
    assert flashed.cells()[:1] == b"\xff"  # it starts no half firmware
    command("restore", flashed.port, "yes=1").ok()
    assert flashed.cells()[:0x10000] == before[:0x10000]
    assert project.journal()[0]["state"] == "clean"


def test_a_profile_without_an_image_is_no_obstacle(project: Project, board: SimBoard) -> None:
    (project.folder / "bare.yaml").write_text("extends: nodemcu-devkit\n")
    done = project.doit("backup", "profile=bare", board.port, "regions=spiffs").failed("bad-value")
    assert "where that lies is not known" in done.err
    assert "profile=NAME" not in done.err


def test_a_part_that_was_put_back_proves_nothing_about_the_whole(flashed: SimBoard, command: Command) -> None:
    command("backup", flashed.port).ok()
    command("backup", flashed.port, "regions=0x200000-0x203000").ok()
    cells = bytearray(flashed.cells())
    cells[:0x1000] = bytes(0x1000)
    flashed.flash.write_bytes(cells)
    done = command("restore", flashed.port, "yes=1")
    assert done.status
    assert "holds the whole flash (backup=ID names another)" in done.text
    assert "every byte as planned" not in done.text
