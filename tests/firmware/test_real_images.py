"""Images that other people built and published: none may be refused, each must be called what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import (
    AggregatedInSplitError,
    HeaderlessError,
    ImageError,
    ImageSizeError,
    ImageTruncatedError,
    IncompleteSplitError,
    LineEndingsError,
    SwappedSplitError,
)
from flashpipe.firmware.flash_map import volatile
from flashpipe.firmware.identify import identify_firmware
from flashpipe.firmware.image import Image, check_layout, is_aggregated, parse_boot_image
from flashpipe.firmware.partition_table import parse_partitions
from flashpipe.flash import Region

PACKAGED = {
    "circuitpython-2.3.1.bin": "CircuitPython 2.3.1 (SDK 2.2.0-dev)",
    "circuitpython-3.0.0-beta.1.bin": "CircuitPython 3.0.0-beta.1 (SDK 2.2.0-dev)",
    "esp8266basic-3.0alpha.bin": "Arduino sketch (SDK 1.5.3)",
    "espruino-1v99.bin": "Espruino 1v99 (SDK 2.0.0)",
    "micropython+blinka-0.0.0.bin": "MicroPython 1.9.4-dirty (SDK 2.0.0)",
    "micropython-1.10.0.bin": "MicroPython 1.10-8-g8b7039d7d (SDK 2.2.0-dev)",
    "micropython-1.9.3.bin": "MicroPython 1.9.3-8-g63826ac5c (SDK 2.0.0)",
    "micropython-1.9.4.bin": "MicroPython 1.9.4-8-ga9a3caad0 (SDK 2.2.0-dev)",
    "nodemcu-1.5.4.1.bin": "NodeMCU 1.5.4.1 (SDK 1.5.4.1, float, SSL, 17 modules)",
    "punyforth-0.5.bin": "unknown firmware",  # a flash dump in which an older MicroPython survives
    "vanguard+rainbow-0.1.0.bin": "MicroPython 1.9.3-8-g63826ac5c (SDK 2.0.0)",
}
FOLDER = {
    "nodemcu-2.2-cloud-float.bin": "NodeMCU 2.2.1 (SDK 2.2.1, float, 13 modules)",
    "nodemcu-3.0-cloud-float.bin": "NodeMCU 3.0.0.0 (SDK 3.0.1-dev, float, 17 modules)",
    "nodemcu-1.5.4.1-split/combined.bin": "NodeMCU 1.5.4.1 (SDK 1.5.4.1, float)",
}
PAIRS = {
    "nodemcu-1.5.4.1-split": "NodeMCU 1.5.4.1 (SDK 1.5.4.1, float)",
    "nodemcu-3.0-split": "NodeMCU 3.0.0.0 (SDK 3.0.1-dev, float, 8 modules)",
}

pytestmark = pytest.mark.images


def read(path: Path) -> Image:
    return Image(path.name, path.read_bytes(), path.name)


def check(parts: dict[int, Image], flash_size: int = 0x400000) -> None:
    check_layout(parts, flash_size=flash_size, chip="esp8266")


@pytest.fixture
def pairs(images_folder: Path) -> dict[str, dict[int, Image]]:
    return {
        name: {0: read(images_folder / name / "0x00000.bin"), 0x10000: read(images_folder / name / "0x10000.bin")}
        for name in PAIRS
    }


def test_packaged_images_pass_and_are_named(packaged_images: list[Path]) -> None:
    titles = {}
    for path in packaged_images:
        image = read(path)
        check({0: image})
        titles[path.name] = identify_firmware({0: image.data}).title()
    assert titles == PACKAGED


@pytest.mark.parametrize("name", FOLDER)
def test_combined_files_pass_and_are_named(images_folder: Path, name: str) -> None:
    image = read(images_folder / name)
    check({0: image}, 0x100000)
    assert is_aggregated(image, parse_boot_image(image))
    assert identify_firmware({0: image.data}).title() == FOLDER[name]


def test_pairs_pass_and_are_named(pairs: dict[str, dict[int, Image]]) -> None:
    for name, parts in pairs.items():
        check(parts, 0x100000)
        assert identify_firmware({at: part.data for at, part in parts.items()}).title() == PAIRS[name]


def test_pair_and_its_combined_file_are_the_same_firmware(
    images_folder: Path, pairs: dict[str, dict[int, Image]]
) -> None:
    whole = (images_folder / "nodemcu-1.5.4.1-split" / "combined.bin").read_bytes()
    parts = {at: image.data for at, image in pairs["nodemcu-1.5.4.1-split"].items()}
    assert identify_firmware(parts) == identify_firmware({0: whole})


def test_details_of_the_cloud_builds(images_folder: Path) -> None:
    old = identify_firmware({0: (images_folder / "nodemcu-2.2-cloud-float.bin").read_bytes()})
    new = identify_firmware({0: (images_folder / "nodemcu-3.0-cloud-float.bin").read_bytes()})
    assert (old.sdk_line, old.layout, old.adjusts_size, old.branch, old.ssl) == ("2.x", "2.x", True, "master", False)
    assert ",".join(old.modules) == "adc,ds18b20,file,gpio,i2c,mqtt,net,node,pwm,tmr,u8g,uart,wifi"
    assert (new.sdk_line, new.layout, new.adjusts_size, new.lfs_size) == ("3.x", "3.x-old", False, 0)
    assert (new.release, new.number_type, new.build_date) == ("3.0-master_20200610", "float", "2020-07-22 07:20")
    assert new.code_end == 503808


def test_layout_generation_decides_what_is_volatile(pairs: dict[str, dict[int, Image]], images_folder: Path) -> None:
    new = identify_firmware({at: image.data for at, image in pairs["nodemcu-3.0-split"].items()})
    old = identify_firmware({0: (images_folder / "nodemcu-3.0-cloud-float.bin").read_bytes()})
    assert [entry.region for entry in volatile(new, 0x400000)] == [
        Region(0xD000, 0xE000),
        Region(0xF000, 0x10000),
        Region(0x10000, 0x11000),
        Region(0x3FD000, 0x400000),
    ]
    assert [entry.region for entry in volatile(old, 0x400000)] == [
        Region(0xB000, 0xC000),
        Region(0xC000, 0xD000),
        Region(0x10000, 0x11000),
        Region(0x3FD000, 0x400000),
    ]


def test_parts_in_the_wrong_place_are_named(pairs: dict[str, dict[int, Image]]) -> None:
    for parts in pairs.values():
        first, second = parts[0], parts[0x10000]
        whole = Image("whole.bin", first.data.ljust(0x10000, b"\xff") + second.data, "whole.bin")
        for kind, layout in (
            (IncompleteSplitError, {0: first}),
            (HeaderlessError, {0: second}),
            (SwappedSplitError, {0: second, 0x10000: first}),
            (AggregatedInSplitError, {0: whole, 0x10000: second}),
            (AggregatedInSplitError, {0: first, 0x10000: whole}),
        ):
            with pytest.raises(kind):
                check(layout)


def test_nodemcu_3_does_not_go_on_512_kb(pairs: dict[str, dict[int, Image]]) -> None:
    check(pairs["nodemcu-1.5.4.1-split"], 0x80000)
    with pytest.raises(ImageSizeError):
        check(pairs["nodemcu-3.0-split"], 0x80000)


@pytest.mark.parametrize("name", FOLDER)
@pytest.mark.parametrize("length", [10_000, 30_000, 60_000, 70_000, 200_000])
def test_files_cut_short_are_refused(images_folder: Path, name: str, length: int) -> None:
    whole = read(images_folder / name)
    with pytest.raises((ImageTruncatedError, IncompleteSplitError)):
        check({0: Image(whole.name, whole.data[:length], whole.origin)})


def test_text_mode_damage_is_named(images_folder: Path, packaged_images: list[Path]) -> None:
    for path in [*images_folder.rglob("*.bin"), *packaged_images]:
        if path.stat().st_size < 0x4000:  # too few line feeds to tell
            continue
        damaged = Image(path.name, path.read_bytes().replace(b"\n", b"\r\n"), path.name)
        for address in (0, 0x10000):
            with pytest.raises(LineEndingsError):
                check({address: damaged})


def test_other_text_damage_is_refused(images_folder: Path) -> None:
    for path in images_folder.rglob("*.bin"):
        if path.stat().st_size < 0x4000:  # too few bytes to tell
            continue
        damaged = path.read_bytes().decode("utf-8", "replace").encode()
        with pytest.raises(ImageError, match="text conversion"):
            check({0: Image(path.name, damaged, path.name)})


def test_table_of_a_real_3x_build_ends_where_its_file_ends(pairs: dict[str, dict[int, Image]]) -> None:
    code = pairs["nodemcu-3.0-split"][0x10000].data
    table = parse_partitions(code)
    assert table is not None
    assert table.code_end == 0x10000 + len(code)
