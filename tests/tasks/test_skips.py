"""When a write is skipped, and when it must not be: each case as a user meets it, by whole commands.

A board is a flash file and a MAC behind `sim://`; its contents outlive each command as a real board's do.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flashpipe.board.ports.names import port_slug
from flashpipe.records import journal

from tests.firmware.test_header_size import micropython
from tests.harness import Done, Project

pytestmark = pytest.mark.usefixtures("one_process")

SECTOR = 0x1000


@dataclass
class Board:
    """A virtual board that lives in a file."""

    flash: Path
    mac: str
    more: str = ""

    @property
    def port(self) -> str:
        return f"port=sim://nodemcu-devkit?flash={self.flash}&mac={self.mac}{self.more}"

    def cells(self) -> bytes:
        return self.flash.read_bytes()

    def change(self, at: int, value: bytes) -> None:
        with self.flash.open("r+b") as stream:
            stream.seek(at)
            stream.write(value)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "first.flash", "5c:cf:7f:00:00:01")


@pytest.fixture
def other(tmp_path: Path) -> Board:
    return Board(tmp_path / "other.flash", "5c:cf:7f:00:00:02")


def flash(project: Project, board: Board, image: Path, *more: str) -> Done:
    return project.flashpipe("flash", "profile=esp12", board.port, f"image={image}", *more)


def holds(board: Board, image: Path, *, but: tuple[range, ...] = ()) -> bool:
    want = bytearray(image.read_bytes())
    want[2:4] = b"\x02\x40"  # dio, 4 MB, 40 MHz
    return all(
        cell == byte
        for at, (cell, byte) in enumerate(zip(board.cells(), want, strict=False))
        if cell != byte and not any(at in hole for hole in but)
    )


def test_1_the_second_run_writes_nothing_and_says_why(project: Project, board: Board, firmware: Path) -> None:
    first = flash(project, board, firmware).ok()
    assert first.wrote
    assert "never flashed from here" in first.text
    cells = board.cells()
    second = flash(project, board, firmware).ok()
    assert not second.wrote
    assert "it was there already" in second.out
    assert f"board {board.mac} is already up to date" in second.text
    assert board.cells() == cells
    assert [receipt["outcome"] for receipt in project.receipts()] == ["flashed", "skipped"]


def test_2_and_3_another_board_is_written_and_the_first_one_back_is_skipped(
    project: Project, board: Board, other: Board, firmware: Path
) -> None:
    assert flash(project, board, firmware).ok().wrote
    assert flash(project, other, firmware).ok().wrote
    assert not flash(project, board, firmware).ok().wrote
    assert not flash(project, other, firmware).ok().wrote


def test_4_a_flash_that_another_tool_changed_is_mended(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    board.change(0x23456, b"\x00\x00\x00\x00")
    done = flash(project, board, firmware).ok()
    assert done.wrote
    assert "changed by something else" in done.text
    assert holds(board, firmware)
    assert project.receipts()[-1]["sent_bytes"] == 2 * SECTOR  # the changed one, and sector 0 as its guard


def test_5_an_interrupted_write_is_continued(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware, "boot=off").ok()
    journal.write(replace(journal.read(board.mac), state="writing"))
    board.change(0, b"\xff" * SECTOR)
    board.change(0x40000, b"\xff" * (firmware.stat().st_size - 0x40000))
    done = flash(project, board, firmware).ok()
    assert "did not finish" in done.text
    assert done.wrote
    assert holds(board, firmware)
    assert project.receipts()[-1]["sent_bytes"] < firmware.stat().st_size // 2


@pytest.mark.images
@pytest.mark.parametrize("name", ["nodemcu-3.0-cloud-float.bin", "nodemcu-2.2-cloud-float.bin"])
def test_6_what_the_firmware_rewrote_is_no_reason_to_write_again(
    project: Project, board: Board, real_images: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLASHPIPE_CORE")  # executed
    image = real_images / name
    flash(project, board, image, "boot=off").ok()
    assert not flash(project, board, image).ok().wrote
    booted = board.cells()
    if "3.0" in name:
        assert booted[0x10000:0x11000] != image.read_bytes()[0x10000:0x11000], (
            "the firmware rewrites its partition table"
        )
    third = flash(project, board, image).ok()
    assert not third.wrote
    project.flashpipe("verify", "profile=esp12", board.port, f"image={image}").ok()


@pytest.mark.images
@pytest.mark.parametrize(
    "hole", [range(0x400000), range(0x10000, 0x11000), range(0x1000)], ids=["all", "table", "boot"]
)
def test_6_what_another_tool_erased_is_mended_although_it_was_the_firmwares(
    project: Project, board: Board, real_images: Path, hole: range
) -> None:
    image = real_images / "nodemcu-3.0-cloud-float.bin"
    flash(project, board, image).ok()
    board.change(hole.start, b"\xff" * len(hole))
    failed = project.flashpipe("verify", "profile=esp12", board.port, f"image={image}").failed("verify-failed")
    assert "does not hold the image" in failed.text
    assert flash(project, board, image).ok().wrote
    assert not flash(project, board, image).ok().wrote


def test_7_a_board_that_does_not_boot_fails_again_without_a_write(
    project: Project, board: Board, firmware: Path
) -> None:
    dout_only = Board(board.flash, board.mac, "&fault=dout-only")
    first = flash(project, dout_only, firmware).failed("boot-wrong-mode")
    assert first.wrote
    second = flash(project, dout_only, firmware).failed("boot-wrong-mode")
    assert not second.wrote
    assert [receipt["outcome"] for receipt in project.receipts()] == ["boot-wrong-mode", "boot-wrong-mode"]
    assert project.journal()[0]["passed"] is False
    written = [receipt["sent_bytes"] for receipt in project.receipts()]
    assert written[0] > 400_000, "a receipt tells what was written, whatever the boot"
    assert written[1] == 0
    assert "mode=dout" in second.text
    assert flash(project, dout_only, firmware, "mode=dout").ok().wrote


@pytest.mark.images
def test_8_another_project_in_between_is_noticed(
    project: Project, second_project: Project, board: Board, firmware: Path, real_images: Path
) -> None:
    flash(project, board, firmware).ok()
    assert flash(second_project, board, real_images / "nodemcu-2.2-cloud-float.bin").ok().wrote
    done = flash(project, board, firmware).ok()
    assert done.wrote
    assert f"from another project ({second_project.folder})" in done.text
    assert not flash(second_project, board, firmware).ok().wrote


def test_force_writes_anyway(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    done = flash(project, board, firmware, "force=1").ok()
    assert done.wrote
    assert "force=1" in done.text


def test_trusting_the_journal_is_said(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    board.change(0x30000, b"\x00" * 16)
    done = flash(project, board, firmware, "check=mac", "boot=off").ok()  # what is there does not run any more
    assert not done.wrote
    assert "trusted, not checked" in done.text


def test_a_board_that_was_trusted_and_does_not_run_is_compared_and_nothing_else_is_tried(
    project: Project, board: Board, firmware: Path
) -> None:
    flash(project, board, firmware).ok()
    trusting = flash(project, board, firmware, "check=mac").ok()
    assert project.receipts()[-1]["holds"] == []
    assert not trusting.wrote
    board.change(0x0, b"\x00" * 16)
    done = flash(project, board, firmware, "check=mac").failed("drift")
    assert "does not hold what the journal says" in done.err
    assert "next: run it again with check=md5" in done.err
    assert "every byte as planned" not in done.text
    assert not done.wrote
    assert flash(project, board, firmware, "check=md5").ok().wrote


def test_an_erased_board_is_written_again(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    project.flashpipe("erase", "profile=esp12", board.port, "yes=1").ok()
    assert board.cells() == b"\xff" * 0x400000
    done = flash(project, board, firmware).ok()
    assert done.wrote
    assert "it was erased" in done.text


def test_flash_alone_without_its_probe_looks_for_itself(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    board.change(0x23456, b"\x00\x00\x00\x00")
    done = project.doit("run", "-s", "flash:*", "profile=esp12", board.port, f"image={firmware}")
    assert holds(board, firmware), done.text


def test_erase_and_flash_in_one_command_run_in_that_order(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    done = project.flashpipe("erase", "flash", "verify", "profile=esp12", board.port, f"image={firmware}", "yes=1").ok()
    assert done.wrote
    assert holds(board, firmware)


def test_verify_names_the_bad_sector_and_writes_nothing(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware).ok()
    board.change(0x23456, b"\x00\x00\x00\x00")
    cells = board.cells()
    done = project.flashpipe("verify", "profile=esp12", board.port, f"image={firmware}").failed("verify-failed")
    assert "0x023000" in done.text
    assert board.cells() == cells


def esptool_confirms(project: Project, board: Board, *parts: str | Path) -> None:
    """Espressif's own verify-flash, on a board in a process of its own, finds these files at these addresses."""
    command = [
        sys.executable,
        "-m",
        "flashpipe.cli.main",
        "board",
        "--pty",
        "--flash",
        str(board.flash),
        "nodemcu-devkit",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=project.environment(), stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            pty = process.stdout.readline().strip()
            settings = ["-fm", "dio", "-ff", "40m", "-fs", "4MB"]
            judged = subprocess.run(
                [sys.executable, "-m", "esptool", "--port", pty, "verify-flash", *settings, *map(str, parts)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert judged.returncode == 0, judged.stdout + judged.stderr
            assert "Verification successful" in judged.stdout
        finally:
            process.terminate()


def test_esptool_confirms_every_byte(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware, "boot=off").ok()
    esptool_confirms(project, board, "0x0", firmware)


@pytest.mark.images
def test_esptool_confirms_every_fixed_byte_after_a_boot(
    project: Project, board: Board, real_images: Path, tmp_path: Path
) -> None:
    image = real_images / "nodemcu-3.0-cloud-float.bin"
    flash(project, board, image).ok()
    # What SDK 3.0 of that layout owns: 0x0B000 to 0x0FFFF, and the partition table (facts: image-flashmap §5.3).
    (tmp_path / "start.bin").write_bytes(image.read_bytes()[:0xB000])
    (tmp_path / "code.bin").write_bytes(image.read_bytes()[0x11000:])
    esptool_confirms(project, board, "0x0", tmp_path / "start.bin", "0x11000", tmp_path / "code.bin")


# --- what doit is told to skip ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["flash", "_probe", "_check"])
def test_doit_cannot_be_told_to_ignore_what_a_flash_needs(
    project: Project, board: Board, firmware: Path, task: str
) -> None:
    refused = project.doit("ignore", task, "profile=esp12", board.port, f"image={firmware}")
    assert refused.status == 3
    assert "cannot be ignored" in refused.text
    assert flash(project, board, firmware).ok().wrote


def test_a_flash_that_was_to_be_ignored_is_asked_of_the_board_all_the_same(
    project: Project, board: Board, firmware: Path
) -> None:
    flash(project, board, firmware).ok()
    board.change(0x23456, b"\x00\x00\x00\x00")
    slug = port_slug(board.port.removeprefix("port="))
    path = project.folder / ".pipeline" / "doit.db"
    assert not path.exists()  # doit has nothing to remember of a flash
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table doit (task_id text not null primary key, task_data json)")
        for task in ("flash", f"flash:{slug}", "_probe", f"_probe:{slug}"):
            db.execute("insert or replace into doit values (?, ?)", (task, json.dumps({"ignore:": "1"})))
        db.commit()
    done = flash(project, board, firmware).ok()
    assert done.wrote
    assert holds(board, firmware)


def test_tasks_of_others_can_be_ignored(project: Project) -> None:
    dodo = project.folder / "dodo.py"
    dodo.write_text(f"{dodo.read_text()}\n\ndef task_mine():\n    return {{'actions': ['exit 1']}}\n")
    project.doit("ignore", "mine").ok()
    assert project.doit("mine").ok().out == "!! mine\n", "doit's own mark: the action, which fails, did not run"


# --- why it is written -----------------------------------------------------------------------------------------------


def test_another_image_is_another_firmware(project: Project, board: Board, firmware: Path, tmp_path: Path) -> None:
    flash(project, board, firmware, "boot=off").ok()
    data = bytearray(firmware.read_bytes())
    data[0x20000:0x20010] = b"something else !"
    other = tmp_path / "other.bin"
    other.write_bytes(data)
    assert "the firmware has changed" in flash(project, board, other, "boot=off", "allow=image-checksum").ok().text


def test_another_mode_is_another_header_and_no_other_firmware(project: Project, board: Board, firmware: Path) -> None:
    flash(project, board, firmware, "boot=off").ok()
    done = flash(project, board, firmware, "boot=off", "mode=dout").ok()
    assert "the settings in the image's header have changed" in done.text


def test_only_a_board_that_is_gone_with_the_command_is_said_to_forget(
    project: Project, board: Board, firmware: Path
) -> None:
    gone = f"port=sim://nodemcu-devkit?mac={board.mac}"
    words = ("flash", "profile=esp12", f"image={firmware}", "boot=off")
    project.doit(*words, gone).ok()
    assert "a sim:// board forgets" in project.doit(*words, gone).ok().text
    project.doit(*words, board.port).ok()
    board.change(0x23456, b"\x00\x00\x00\x00")
    assert "forgets" not in project.doit(*words, board.port).ok().text


def test_an_erase_that_was_asked_for_and_not_due_is_said_not_to_be_done(
    project: Project, board: Board, firmware: Path
) -> None:
    flash(project, board, firmware, "boot=off").ok()
    assert "nothing was erased" in flash(project, board, firmware, "boot=off", "erase=all").ok().text


# --- the size in the header ------------------------------------------------------------------------------------------


def test_an_old_sdk_on_a_large_part_is_told_of_4_mb_once_and_kept_in_the_receipt(
    project: Project, tmp_path: Path
) -> None:
    image = tmp_path / "python.bin"
    image.write_bytes(micropython(b"2.0.0(5a875ba)"))
    words = ("flash", f"image={image}", f"port=sim://d1-mini-pro?flash={tmp_path / 'pro.flash'}", "boot=off")
    first = project.doit(*words, "profile=d1-mini-pro").ok()
    assert first.wrote
    assert "header   4MB" in first.out
    assert first.text.count("SDK 2.0.0 knows no larger size than 4MB") == 1
    assert not project.doit(*words, "profile=d1-mini-pro").ok().wrote
    assert (tmp_path / "pro.flash").read_bytes()[3] == 0x40
    for receipt in project.receipts():
        assert receipt["header"]["size"] == "4MB"
        assert "SDK 2.0.0" in receipt["header"]["why"]
