"""`firmware.lfs` and `firmware.spiffs` through the user's commands: placed, and then left to the firmware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.test_init_data import DATA
from tests.harness import Done, Project
from tests.images import Builder, lfs_image, spiffs_image, with_partitions
from tests.simboard import SimBoard
from tests.tasks.test_init_data import CHECK, image_2x

Command = Callable[..., Done]
BUILD = Builder()
SIZE = 0x8000
LFS_AT, SPIFFS_AT = 0x18000, 0x28000
"""After 32 KB of code from 0x10000, and 64 KB of LFS."""
LFS, FILES = lfs_image(LFS_AT), spiffs_image(8)


def image_3x(mark: bytes = b"first") -> bytes:
    start, code = with_partitions(BUILD.pair_3x(SIZE), lfs=(0, 0x10000))
    texts = CHECK + b"\0system SPI FI size:%u, Flash size: %u\n\0" + mark
    return BUILD.combine((start, code[:0x2000] + DATA + texts + code[0x2000 + len(DATA) + len(texts) :]))


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "cells", more="&fill=ff&execute=off")


@pytest.fixture
def kitchen(project: Project, command: Command, board: SimBoard) -> Callable[..., Done]:
    """`flash` of a profile with both images."""
    (project.folder / "fw.bin").write_bytes(image_3x())
    (project.folder / "lfs.img").write_bytes(LFS)
    (project.folder / "files.img").write_bytes(FILES)
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nboot: {timeout: 8s}\nfirmware: {image: fw.bin, lfs: lfs.img, spiffs: files.img}\n"
    )
    return lambda *words: command("flash", "profile=kitchen", board.port, *words)


def change(board: SimBoard, at: int, data: bytes) -> None:
    cells = bytearray(board.cells())
    cells[at : at + len(data)] = data
    board.flash.write_bytes(cells)


def test_both_are_placed_where_the_partition_table_says(kitchen: Callable[..., Done], board: SimBoard) -> None:
    done = kitchen().ok()
    cells = board.cells()
    assert cells[LFS_AT : LFS_AT + len(LFS)] == LFS
    assert cells[SPIFFS_AT : SPIFFS_AT + len(FILES)] == FILES
    assert "0x018000" in done.out
    assert "lfs.img" in done.out
    assert not kitchen().ok().wrote


def test_what_the_firmware_made_of_them_is_its_own(
    kitchen: Callable[..., Done], board: SimBoard, project: Project
) -> None:
    kitchen().ok()
    change(board, SPIFFS_AT + 0x300, b"written by a script")
    change(board, LFS_AT + 0x100, b"loaded by node.LFS.reload")
    assert not kitchen().ok().wrote
    (project.folder / "fw.bin").write_bytes(image_3x(b"second"))
    assert kitchen().ok().wrote, "a newer firmware"
    assert board.cells()[SPIFFS_AT + 0x300 :].startswith(b"written by a script")
    assert board.cells()[LFS_AT + 0x100 :].startswith(b"loaded by node.LFS.reload")
    assert not kitchen().ok().wrote


def test_an_image_that_changes_is_written_and_the_other_is_not(
    kitchen: Callable[..., Done], board: SimBoard, project: Project
) -> None:
    kitchen().ok()
    change(board, SPIFFS_AT + 0x300, b"written by a script")
    other = lfs_image(LFS_AT, size=0x1900)
    (project.folder / "lfs.img").write_bytes(other)
    done = kitchen().ok()
    assert done.wrote
    assert board.cells()[LFS_AT : LFS_AT + len(other)] == other
    assert board.cells()[SPIFFS_AT + 0x300 :].startswith(b"written by a script")
    assert not any("0x028000" in region for region in project.receipts()[-1]["written"])
    assert not kitchen().ok().wrote


def test_an_erased_area_is_filled_again(kitchen: Callable[..., Done], board: SimBoard) -> None:
    kitchen().ok()
    change(board, SPIFFS_AT, b"\xff" * len(FILES))
    assert kitchen().ok().wrote
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + len(FILES)] == FILES


def test_force_writes_both_again(kitchen: Callable[..., Done], board: SimBoard) -> None:
    kitchen().ok()
    change(board, SPIFFS_AT + 0x300, b"written by a script")
    kitchen("force=1").ok()
    assert board.cells()[SPIFFS_AT : SPIFFS_AT + len(FILES)] == FILES


def test_a_file_system_beside_an_old_lfs(project: Project, command: Command, board: SimBoard) -> None:
    far = 0x200000
    for name, lfs in (("old", (far, 0x10000)), ("new", (0, 0))):
        start, code = with_partitions(BUILD.pair_3x(SIZE), lfs=lfs)
        texts = CHECK + b"\0system SPI FI size:%u, Flash size: %u\n\0" + name.encode()
        whole = BUILD.combine((start, code[:0x2000] + DATA + texts + code[0x2000 + len(DATA) + len(texts) :]))
        (project.folder / f"{name}.bin").write_bytes(whole)
    (project.folder / "lfs.img").write_bytes(lfs_image(far))
    (project.folder / "files.img").write_bytes(FILES)
    (project.folder / "first.yaml").write_text("extends: esp12\nfirmware: {image: old.bin, lfs: lfs.img}\n")
    (project.folder / "then.yaml").write_text("extends: esp12\nfirmware: {image: new.bin, spiffs: files.img}\n")
    command("flash", "profile=first", board.port, "boot=off").ok()
    assert not command("flash", "profile=first", board.port).ok().wrote
    command("flash", "profile=then", board.port).ok()
    cells = board.cells()
    assert cells[far:].startswith(lfs_image(far)[:64])
    assert not command("flash", "profile=then", board.port).ok().wrote


def test_a_file_system_for_sdk_2x(project: Project, command: Command, board: SimBoard) -> None:
    (project.folder / "fw.bin").write_bytes(image_2x())
    (project.folder / "files.img").write_bytes(FILES)
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nfirmware: {image: fw.bin, spiffs: files.img}\n")
    command("flash", "profile=kitchen", board.port).ok()
    assert board.cells()[0x20000 : 0x20000 + len(FILES)] == FILES
    assert not command("flash", "profile=kitchen", board.port).ok().wrote


def test_bad_ones_are_refused_before_the_port_is_opened(
    kitchen: Callable[..., Done], command: Command, project: Project, board: SimBoard
) -> None:
    port = "port=/dev/does-not-exist"
    (project.folder / "lfs.img").write_bytes(lfs_image(0x50000))
    command("flash", "profile=kitchen", port).failed("lfs-image")
    kitchen("allow=lfs-image", "boot=off").ok()
    assert project.receipts()[-1]["allowed"] == ["lfs-image"]
    assert board.cells()[LFS_AT:].startswith(lfs_image(0x50000)[:64])
    (project.folder / "fw.bin").write_bytes(image_2x())
    done = command("flash", "profile=kitchen", port).failed("lfs-partition")
    assert "LUA_FLASH_STORE" in done.err
    command("flash", "profile=kitchen", port, "image=fw.bin").failed("port-missing")  # it replaces all of `firmware:`
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nfirmware: {image: fw.bin, spiffs: fw.bin}\n")
    command("flash", "profile=kitchen", port).failed("spiffs-image")
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nfirmware: {image: fw.bin, spiffs: none.img}\n")
    command("flash", "profile=kitchen", port).failed("image-missing")
