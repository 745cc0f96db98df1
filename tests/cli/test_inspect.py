"""`flashpipe inspect` and `doit image`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flashpipe.cli.inspect import main
from flashpipe.firmware.image import Image
from flashpipe.firmware.inspection import inspect_images
from flashpipe.text.inspection import as_data, describe, drawn_size, picture

from tests.harness import Project
from tests.images import Builder

pytestmark = pytest.mark.usefixtures("one_process")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def build() -> Builder:
    return Builder()


@pytest.fixture
def folder(tmp_path: Path, build: Builder, monkeypatch: pytest.MonkeyPatch) -> Path:
    start, code = build.pair_3x()
    (tmp_path / "0x00000.bin").write_bytes(start)
    (tmp_path / "0x10000.bin").write_bytes(code)
    (tmp_path / "fw.bin").write_bytes(build.combine((start, code)))
    (tmp_path / "page.bin").write_bytes(b"<!DOCTYPE html><html><title>404</title></html>")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_file_is_told_with_its_firmware_checksum_and_map(folder: Path, capsys: Capture) -> None:
    assert folder.is_dir()
    assert main(["fw.bin"]) == 0
    out = capsys.readouterr().out
    for words in (
        "fw.bin: NodeMCU 3.0.0.0 (SDK 3.0.1-dev, integer, SSL, 7 modules, LFS 128 KB)",
        "a whole firmware for 0x000000",
        "dio, 1MB, 40m; entry 0x40100004",
        "to 0x40100000, instruction RAM",
        "proven     508 B of 262,144 B (0.2%)",
        "branch release, commit 0123456789abcdef0123456789abcdef01234567",
        "release 3.0-release_20201107, built 2020-11-29 15:53",
        "Lua 5.1.4, integer numbers, SSL, LFS 128 KB",
        "SDK line 3.x, flash layout 3.x-new",
        "modules    file gpio net node tmr uart wifi",
        "NodeMCU partition table",
        "|#...T===========",
    ):
        assert words in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("names", "last"),
    [
        (["0x00000.bin", "0x10000.bin"], "next: flashpipe flash 0x00000.bin 0x10000.bin profile=NAME"),
        (["fw.bin", "0x10000.bin"], ""),
        (["0x00000.bin", "0x10000.bin", "page.bin"], ""),
    ],
)
def test_a_pair_is_followed_by_the_command_that_flashes_it(
    folder: Path, capsys: Capture, names: list[str], last: str
) -> None:
    assert folder.is_dir()
    main(names)
    out = capsys.readouterr().out
    assert out.rstrip().endswith(last) if last else "next: flashpipe flash" not in out


def test_json_holds_everything(folder: Path, capsys: Capture) -> None:
    assert main(["--json", "fw.bin", "0x00000:0x00000.bin,0x10000:0x10000.bin"]) == 0
    whole, pair = told(capsys)
    for one in (whole, pair):
        assert (one["family"], one["version"], one["numbers"], one["ssl"]) == ("nodemcu", "3.0.0.0", "integer", True)
        assert (one["lfs_size"], one["sdk_line"], one["layout"]) == (0x20000, "3.x", "3.x-new")
        assert one["modules"] == ["file", "gpio", "net", "node", "tmr", "uart", "wifi"]
        assert (one["problems"], one["notes"]) == ([], [])
    (file,) = whole["files"]
    assert (file["name"], file["address"], file["size"]) == ("fw.bin", 0, (folder / "fw.bin").stat().st_size)
    (image,) = file["images"]
    assert (image["mode"], image["size"], image["frequency"]) == ("dio", "1MB", "40m")
    assert [segment["memory"] for segment in image["segments"]] == ["instruction RAM", "data RAM"]
    assert image["checksum_covers"] == file["proven_bytes"] == 508
    assert file["map"][-1] == {
        "start": 0x11000,
        "end": 0x40000,
        "kind": "code",
        "what": "code or data, under no checksum",
    }
    assert [part["address"] for part in pair["files"]] == [0, 0x10000]


def test_a_file_that_is_no_firmware_ends_with_the_status_of_its_class(folder: Path, capsys: Capture) -> None:
    assert folder.is_dir()
    assert main(["page.bin", "fw.bin"]) == 12
    out = capsys.readouterr().out
    assert "page.bin: HTML page" in out
    assert "[code: image-format]" in out
    assert "fw.bin: NodeMCU" in out


def test_a_file_that_is_not_there_does_not_hide_the_others(folder: Path, capsys: Capture) -> None:
    assert folder.is_dir()
    assert main(["none.bin", "fw.bin", "--json"]) == 11
    done = capsys.readouterr()
    assert "[code: image-missing]" in done.err
    missing, there = json.loads(done.out)
    assert there["family"] == "nodemcu"
    assert (missing["file"], missing["error"]["code"], missing["error"]["status"]) == ("none.bin", "image-missing", 11)
    assert missing["error"]["next"]


def test_the_picture_shows_the_flash_asked_for(folder: Path, capsys: Capture) -> None:
    assert folder.is_dir()
    assert main(["fw.bin", "--flash-size", "4MB"]) == 0
    out = capsys.readouterr().out
    assert "0x400000" in out
    assert "S SPIFFS" in out


def test_flash_sizes_that_do_not_exist_are_refused(project: Project) -> None:
    (project.folder / "a.bin").write_bytes(bytes(100))
    project.flashpipe("inspect", "a.bin", "--flash-size", "3MB").failed("bad-value")
    assert project.flashpipe("inspect", "a.bin").ok().out.startswith("a.bin: blank (00 throughout)")


def test_image_says_what_the_profiles_firmware_is(project: Project) -> None:
    out = project.doit("image", "profile=demo").ok().out
    assert "proven     27,412 B of 486,548 B (5.6%)" in out
    assert "|bcccccccSS" in out


@pytest.mark.parametrize("make", ["sketch", "boot"])
def test_any_image_can_be_told(build: Builder, make: str) -> None:
    found = inspect_images([(None, Image("fw.bin", getattr(build, make)(), "fw.bin"))])
    assert describe(found).startswith("fw.bin: ")
    assert json.dumps(as_data(found))
    assert drawn_size(found) == 0x100000


def test_a_header_without_names_and_a_file_beyond_every_flash(build: Builder) -> None:
    odd = build.boot(mode=9, packed=0xE7) + bytes(0x1000100)
    found = inspect_images([(None, Image("fw.bin", odd, "fw.bin"))])
    assert "mode 0x9, size 0xe, frequency 0x7" in describe(found)
    assert picture(found, drawn_size(found)).count("=") >= 63
