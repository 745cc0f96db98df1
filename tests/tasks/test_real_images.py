"""Real images on virtual boards: every byte where the plan says, and the verdict of each boot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from flashpipe.board.boot.watcher import Verdict
from flashpipe.board.session.session import Session
from flashpipe.flash import FlashSettings
from flashpipe.flasher.flash import flash
from flashpipe.flasher.model import BootExpectation, Policy
from flashpipe.flasher.probe import probe
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import FlashPlan
from flashpipe.profile.load import load_profile
from flashpipe.records import journal
from flashpipe.sources.resolve import load_source

from tests.harness import Project


@pytest.fixture(autouse=True, scope="module")
def predicted() -> None:
    """Not here: real images hold code, and it is executed."""


MAC = "5c:cf:7f:00:00:05"
OFF = Policy(boot=BootExpectation(check=False))
CHECK = Policy(boot=BootExpectation())

PACKAGED = {
    "nodemcu-1.5.4.1.bin": ("esp01", "prompt"),
    "micropython-1.9.3.bin": ("esp12", "python-prompt"),
    "micropython-1.9.4.bin": ("d1-mini", "python-prompt"),
    "micropython-1.10.0.bin": ("wroom-02", "python-prompt"),
    "micropython+blinka-0.0.0.bin": ("nodemcu-devkit", "python-prompt"),
    "circuitpython-2.3.1.bin": ("esp12", "python-prompt"),
    "circuitpython-3.0.0-beta.1.bin": ("d1-mini-pro", "python-prompt"),
    "vanguard+rainbow-0.1.0.bin": ("nodemcu-devkit", "python-prompt"),
    "esp8266basic-3.0alpha.bin": ("esp12", "firmware"),
    "espruino-1v99.bin": ("esp12", "firmware"),
    "punyforth-0.5.bin": ("esp12", "firmware"),
}
"""Image of the package to a board it fits and the verdict of its boot there."""
SPLIT_15, SPLIT_30 = "nodemcu-1.5.4.1-split", "nodemcu-3.0-split"
PUBLISHED: dict[str, tuple[dict[int, str], str, str]] = {
    "2.2": ({0: "nodemcu-2.2-cloud-float.bin"}, "nodemcu-devkit", "prompt"),
    "3.0": ({0: "nodemcu-3.0-cloud-float.bin"}, "esp12", "prompt"),
    "1.5.4.1": ({0: f"{SPLIT_15}/combined.bin"}, "esp01", "prompt"),
    "1.5.4.1 pair": ({0: f"{SPLIT_15}/0x00000.bin", 0x10000: f"{SPLIT_15}/0x10000.bin"}, "esp01-1m", "prompt"),
    "3.0 pair": ({0: f"{SPLIT_30}/0x00000.bin", 0x10000: f"{SPLIT_30}/0x10000.bin"}, "esp01-1m", "prompt"),
}
"""Layouts made of all files in the folder of real images."""


def plan_for(board: str, files: Mapping[int, Path]) -> FlashPlan:
    profile = load_profile(board, Path.cwd())
    settings = FlashSettings(profile.flash_mode, profile.flash_size, profile.flash_frequency)
    images = {address: load_source(str(path), path.parent) for address, path in files.items()}
    return make_plan(board, profile.chip, settings, images)


def run(port: str, plan: FlashPlan, policy: Policy) -> tuple[str, Verdict]:
    session = Session(port)
    try:
        done = flash(session, probe(session, plan, policy), policy)
    finally:
        session.close()
    return done.outcome, done.verdict


def check(tmp_path: Path, board: str, files: Mapping[int, Path]) -> Verdict:
    """Flash without a boot check and compare every cell, then check the boot; gives the verdict.

    The firmware runs from the end of the first flashing on, and changes what is its own.
    """
    cells = tmp_path / "cells"
    # Bare modules have no reset wires; on an adapter that has them no person is needed.
    board, _, more = board.partition("?")
    port = f"sim://{board}?flash={cells}&wiring=devkit&mac={MAC}&{more}".rstrip("&")
    new = Session(port)
    new.open()
    new.close()
    want = bytearray(cells.read_bytes())
    plan = plan_for(board, files)
    outcome, _ = run(port, plan, OFF)
    assert outcome == "flashed"
    for address, path in files.items():
        data = bytearray(path.read_bytes())
        if not address:
            data[2:4] = plan.settings.header_bytes()
        padding = -len(data) % 0x1000
        want[address : address + len(data) + padding] = data + b"\xff" * padding
    assert foreign(differences(cells.read_bytes(), want), plan) == []
    assert not journal.read(MAC).passed

    outcome, verdict = run(port, plan, CHECK)
    assert outcome == "skipped", "a boot check alone writes nothing"
    if verdict.kind == "firmware":  # its first start makes a file system, and takes long
        verdict = run(port, plan, CHECK)[1]
    assert journal.read(MAC).passed
    assert foreign(differences(cells.read_bytes(), want), plan) == []
    assert run(port, plan, OFF)[0] == "skipped", "what the firmware changed is no reason to write again"
    return verdict


def foreign(places: list[int], plan: FlashPlan) -> list[int]:
    """Those of what was written that are none of the firmware's business."""
    written, own = [segment.region for segment in plan.segments], plan.volatile_regions()
    inside = [at for at in places if any(region.start <= at < region.end for region in written)]
    return [at for at in inside if not any(region.start <= at < region.end for region in own)]


def differences(cells: bytes, want: bytes | bytearray) -> list[int]:
    assert len(cells) == len(want)
    sectors = (at for at in range(0, len(want), 0x1000) if cells[at : at + 0x1000] != want[at : at + 0x1000])
    return [at for start in sectors for at in range(start, start + 0x1000) if cells[at] != want[at]]


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_images_arrive_byte_for_byte_and_boot_as_expected(
    tmp_path: Path, firmware_folder: Path, name: str
) -> None:
    board, kind = PACKAGED[name]
    verdict = check(tmp_path, board, {0: firmware_folder / name})
    assert verdict.kind == kind, verdict.log


def test_every_image_of_the_package_is_in_the_table(firmware_folder: Path) -> None:
    assert {path.name for path in firmware_folder.glob("*.bin")} == set(PACKAGED)


@pytest.mark.images
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_nodemcus_arrive_byte_for_byte_and_boot(tmp_path: Path, real_images: Path, name: str) -> None:
    files, board, kind = PUBLISHED[name]
    verdict = check(tmp_path, board, {address: real_images / file for address, file in files.items()})
    assert verdict.kind == kind, verdict.log


@pytest.mark.images
def test_every_published_image_is_in_the_table(real_images: Path) -> None:
    named = {file for files, _, _ in PUBLISHED.values() for file in files.values()}
    others = {"layouts", "nodemcu-versions"}  # refused, or executed: see the tests of the gate and of the virtual board
    paths = [path.relative_to(real_images) for path in real_images.glob("**/*.bin")]
    assert {path.as_posix() for path in paths if path.parts[0] not in others} == named


# --- the commands that the project promises ---------------------------------------------------------------------------


@pytest.mark.images
def test_a_cloud_build_on_an_esp12(project: Project, real_images: Path) -> None:
    image = real_images / "nodemcu-3.0-cloud-float.bin"
    done = project.doit("flash", "profile=esp12", "port=sim://esp12", f"image={image}").ok()
    for word in ("connect", "ESP8266EX", "header   4MB, dio, 40 MHz", "bytes written", "as planned", "receipt"):
        assert word in done.text
    assert "firmware executed on an emulated core; radio and ROM modelled" in done.text
    (receipt,) = project.receipts()
    check_receipt(receipt, image)


def check_receipt(receipt: dict[str, object], image: Path) -> None:
    """Everything that a receipt promises."""
    assert (receipt["command"], receipt["outcome"], receipt["virtual"]) == ("flash", "flashed", True)
    assert receipt["format"] == "flashpipe-receipt/3"
    assert (receipt["profile"], receipt["port"], receipt["error"]) == ("esp12", "sim://esp12", "")
    device, verdict, tools = receipt["device"], receipt["verdict"], receipt["tools"]
    assert isinstance(device, dict)
    assert isinstance(verdict, dict)
    assert isinstance(tools, dict)
    assert device["chip"] == "ESP8266EX"
    assert (device["flash_id"], device["flash_size"], device["virtual"]) == (0x1640EF, 0x400000, True)
    assert (verdict["kind"], verdict["virtual"], verdict["firmware_executed"]) == ("prompt", True, True)
    assert verdict["executed"]["from"] == "boot"
    assert {"python", "esptool", "pyserial", "doit", "flashpipe"} <= set(tools)
    assert "never flashed from here" in str(receipt["reason"])
    (segment,) = receipt["segments"]  # type: ignore[misc]  # JSON
    data = bytearray(image.read_bytes())
    data[2:4] = b"\x02\x40"
    assert segment["md5"] == hashlib.md5(data).hexdigest()  # type: ignore[has-type]  # its size is a multiple of a sector
    assert receipt["written"] == ["0x000000..0x07b000"]
    assert receipt["sent_bytes"] == len(data)
    steps = [name for name, _ in receipt["steps"]]  # type: ignore[attr-defined]  # JSON
    assert steps == ["connect", "probe", "contents", "compare", "write", "verify", "boot"]


@pytest.mark.images
@pytest.mark.parametrize("pair", [SPLIT_15, SPLIT_30])
def test_split_pairs_on_an_esp01_with_1_mb(project: Project, real_images: Path, pair: str, tmp_path: Path) -> None:
    folder = real_images / pair
    image = f"image=0x00000:{folder / '0x00000.bin'},0x10000:{folder / '0x10000.bin'}"
    cells = tmp_path / "cells"
    words = ("flash", "profile=esp01-1m", image)
    project.doit(*words, f"port=sim://esp01-1m?flash={cells}", "boot=off").ok()
    data = cells.read_bytes()
    for address in (0, 0x10000):
        file = bytearray((folder / f"0x{address:05x}.bin").read_bytes())
        if not address:
            file[2:4] = b"\x03\x20"  # dout, 1 MB, 40 MHz
        own = 0x1000 if address and pair == SPLIT_30 else 0  # its partition table: it has begun to run
        assert data[address + own : address + len(file)] == file[own:]
    done = project.doit(*words, f"port=sim://esp01-1m?flash={cells}").ok()
    assert not done.wrote
    assert "at its prompt" in done.text or "a Lua prompt" in done.text


@pytest.mark.images
def test_a_flash_that_is_smaller_than_its_id_says_is_found_after_the_boot(
    project: Project, real_images: Path, tmp_path: Path
) -> None:
    image = real_images / "nodemcu-3.0-cloud-float.bin"
    port = f"port=sim://nodemcu-devkit?flash={tmp_path / 'cells'}&mac={MAC}&fault=wrong-size:1MB"
    done = project.flashpipe("flash", "profile=nodemcu-devkit", f"image={image}", port)
    done.failed("boot-no-image")  # its file system, formatted at the first start, lies over the firmware
    assert "[size-lie]" in done.text
