"""`flashpipe export`: its files, and that esptool makes a board of them that boots."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.cli.main import main
from flashpipe.sim.options import parse_url

from tests.harness import Done, Project
from tests.images import Builder
from tests.sim.executed import Booted
from tests.sim.test_against_esptool import Bed

Command = Callable[..., Done]
CHECKED = ("0x00000.bin", "0x80000.bin", "kitchen-merged.bin", "flash_args", "manifest.json")


@pytest.fixture
def kitchen(project: Project, firmware: Path) -> Path:
    """A project with a real firmware and a small file system; the folder of the export."""
    (project.folder / "data").mkdir()
    (project.folder / "data" / "hello.txt").write_text("hello")
    (project.folder / "kitchen.yaml").write_text(
        f"extends: esp12\nfirmware: {{image: '{firmware.as_posix()}', spiffs: {{folder: data, size: 64KB}}}}\n"
    )
    return project.folder / "dist"


def test_every_file_is_there_and_its_sum_is_right(kitchen: Path, command: Command, firmware: Path) -> None:
    done = command("export", "profile=kitchen").ok()
    assert "write-flash @flash_args" in done.out
    lines = [line.split("  ") for line in (kitchen / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert set(sums) == set(CHECKED)
    assert {path.name for path in kitchen.iterdir()} == {*CHECKED, "SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((kitchen / name).read_bytes()).hexdigest() == digest
    first, merged = (kitchen / "0x00000.bin").read_bytes(), (kitchen / "kitchen-merged.bin").read_bytes()
    assert first == firmware.read_bytes()[:2] + b"\x02\x40" + firmware.read_bytes()[4:], "dio, 4 MB, 40 MHz"
    assert merged == first.ljust(0x80000, b"\xff") + (kitchen / "0x80000.bin").read_bytes()
    manifest = json.loads((kitchen / "manifest.json").read_text())
    assert manifest["builds"] == [
        {
            "chipFamily": "ESP8266",
            "parts": [{"path": "0x00000.bin", "offset": 0}, {"path": "0x80000.bin", "offset": 0x80000}],
        }
    ]


def test_an_older_export_leaves_nothing_behind_and_foreign_files_stay(
    kitchen: Path, command: Command, project: Project
) -> None:
    command("export", "profile=kitchen").ok()
    (kitchen / "notes.txt").write_text("mine")
    with (kitchen / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  ../kitchen.yaml\n{'0' * 64}  notes.txt\n")
    command("export", "profile=kitchen", "to=dist", f"image={project.folder / 'fw.bin'}").failed("image-missing")
    (project.folder / "fw.bin").write_bytes(Builder().combine(Builder().pair_2x()))
    command("export", "profile=kitchen", "image=fw.bin").ok()
    assert {path.name for path in kitchen.iterdir()} == {*CHECKED, "SHA256SUMS", "notes.txt"} - {"0x80000.bin"}
    assert (project.folder / "kitchen.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("to=kitchen.yaml", "profile=kitchen"), "export"),
        (("profile=auto",), "export"),
        (("profile=kitchen", "port=COM3"), "unknown-variable"),
        (("kitchen", "demo"), "bad-value"),
        (("profile=kitchen", "profile=kitchen"), "bad-value"),
        ((), "unknown-profile"),
    ],
)
def test_bad_input_is_one_line(
    kitchen: Path, command: Command, project: Project, words: tuple[str, ...], code: str
) -> None:
    (project.folder / "auto.yaml").write_text("extends: kitchen\nflash: {size: auto}\n")
    command("export", *words).failed(code)
    assert not kitchen.exists()


def test_help_opens_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--help"]) == 0
    assert "usage: flashpipe export" in capsys.readouterr().out


# --- esptool ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    from flashpipe.sim.servers.pty import PtyPort  # noqa: PLC0415  POSIX only

    server = PtyPort(parse_url("sim://nodemcu-devkit?start=rom").build(), reset_on_sync=True)
    server.start()
    yield Bed(server, tmp_path)
    server.stop()


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")
@pytest.mark.parametrize("how", ["arguments", "merged", "manifest"])
def test_esptool_writes_it_and_the_board_boots(kitchen: Path, command: Command, bed: Bed, how: str) -> None:
    command("export", "profile=kitchen").ok()
    if how == "arguments":
        words: list[object] = ["@flash_args"]
    elif how == "merged":
        words = ["0x0", "kitchen-merged.bin"]
    else:
        parts = json.loads((kitchen / "manifest.json").read_text())["builds"][0]["parts"]
        words = [word for part in parts for word in (hex(part["offset"]), part["path"])]
    bed.folder = kitchen
    assert "Hash of data verified" in bed.run("--baud", 921600, "write-flash", *words)
    board = Booted(bed.cells(0, 0x400000))
    assert "Formatting" not in board.until(r"^> $").text
    assert board.ask('file.open("hello.txt") print(file.read()) file.close()') == "hello"
