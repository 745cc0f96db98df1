"""`doit audit`: whether a board still holds what its receipts say, region by region."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.faultpoints import firmware
from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

Command = Callable[..., Done]


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "board.flash", more="&fill=ff&start=rom&execute=off")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    build = Builder()
    data = bytearray(build.combine(build.pair_3x()))
    data[0x20000:0x28000] = Random(5).randbytes(0x8000)
    path = tmp_path / "nodemcu.bin"
    path.write_bytes(data)
    return path


def change(board: SimBoard, at: int, data: bytes) -> None:
    with board.flash.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def states(done: Done) -> dict[str, set[str]]:
    """Kind of region to what was found there."""
    found: dict[str, set[str]] = {}
    for line in done.out.splitlines():
        kind = line.partition(" ")[0]
        if kind in {"firmware", "parameters", "files", "data"}:
            words = ("not on record", "as recorded", "changed")
            found.setdefault(kind, set()).add(next(word for word in words if word in line))
    return found


def test_what_changes_by_running_is_told_and_changed_firmware_is_a_failure(
    project: Project, board: SimBoard, image: Path, command: Command
) -> None:
    command("audit", board.port).failed("no-receipt")
    command("flash", "profile=esp12", board.port, f"image={image}").ok()
    first = command("audit", board.port).ok()
    assert states(first) == {
        "firmware": {"as recorded"},
        "parameters": {"not on record"},
        "files": {"not on record"},
    }
    change(board, 0x300000, b"a new file")
    change(board, 0x3FD000, b"another network")
    before = board.cells()
    second = command("audit", board.port).ok()
    assert states(second)["files"] == {"changed"}
    assert "changed" in states(second)["parameters"]
    assert states(command("audit", board.port).ok())["files"] == {"as recorded"}
    assert board.cells() == before
    change(board, 0x21000, b"\0")
    done = command("audit", board.port).failed("drift")
    assert done.status == 25
    assert "0x020000..0x030000" in done.err
    assert "flashed.json" in done.err
    failed = project.receipts()[-1]
    assert (failed["outcome"], failed["holds"]) == ("drift", [])
    command("audit", board.port).failed("drift")  # a failed audit makes nothing right
    command("flash", "profile=esp12", board.port, f"image={image}", "boot=off").ok()
    command("audit", board.port).ok()


def test_a_restore_and_an_erase_are_on_record_too(
    project: Project, board: SimBoard, image: Path, command: Command
) -> None:
    command("flash", "profile=esp12", board.port, f"image={image}", "boot=off").ok()
    command("backup", board.port).ok()
    command("erase", board.port, "yes=1").ok()
    assert "its flash is blank, as its receipt says" in command("audit", board.port).ok().text
    change(board, 0x5000, b"\0")
    command("audit", board.port).failed("drift")
    command("restore", board.port, "yes=1", "boot=off").ok()
    assert states(command("audit", board.port).ok())["firmware"] == {"as recorded"}
    change(board, 0x30000, b"\0")
    command("audit", board.port).failed("drift")
    command("restore", board.port, "yes=1", "boot=off", "regions=0x30000-0x31000").ok()
    assert project.receipts()[-1]["whole"] is False
    command("audit", board.port).ok()


def test_a_change_of_what_may_be_code_or_data_is_named_after_a_restore_of_a_plain_file(
    project: Project, board: SimBoard, tmp_path: Path, command: Command
) -> None:
    dump = tmp_path / "d.bin"
    dump.write_bytes(firmware(1).ljust(0x400000, b"\xff"))
    assert "holds d.bin\n" in command("restore", board.port, "yes=1", "boot=off", f"backup={dump}").ok().text
    assert "the firmware is what its receipt says" in command("audit", board.port).ok().text
    change(board, 0x30000, b"\0\1\2")
    done = command("audit", board.port).ok()
    assert "0x030000..0x040000 changed, and may be code or data" in done.text
    assert "the firmware is what" not in done.text
    assert "0x030000" in project.receipts()[-1]["reason"]
    command("audit", board.port).ok()


def test_a_run_that_did_not_finish_is_named(project: Project, board: SimBoard, image: Path) -> None:
    project.flashpipe("flash", "profile=esp12", board.port, f"image={image}", "boot=off").ok()
    change(board, 0x20000, b"\0" * 0x8000)
    broken = board.but("&fill=ff&start=rom&execute=off&fault=unplug:35000")
    project.flashpipe("flash", "profile=esp12", broken.port, f"image={image}", "force=1").failed("port-lost")
    assert project.receipts()[-1]["board_state"] == "writing"
    done = project.flashpipe("audit", board.port).failed("drift")
    assert "did not finish" in done.out
    assert "port-lost.json" in done.out


def test_code_that_no_partition_table_tells_of_stays_firmware_after_a_restore(
    project: Project, board: SimBoard, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "without-table.bin"
    path.write_bytes(firmware(1))
    command("flash", "profile=esp12", board.port, f"image={path}", "boot=off").ok()
    command("backup", board.port).ok()
    change(board, 0x0, b"\0" * 0x2000)
    command("restore", board.port, "yes=1", "boot=off").ok()
    change(board, 0x50000, b"\0")
    assert states(command("audit", board.port).ok()) == {
        "firmware": {"as recorded"},
        "data": {"as recorded", "changed"},
        "parameters": {"as recorded"},
    }
    change(board, 0x30000, b"\0\1\2")
    done = command("audit", board.port).failed("drift")
    assert "0x030000..0x040000" in done.text
    assert project.receipts()[-1]["outcome"] == "drift"
