"""`doit plan`: what a flash would do, in a table and a map, by whole commands; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness import Done, Project
from tests.images import Builder

pytestmark = pytest.mark.usefixtures("one_process")

MAKE = Builder()
MAC = "5c:cf:7f:00:00:06"
ROW = re.compile(
    r"(?P<start>0x[0-9a-f]{6}) (?P<end>0x[0-9a-f]{6}) +(?P<size>[0-9,]+ (?:B|KB|MB))  (?P<action>\w+) "
    r"+(?:(?P<wire>[0-9,]+) +(?P<seconds>\d+\.\d)  )?(?P<what>\S.*)"
)


@dataclass
class Row:
    start: int
    end: int
    action: str
    wire: int
    seconds: float
    what: str


def rows(done: Done) -> list[Row]:
    """The table, with its columns where the heading says."""
    lines = done.out.splitlines()
    head = next(line for line in lines if line.startswith("from "))
    found = []
    for line in lines:
        if line.startswith("0x"):
            match = ROW.fullmatch(line)
            assert match, line
            assert match.start("action") == head.index("action")
            assert match.start("what") == head.index("what")
            found.append(
                Row(
                    int(match["start"], 16),
                    int(match["end"], 16),
                    match["action"],
                    int((match["wire"] or "0").replace(",", "")),
                    float(match["seconds"] or 0),
                    match["what"],
                )
            )
    assert all(left.end == right.start for left, right in pairwise(found))
    return found


def drawn(done: Done) -> str:
    return str(re.findall(r"^\|(.{64})\|$", done.out, re.MULTILINE)[0])


def actions(done: Done) -> set[str]:
    return {row.action for row in rows(done)}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A combined NodeMCU 3.x of 200 KB, with code that does not compress to nothing."""
    start, code = MAKE.pair_3x(0x20000)
    path = tmp_path / "nodemcu-3.bin"
    path.write_bytes(MAKE.combine((start, code)))
    return path


@pytest.fixture
def port(tmp_path: Path) -> str:
    return f"port=sim://nodemcu-devkit?flash={tmp_path / 'p.flash'}&mac={MAC}"


def plan(project: Project, *words: str) -> Done:
    return project.flashpipe("plan", "profile=esp12", *words)


# --- without a board -------------------------------------------------------------------------------------------------


def test_without_a_port_no_board_is_touched(project: Project, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHPIPE_PORT", "/dev/does-not-exist")
    done = plan(project, f"image={image}").ok()
    assert "connect" not in done.text
    assert "no board was asked: with port= the real difference is shown" in done.out
    assert not (project.folder / ".pipeline").exists()
    assert not project.journal()
    demo = project.flashpipe("plan", "profile=demo").ok()  # the profile names its port
    assert "connect" not in demo.text


def test_the_table_has_every_column_and_covers_the_flash(project: Project, image: Path) -> None:
    done = plan(project, f"image={image}").ok()
    head = next(line for line in done.out.splitlines() if line.startswith("from "))
    assert head.split() == ["from", "to", "size", "action", "wire", "seconds", "what"]
    table = rows(done)
    assert (table[0].start, table[-1].end) == (0, 0x400000)
    (written,) = [row for row in table if row.action == "write"]
    assert (written.start, written.end, written.what) == (0, 0x30000, "nodemcu-3.bin")
    assert 0 < written.wire < 0x30000
    assert written.seconds > 0
    assert "at 460800 baud" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    assert "keep     0x00d000..0x00e000, 0x00f000..0x010000, where the image has FF and the board has data" in done.out
    assert "then     the firmware makes 0x00d000..0x00e000, 0x00f000..0x011000 its own" in done.out


def test_a_slower_line_takes_longer(project: Project, firmware: Path) -> None:
    slow, fast = (plan(project, f"image={firmware}", f"baud={baud}").ok() for baud in (115200, 921600))
    assert "at 115200 baud" in slow.out
    assert sum(row.seconds for row in rows(slow)) > 2 * sum(row.seconds for row in rows(fast))


def test_the_map_is_to_scale(project: Project, image: Path) -> None:
    done = plan(project, f"image={image}").ok()
    assert drawn(done) == "###" + "." * 61  # 192 KB of 4 MB, 64 KB each
    assert "# write  . keep   (one character: 64 KB)" in done.out


def test_erase_all_is_shown(project: Project, image: Path) -> None:
    (project.folder / "wipe.yaml").write_text("extends: esp12\nerase: all\n")
    done = project.flashpipe("plan", "profile=wipe", f"image={image}").ok()
    assert actions(done) == {"write", "erase"}
    assert drawn(done) == "###" + "x" * 61


def test_a_long_name_is_cut_in_the_table_and_whole_above_it(project: Project, tmp_path: Path) -> None:
    name = "nodemcu-master-13-modules-2018-07-11-14-45-04-float-and-more.bin"
    (tmp_path / name).write_bytes(MAKE.boot())
    done = plan(project, f"image={tmp_path / name}").ok()
    assert name in done.out
    assert max(len(line) for line in done.out.splitlines() if line.startswith("0x")) <= 80
    assert rows(done)[0].what.endswith("nd-more.bin")


@pytest.mark.images
@pytest.mark.parametrize(("pair", "owned"), [("nodemcu-1.5.4.1-split", False), ("nodemcu-3.0-split", True)])
def test_split_pairs_leave_the_gap_alone(project: Project, real_images: Path, pair: str, *, owned: bool) -> None:
    folder = real_images / pair
    words = f"image=0x00000:{folder / '0x00000.bin'},0x10000:{folder / '0x10000.bin'}"
    done = project.flashpipe("plan", "profile=esp01-1m", words).ok()
    table = rows(done)
    assert [(row.start, row.what) for row in table if row.action == "write"] == [
        (0, "0x00000.bin"),
        (0x10000, "0x10000.bin"),
    ]
    assert actions(done) == {"write", "keep"}
    assert (0xD000, 0xE000, "RF calibration") in {(row.start, row.end, row.what) for row in table} or not owned
    assert "header   1MB, dout, 40 MHz" in done.out


# --- with a board ----------------------------------------------------------------------------------------------------


def test_with_a_port_the_real_difference_is_shown_and_nothing_changes(
    project: Project, image: Path, port: str, tmp_path: Path
) -> None:
    first = plan(project, f"image={image}", port).ok()
    cells = (tmp_path / "p.flash").read_bytes()
    assert "never flashed from here" in first.out
    assert actions(first) == {"write", "keep"}
    assert not project.journal()
    assert not project.receipts()

    project.flashpipe("flash", "profile=esp12", port, f"image={image}", "boot=off").ok()
    held = plan(project, f"image={image}", port).ok()
    assert actions(held) == {"skip", "volatile", "keep"}
    assert "is already up to date" in held.out

    flash = tmp_path / "p.flash"
    data = bytearray(flash.read_bytes())
    assert data != cells
    data[0x23456] ^= 0xFF
    flash.write_bytes(data)
    changed = plan(project, f"image={image}", port).ok()
    written = [(row.start, row.end) for row in rows(changed) if row.action == "write"]
    assert written == [(0, 0x1000), (0x23000, 0x24000)], "the boot sector is the guard of every write"
    size = image.stat().st_size
    assert flash.read_bytes()[:size] == data[:size], "nothing was written"  # behind it the firmware formats its files
    assert "changed by something else" in changed.out
    assert "forgets" not in changed.out, "this one has its flash in a file"

    done = project.flashpipe("flash", "profile=esp12", port, f"image={image}", "boot=off").ok()
    assert done.wrote
    assert project.receipts()[-1]["sent_bytes"] == sum(end - start for start, end in written), "as the plan said"


@pytest.mark.images
def test_after_a_boot_the_firmwares_own_parts_are_volatile(project: Project, real_images: Path, port: str) -> None:
    image = f"image={real_images / 'nodemcu-3.0-cloud-float.bin'}"
    project.flashpipe("flash", "profile=esp12", port, image).ok()
    done = plan(project, image, port).ok()
    volatile = [(hex(row.start), row.what) for row in rows(done) if row.action == "volatile"]
    assert volatile == [
        ("0xb000", "RF calibration"),
        ("0xc000", "SDK init data"),
        ("0x10000", "NodeMCU partition table"),
    ]
    assert "write" not in actions(done)
    assert drawn(done).startswith("~~======.")
    assert max(len(line) for line in done.out.splitlines() if "://" not in line) <= 100
    forced = plan(project, image, port, "force=1").ok()
    # Not started yet, it makes its file system up to the end of the flash, over what the factory's firmware left.
    assert actions(forced) == {"write", "keep", "lost"}


def test_erase_all_blanks_the_rest_and_spares_a_board_that_holds_the_image(
    project: Project, image: Path, port: str, tmp_path: Path
) -> None:
    (project.folder / "wipe.yaml").write_text("extends: esp12\nerase: all\n")
    words = ("profile=wipe", port, f"image={image}", "boot=off")
    project.flashpipe("flash", *words).ok()
    assert not (tmp_path / "p.flash").read_bytes()[0x30000:].strip(b"\xff")
    held = project.flashpipe("plan", *words).ok()
    assert "erase" not in actions(held)
    assert not project.flashpipe("flash", *words).ok().wrote


def test_the_board_runs_again_afterwards(project: Project, firmware: Path, port: str) -> None:
    (project.folder / "watch.py").write_text(
        "import sys\n"
        "from doit.doit_cmd import DoitMain\n"
        "from flashpipe.sim.ports.registry import boards\n"
        "status = DoitMain().run(sys.argv[1:])\n"
        "link = boards()['it']\n"
        "print('mode', link.board.mode)\n"
        "sys.exit(status)\n"
    )
    done = project.run("watch", "plan", "profile=esp12", f"image={firmware}", f"{port}&board=it&inline=1")
    assert "mode app" in done.ok().out


def test_a_size_that_the_board_decides(project: Project, image: Path) -> None:
    (project.folder / "auto.yaml").write_text("chip: esp8266\nflash: {size: auto, mode: dio}\n")
    without = project.flashpipe("plan", "profile=auto", f"image={image}").ok()
    assert "header   size from the board, dio, 40 MHz" in without.out
    asked = project.flashpipe("plan", "profile=auto", f"image={image}", "port=sim://wroom-02").ok()
    assert "header   2MB, dio, 40 MHz" in asked.out
    assert rows(asked)[-1].end == 0x200000


def test_several_boards_each_get_their_plan_and_a_wrong_one_its_refusal(project: Project, image: Path) -> None:
    done = project.flashpipe("plan", "profile=esp12", f"image={image}", "port=sim://esp12,sim://esp01,sim://d1-mini")
    assert done.failed("wrong-flash-size").status == 22
    assert done.out.count("from     to ") == 2


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (b"<!DOCTYPE html><html>404</html>", "image-format", 12),
        (MAKE.newer_chip(5, 0x400D0020), "image-other-chip", 12),
        (MAKE.boot()[:-40], "image-truncated", 12),
        (MAKE.boot()[:-1] + b"\x00", "image-checksum", 12),
    ],
)
def test_a_broken_image_is_refused_before_the_port_is_opened(
    project: Project, tmp_path: Path, data: bytes, code: str, status: int
) -> None:
    path = tmp_path / "broken.bin"
    path.write_bytes(data)
    done = project.flashpipe("plan", "profile=esp12", f"image={path}", "port=sim://esp12").failed(code)
    assert done.status == status
    assert "connect" not in done.text
    assert "from     to " not in done.out
    assert done.text.count("[code: ") == 1


def test_plain_doit_keeps_its_own_status(project: Project) -> None:
    assert project.doit("plan", "profile=esp12", "image=nowhere.bin").failed("image-missing").status == 1
    assert project.doit("plan").failed("unknown-profile").status == 1
    assert project.doit("plan", "profil=esp12").status == 3


@pytest.mark.parametrize("word", ["force=perhaps", "check=crc", "mode=dioo", "allow=everything", "baud=fast"])
def test_a_bad_value_is_refused_as_flash_refuses_it(project: Project, image: Path, word: str) -> None:
    assert project.flashpipe("plan", "profile=esp12", f"image={image}", word).failed("bad-value").status == 3


def test_no_port_fits(project: Project, image: Path) -> None:
    done = project.flashpipe("plan", "profile=esp12", f"image={image}", "port=/dev/nothing*").failed("port-missing")
    assert done.status == 20


def test_a_board_that_does_not_answer_is_diagnosed(project: Project, firmware: Path) -> None:
    port = "port=sim://nodemcu-devkit?wiring=none&start=app"
    done = project.flashpipe("plan", "profile=nodemcu-devkit", f"image={firmware}", port).failed("no-answer")
    assert "  cause: the reset line does not reach the chip" in done.err
    assert not project.receipts(), "nothing was to be changed"


def test_the_status_says_whether_something_would_be_written(
    command: Callable[..., Done], firmware: Path, tmp_path: Path
) -> None:
    words = ("profile=esp12", f"port=sim://esp12?flash={tmp_path / 'board'}", f"image={firmware}", "boot=off")
    assert command("plan", *words, "detailed_status=1").status == 2
    assert command("plan", *words).status == 0
    command("flash", *words).ok()
    assert command("plan", *words, "detailed_status=1").status == 0
    assert command("plan", "profile=nix", "detailed_status=1").status == 10
    assert command("plan", *words, "detailed_status=perhaps").status == 3
