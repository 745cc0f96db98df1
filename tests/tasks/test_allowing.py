"""`allow=` through the user's commands: it overrides the refusal it names, and the receipt says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

BUILD = Builder()
Command = Callable[..., Done]


@pytest.fixture
def image(project: Project) -> Path:
    path = project.folder / "fw.bin"
    path.write_bytes(BUILD.combine(BUILD.pair_3x()))
    return path


def test_an_image_with_a_bad_checksum(project: Project, image: Path, command: Command, tmp_path: Path) -> None:
    data = image.read_bytes()
    image.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    words = ("flash", "profile=esp12", SimBoard(tmp_path / "cells").port, "image=fw.bin")
    command(*words, "allow=wrong-chip").failed("image-checksum")
    done = command(*words, "allow=image-checksum,wrong-chip", "boot=off").ok()
    assert "allowed  image-checksum: fw.bin: checksum" in done.out
    assert project.receipts()[-1]["allowed"] == ["image-checksum"]
    done = command(*words, "allow=image-checksum")  # the board says what it thinks of it
    done.failed("boot-bad-checksum")
    assert project.receipts()[-1]["allowed"] == ["image-checksum"]


def test_what_is_allowed_and_not_needed_is_not_in_the_receipt(
    project: Project, image: Path, command: Command, tmp_path: Path
) -> None:
    port = SimBoard(tmp_path / "cells", more="&execute=off").port
    command("flash", "profile=esp12", port, f"image={image.name}", "allow=wrong-flash-size,image-checksum").ok()
    assert project.receipts()[-1]["allowed"] == []


def test_a_typed_mode_that_the_chip_cannot_do(project: Project, image: Path, command: Command, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "cells", name="esp8285", more="&wiring=devkit")
    words = ("flash", "profile=esp8285", f"image={image.name}", "mode=dio", "boot=off")
    command(*words, "port=/dev/does-not-exist").failed("flash-mode")
    command(*words, board.port, "allow=flash-mode").ok()
    assert project.receipts()[-1]["allowed"] == ["flash-mode"]


def test_pins_that_are_used_otherwise(project: Project, image: Path, command: Command) -> None:
    (project.folder / "kitchen.yaml").write_text("extends: esp12\ngpio9_10: free\n")
    words = ("flash", "profile=kitchen", f"image={image.name}", "mode=qio", "port=/dev/does-not-exist")
    command(*words).failed("flash-mode")
    command(*words, "allow=flash-mode").failed("port-missing")


def test_a_part_without_quad_commands(project: Project, image: Path, command: Command, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "cells", name="esp01-1m", more="&wiring=devkit&part=B.25D80A")
    words = ("flash", "profile=esp01-1m", f"image={image.name}", board.port, "mode=qio", "boot=off")
    done = command(*words).failed("flash-mode")
    assert "quad commands" in done.err
    assert not done.wrote
    command(*words, "allow=flash-mode").ok()
    assert project.receipts()[-1]["allowed"] == ["flash-mode"]


def test_a_board_that_is_not_among_the_profiles(
    project: Project, image: Path, command: Command, tmp_path: Path
) -> None:
    (project.folder / "kitchen.yaml").write_text('extends: esp12\nboards: ["5c:cf:7f:00:00:02"]\n')
    board = SimBoard(tmp_path / "cells")
    words = ("flash", "profile=kitchen", f"image={image.name}", board.port, "boot=off")
    command(*words).failed("wrong-board")
    command(*words, "allow=wrong-board").ok()
    assert project.receipts()[-1]["allowed"] == ["wrong-board"]
    command("erase", "profile=kitchen", board.port, "yes=1").failed("wrong-board")
    command("erase", "profile=kitchen", board.port, "yes=1", "allow=wrong-board").ok()
    assert project.receipts()[-1]["allowed"] == ["wrong-board"]
