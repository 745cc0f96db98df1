"""SDK init data through `doit flash`: boards that would restart for ever start, and nothing else is touched."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flashpipe.firmware import init_data
from flashpipe.sources import at_hand
from flashpipe.sources.cache import Cache

from tests.firmware.test_init_data import DATA
from tests.harness import Done, Project
from tests.images import BANNER_2X, Builder
from tests.simboard import SimBoard

Command = Callable[..., Done]
BUILD = Builder()
CHECK = b"\0rf_cal[0] !=0x05,is 0x%02X\n\0"
"""By this text the SDK shows that it insists on init data."""
SIZE = 0x8000
END = 0x3FC000
"""Of a 4 MB board: where SDKs up to 2.x look."""


def with_check(code: bytes) -> bytes:
    return code[: -len(CHECK) - 700] + CHECK + code[-700:]


def old_image() -> bytes:
    """A NodeMCU of 2015: SDK 1.4, and no init data."""
    return BUILD.combine((BUILD.start(SIZE), with_check(BUILD.code(SIZE, banner=BANNER_2X, sdk=b"1.4.0(c599790)"))))


def image_2x() -> bytes:
    """A NodeMCU that fills a blank sector: the data stand in its boot image."""
    words = [0x40210000 + 0x200 * number for number in range(64)]
    start = BUILD.boot([(0x40100000, b"".join(word.to_bytes(4, "little") for word in words)), (0x3FFE8000, DATA)])
    return BUILD.combine((start, with_check(BUILD.code(SIZE))))


def image_3x(layout: str) -> bytes:
    """A NodeMCU that fills the sector once."""
    start, code = BUILD.pair_3x(SIZE, layout=layout)
    texts = CHECK + b"\0system SPI FI size:%u, Flash size: %u\n\0"
    return BUILD.combine((start, code[:0x2000] + DATA + texts + code[0x2000 + len(DATA) + len(texts) :]))


IMAGES: Mapping[str, Callable[[], bytes]] = {
    "old": old_image,
    "2.x": image_2x,
    "3.x-old": lambda: image_3x("old"),
    "3.x-new": lambda: image_3x("new"),
}
PLACES = {"old": END, "2.x": END, "3.x-old": 0xC000, "3.x-new": 0xF000}


@dataclass
class Bench:
    """A project with one image, and a board whose flash can be spoiled between the commands."""

    project: Project
    command: Command
    board: SimBoard
    place: int = END
    said: dict[str, object] = field(default_factory=dict)

    def profile(self, *lines: str) -> None:
        (self.project.folder / "kitchen.yaml").write_text("\n".join(("extends: esp12", *lines, "")))

    def run(self, task: str = "flash", *words: str) -> Done:
        return self.command(task, "profile=kitchen", self.board.port, *words)

    def put(self, data: bytes, at: int | None = None) -> None:
        at = self.place if at is None else at
        cells = bytearray(self.board.cells())
        cells[at : at + len(data)] = data
        self.board.flash.write_bytes(cells)

    def sector(self) -> bytes:
        return self.board.cells()[self.place : self.place + 0x1000]

    def erased(self, number: int = -1) -> list[str]:
        return [str(region) for region in self.project.receipts()[number]["written"]]


@pytest.fixture
def bench(
    project: Project, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Bench]:
    """A board that was blank; version 05 is ours."""
    monkeypatch.setattr(init_data, "V05_MD5", hashlib.md5(DATA).hexdigest())
    monkeypatch.setattr(at_hand, "_KNOWN_PACKAGES", ())

    def make(kind: str) -> Bench:
        (project.folder / "fw.bin").write_bytes(IMAGES[kind]())
        made = Bench(project, command, SimBoard(tmp_path / "cells", more="&fill=ff&execute=off"), PLACES[kind])
        made.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}")
        return made

    return make


FILE = "init_data: mine.bin"
MINE = b"\x05" + bytes(reversed(range(1, 128)))


def test_an_old_image_on_a_blank_board_gets_the_data_and_boots(bench: Callable[[str], Bench]) -> None:
    bed = bench("old")
    (bed.project.folder / "mine.bin").write_bytes(MINE)
    bed.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}", "init_data: keep")
    done = bed.run().failed("boot-rf-cal")
    assert "rf_cal" in done.text
    bed.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}")
    bed.run().failed("init-data")  # none is at hand, and the board is not touched
    assert bed.sector() == b"\xff" * 0x1000
    bed.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}", FILE)
    done = bed.run().ok()
    assert "SDK init data at 0x3fc000" in done.text
    assert bed.sector() == MINE.ljust(0x1000, b"\xff")
    assert bed.project.receipts()[-1]["verdict"]["kind"] == "prompt"
    assert "0x3fc000..0x3fd000" in bed.erased()
    assert "wants them" not in bed.run().ok().text
    assert not bed.run().ok().wrote


def test_version_05_is_cut_from_an_image_that_the_cache_holds(bench: Callable[[str], Bench]) -> None:
    bed = bench("old")
    Cache().keep(image_2x())
    done = bed.run().ok()
    assert "blank, version 05 written: the firmware has none" in done.text
    assert bed.sector()[:128] == DATA
    assert not bed.run().ok().wrote


def test_a_board_without_any_can_be_written_all_the_same(bench: Callable[[str], Bench]) -> None:
    bed = bench("old")
    bed.run("flash", "allow=init-data").failed("boot-rf-cal")
    assert bed.project.receipts()[-1]["allowed"] == ["init-data"]
    assert bed.sector() == b"\xff" * 0x1000


@pytest.mark.parametrize(
    ("kind", "damage"),
    [("2.x", b"\0"), ("2.x", b"\xff"), ("3.x-old", b"\0"), ("3.x-new", b"\0"), ("3.x-new", b"\xff")],
    ids=["2.x-zeros", "2.x-blank", "3.x-old-zeros", "3.x-new-zeros", "3.x-new-blank"],
)
def test_a_sector_that_was_spoiled_later_is_cured(bench: Callable[[str], Bench], kind: str, damage: bytes) -> None:
    bed = bench(kind)
    done = bed.run().ok()
    assert "SDK init data at" not in done.text, "a new firmware sees to itself"
    assert bed.sector()[:128] == DATA
    healthy = bed.board.cells()
    assert not bed.run().ok().wrote
    bed.put(damage * 0x1000)
    traps = kind != "2.x" or damage[0] != 0xFF
    if kind == "3.x-new":  # with its note set, NodeMCU 3.x does not look at the sector again
        assert "rf_cal" in bed.run("boot").failed("boot-rf-cal").text
    done = bed.run().ok()
    assert done.wrote == traps
    assert bed.sector()[:128] == DATA
    assert set(bed.erased()) == ({f"{bed.place:#08x}..{bed.place + 0x1000:#08x}"} if traps else set())
    assert not bed.run().ok().wrote
    changed = [
        at for at in range(0, len(healthy), 0x1000) if healthy[at : at + 0x1000] != bed.board.cells()[at:][:0x1000]
    ]
    assert changed in ([], [bed.place]), "partition table, files and parameters are as they were"


@pytest.mark.parametrize("kind", ["old", "2.x", "3.x-new"])
def test_keep_leaves_it_alone(bench: Callable[[str], Bench], kind: str) -> None:
    bed = bench(kind)
    bed.run("flash", *(("boot=off", "allow=init-data") if kind == "old" else ())).ok()
    spoiled = b"\x31" + bytes(range(255)) * 16
    bed.put(spoiled[:0x1000])
    bed.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}", "init_data: keep")
    bed.run("flash", "boot=off").ok()
    before = bed.sector()
    bed.run().failed("boot-rf-cal")
    assert bed.sector() == before


@pytest.mark.parametrize("kind", ["2.x", "3.x-new"])
def test_valid_data_are_left_alone(bench: Callable[[str], Bench], kind: str) -> None:
    bed = bench(kind)
    bed.run().ok()
    bed.put(MINE)  # calibrated by somebody
    assert not bed.run().ok().wrote
    bed.run("flash", "boot=off").ok()
    assert bed.sector()[:128] == MINE


def test_single_bytes_are_set_and_nothing_else(bench: Callable[[str], Bench]) -> None:
    bed = bench("3.x-new")
    bed.run().ok()
    before = bed.sector()
    bed.profile("firmware: {image: fw.bin}", "init_data: {vdd33: true, crystal: 40, bytes: {2: 7}}")
    done = bed.run().ok()
    assert "byte 2 = 07, byte 48 = 00, byte 107 = FF" in done.text
    want = bytearray(before)
    want[2], want[48], want[107] = 7, 0, 0xFF
    assert bed.sector() == want
    assert not bed.run().ok().wrote


def test_a_plan_for_a_board_shows_it_and_writes_nothing(bench: Callable[[str], Bench]) -> None:
    bed = bench("3.x-new")
    bed.run().ok()
    bed.put(bytes(16))
    cells = bed.board.cells()
    done = bed.run("plan").ok()
    assert "SDK init data at 0x00f000: corrupt (first byte 00), version 05 written" in done.text
    assert "  write  " in done.out
    assert bed.board.cells() == cells


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("init_data: {source: keep, vdd33: true}", "leaves every byte alone"),
        ("init_data: {crystal: 25}", "24, 26, 40"),
        ("init_data: {bytes: {128: 0}}", "index below 128"),
        ("init_data: {bytes: {1: 256}}", "index below 128"),
        ("init_data: {vdd3: true}", "vdd33"),
        ("init_data: []", "a file of 128 bytes"),
    ],
)
def test_mistakes_in_the_profile(bench: Callable[[str], Bench], line: str, words: str) -> None:
    bed = bench("old")
    bed.profile("firmware: {image: fw.bin}", line)
    assert words in bed.run().failed("profile").text


def test_a_file_that_holds_none_is_refused_before_the_port_is_opened(bench: Callable[[str], Bench]) -> None:
    bed = bench("old")
    bed.profile("firmware: {image: fw.bin}", "init_data: fw.bin")
    bed.command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("init-data")
    bed.profile("firmware: {image: fw.bin}", "init_data: nowhere.bin")
    bed.command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("image-missing")


def test_a_file_is_pinned_where_the_profile_says_so(bench: Callable[[str], Bench]) -> None:
    bed = bench("old")
    mine = bed.project.folder / "mine.bin"
    mine.write_bytes(MINE)
    bed.profile("firmware: {image: fw.bin}", FILE, "lock: true")
    bed.run("flash", "boot=off").ok()
    assert "mine.bin:" in (bed.project.folder / "images.lock.yaml").read_text()
    mine.write_bytes(MINE[:-1] + b"\x77")
    bed.run("flash", "boot=off").failed("lock-mismatch")
    assert "mine.bin" in bed.command("lock", "profile=kitchen").ok().out
    bed.run("flash", "boot=off").ok()
    assert bed.sector()[127] == 0x77


# --- real images ------------------------------------------------------------------------------------------------------

REAL: Mapping[str, tuple[str, int]] = {
    "1.5.4.1": ("nodemcu-1.5.4.1-split/combined.bin", END),
    "2.2": ("nodemcu-2.2-cloud-float.bin", END),
    "3.0": ("nodemcu-3.0-cloud-float.bin", 0xC000),
}


@pytest.mark.images
@pytest.mark.parametrize("name", REAL)
def test_real_images_are_cured(
    project: Project, command: Command, tmp_path: Path, real_images: Path, name: str
) -> None:
    file, place = REAL[name]
    shutil.copy(real_images / file, project.folder / "fw.bin")
    bed = Bench(project, command, SimBoard(tmp_path / "cells", more="&fill=ff&execute=off"), place)
    bed.profile("firmware: {image: fw.bin}", "boot: {timeout: 5s}")
    bed.run().ok()
    bed.put(bytes(0x1000))
    done = bed.run().ok()
    assert f"SDK init data at {place:#08x}: corrupt (first byte 00)" in done.text
    assert bed.sector()[:16] == init_data.V05_HEAD
    assert not bed.run().ok().wrote
