"""Published parts in wrong places, through the user's commands: refused before the port is opened, with the right one.

`inspect`, `plan` and `flash` say the same: one function decides for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from flashpipe.cli import commands as cli

from tests.harness import Done, Project
from tests.simboard import SimBoard

Command = Callable[..., Done]
SPLIT_15, SPLIT_30 = "../nodemcu-1.5.4.1-split/0x{}0000.bin", "../nodemcu-3.0-split/0x{}0000.bin"
USER1, USER2, BOOT = "user1.1024.new.2.bin", "user2.1024.new.2.bin", "boot_v1.6.bin"
BEHIND_LOADER: Final = 0x1000

pytestmark = pytest.mark.images


@dataclass(frozen=True)
class Wrong:
    """A layout and what is said of it."""

    parts: Mapping[int, str]
    code: str
    action: str
    """Part of the next step."""


WRONG: Final = {
    "user2 at user1's place": Wrong({0: BOOT, 0x1000: USER2}, "image-address", "0x81000:"),
    "user1 at 0x10000": Wrong({0: BOOT, 0x10000: USER1}, "image-address", "0x01000:"),
    "repeater at 0x1000": Wrong(
        {0: "repeater-0x00000.bin", 0x1000: "repeater-0x02000.bin"}, "image-address", "0x02000:"
    ),
    "repeater at 0x10000": Wrong(
        {0: "repeater-0x00000.bin", 0x10000: "repeater-0x02000.bin"}, "image-address", "0x02000:"
    ),
    "a whole firmware at 0x1000": Wrong({0x1000: "nodemcu-0.9.2-20141219.bin"}, "image-aggregated", "alone: image="),
    "an RTOS application alone": Wrong({0x10000: "rtos_app.bin"}, "image-incomplete", "0x08000:PARTITIONS.bin"),
    "no partition table": Wrong(
        {0: "rtos_boot.bin", 0x10000: "rtos_app.bin"}, "image-incomplete", "0x08000:PARTITIONS.bin"
    ),
    "the loader at 0x1000": Wrong(
        {0x1000: "rtos_boot.bin", 0x8000: "rtos_pt.bin", 0x10000: "rtos_app.bin"}, "image-address", "image=0x00000:"
    ),
    "rBoot's application alone": Wrong({0: "rboot-app-0x2000.bin"}, "image-not-bootable", "0x02000:"),
    "rBoot with nothing to start": Wrong(
        {0: "rboot.bin", 0x1000: "rboot-blank-config.bin"}, "image-incomplete", "0x02000:FILE"
    ),
    "a half for 0x40000 at 0x10000": Wrong(
        {0: "olimex-0x00000.bin", 0x10000: "olimex-0x40000.bin"}, "image-address", "0x40000:"
    ),
    "halves of two builds": Wrong({0: SPLIT_15.format(0), 0x10000: SPLIT_30.format(1)}, "image-mixed", "same build"),
    "the same the other way": Wrong({0: SPLIT_30.format(0), 0x10000: SPLIT_15.format(1)}, "image-mixed", "same build"),
    "a half at 0x20000": Wrong({0: SPLIT_30.format(0), 0x20000: SPLIT_30.format(1)}, "image-address", "0x10000:"),
    "user1 that was cut": Wrong({0: BOOT, 0x1000: f"{USER1} cut"}, "image-truncated", "again"),
    "user1 with one bit flipped": Wrong({0: BOOT, 0x1000: f"{USER1} flipped"}, "image-checksum", "again"),
    "both in one file, cut": Wrong({0: f"{BOOT}+{USER1} cut"}, "image-truncated", "again"),
    "both in one file, one bit flipped": Wrong({0: f"{BOOT}+{USER1} flipped"}, "image-checksum", "again"),
}


def made(folder: Path, text: str) -> bytes:
    """A file of that name; with ` cut` or ` flipped` damaged, `A+B`: B at 0x1000 behind A."""
    if "+" in text:
        first, _, second = text.partition("+")
        return made(folder, first).ljust(BEHIND_LOADER, b"\xff") + made(folder, second)
    name, _, damage = text.partition(" ")
    data = (folder / name).read_bytes()
    if damage == "cut":
        return data[: len(data) * 4 // 5]
    return data if not damage else data[:0x20000] + bytes([data[0x20000] ^ 4]) + data[0x20001:]


def image_word(parts: Mapping[int, str], folder: Path, into: Path) -> str:
    """The parts as files, and how `image=` names them."""
    words = []
    for at, text in parts.items():
        path = into / f"part-{at:x}.bin"
        path.write_bytes(made(folder, text))
        words.append(f"0x{at:05x}:{path.name}")
    return ",".join(words)


@pytest.mark.parametrize("name", WRONG)
def test_every_door_refuses_alike_before_the_port_is_opened(
    name: str, project: Project, command: Command, real_images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = WRONG[name]
    layout = image_word(wrong.parts, real_images / "layouts", project.folder)
    for task in ("plan", "flash"):
        done = command(task, "profile=esp12", f"image={layout}", *["port=sim://esp12"] * (task == "flash")).failed(
            wrong.code
        )
        assert wrong.action in done.text
        assert done.status == 12
        assert "connect" not in done.text
    status = cli.main(["inspect", "part-0.bin" if set(wrong.parts) == {0} else layout])
    looked = capsys.readouterr().out
    if wrong.code in {"image-incomplete", "image-not-bootable"}:  # sound files, of which some are missing
        assert status == 0
        assert "next: " in looked
        assert "flashpipe flash" not in looked
    else:
        assert status == 12
        assert f"[code: {wrong.code}]" in looked
    assert wrong.action in looked


# --- the size in the header -------------------------------------------------------------------------------------------


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards that execute the firmware; tests/sim/firmware has the same failures predicted."""
    monkeypatch.delenv("FLASHPIPE_CORE")


def reheaded(board: SimBoard, size_code: int, *, blank: int | None = None) -> None:
    """Another size in the header, as another tool may write it; a sector that it did not fill."""
    cells = bytearray(board.cells())
    if blank is not None:
        cells[blank : blank + 0x1000] = b"\xff" * 0x1000
    cells[3] = size_code << 4 | cells[3] & 15
    board.flash.write_bytes(cells)


@pytest.mark.usefixtures("executed")
def test_at_firmware_gets_the_header_and_the_init_data_that_it_wants(
    project: Project, command: Command, real_images: Path, tmp_path: Path
) -> None:
    """It goes by 1 MB whatever the flash has: the board's own init data are copied to the end of that."""
    board = SimBoard(tmp_path / "cells", name="esp12", more="&wiring=devkit")
    layout = image_word({0: BOOT, 0x1000: USER1}, real_images / "layouts", project.folder)
    done = command("flash", "profile=esp12", board.port, f"image={layout}").ok()
    assert all(words in done.text for words in ("header   1MB", "the board's own, from 0x3fc000", "firmware executed"))
    assert board.cells()[0xFC000:0xFC080] == board.cells()[0x3FC000:0x3FC080]
    reheaded(board, 4, blank=0xFC000)
    failed = command("boot", "profile=esp12", board.port, "boot=any")
    # Which of its words are heard first is the line's affair; it says both at each start.
    assert failed.status in {53, 59}
    assert "boot-rf-cal" in failed.text or "names a flash of 4MB" in failed.text


@pytest.mark.usefixtures("executed")
def test_an_old_sdk_with_a_header_of_16_mb(command: Command, firmware_folder: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "cells", name="d1-mini-pro")
    image = firmware_folder / "micropython-1.9.3.bin"
    done = command("flash", "profile=d1-mini-pro", board.port, f"image={image}").ok()
    assert "header   4MB" in done.text
    reheaded(board, 9)
    command("boot", "profile=d1-mini-pro", board.port, "boot=any").failed("boot-rf-cal")
