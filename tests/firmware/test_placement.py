"""LFS and SPIFFS images: what is one, and where it goes."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from flashpipe.errors import LfsImageError, LfsPartitionError, SpiffsImageError
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image
from flashpipe.firmware.placement import place_lfs, place_spiffs
from flashpipe.flash import FlashSettings
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import without_placed

from tests.images import lfs_image, spiffs_image, with_partitions

SIZE = 0x400000
LFS_AT = 0x40000
"""After 0x30000 bytes of code from 0x10000."""


def firmware(build: Any, **partitions: tuple[int, int]) -> Firmware:
    start, code = with_partitions(build.pair_3x(), **partitions)
    return identify_firmware({0: start, 0x10000: code})


def image(data: bytes) -> Image:
    return Image("part.img", data, "part.img")


@pytest.fixture
def roomy(build: Any) -> Firmware:
    """Integer numbers and Lua 5.1, 128 KB of LFS."""
    return firmware(build, lfs=(0, 0x20000))


def test_an_lfs_image_goes_after_the_code(roomy: Firmware) -> None:
    assert place_lfs(image(lfs_image(LFS_AT)), roomy, SIZE) == LFS_AT


def test_an_lfs_image_goes_where_the_table_says(build: Any) -> None:
    assert place_lfs(image(lfs_image(0x80000)), firmware(build, lfs=(0x80000, 0x20000)), SIZE) == 0x80000


def test_no_lfs_partition(build: Any) -> None:
    for without in (firmware(build, lfs=(0, 0)), Firmware("nodemcu", layout="2.x", code_end=0x70000)):
        with pytest.raises(LfsPartitionError, match="no LFS partition") as caught:
            place_lfs(image(lfs_image(LFS_AT)), without, SIZE)
        assert "LUA_FLASH_STORE" in caught.value.hint


def test_an_lfs_image_that_is_too_large(roomy: Firmware) -> None:
    place_lfs(image(lfs_image(LFS_AT, size=0x20000)), roomy, SIZE)
    with pytest.raises(LfsPartitionError, match="128 KB"):
        place_lfs(image(lfs_image(LFS_AT, size=0x20004)), roomy, SIZE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b" + bytes(200), "packed"),
        (b"\xa1\xaf", "cut short"),
        (bytes(200), "begins with 0x00000000"),
        (lfs_image(LFS_AT, signature=0xFAFAAF52), "addresses are not settled"),
        (lfs_image(LFS_AT)[:-4], "its header says"),
        (lfs_image(LFS_AT, signature=0xFAFAA251), "Lua 5.3"),
        (lfs_image(LFS_AT, signature=0xFAFAAF51), "for float builds"),
        (lfs_image(0x50000), "built for another place"),
    ],
)
def test_an_lfs_image_that_this_firmware_would_not_take(roomy: Firmware, data: bytes, words: str) -> None:
    with pytest.raises(LfsImageError, match=words) as caught:
        place_lfs(image(data), roomy, SIZE)
    assert "-a 0x40240000" in caught.value.hint


@pytest.mark.parametrize(
    ("partitions", "start"),
    [
        ({}, 0x40000),
        ({"lfs": (0, 0x20000)}, 0x60000),
        ({"spiffs": (0, 0x80000)}, 0x100000),
        ({"spiffs": (0x200000, 0x80000)}, 0x200000),
        ({"spiffs": (0, 0x300000)}, 0x40000),
    ],
)
def test_a_spiffs_image_goes_where_3x_looks(build: Any, partitions: dict[str, tuple[int, int]], start: int) -> None:
    assert place_spiffs(image(spiffs_image(8)), firmware(build, **partitions), SIZE) == start


@pytest.mark.parametrize(
    ("code_end", "size", "start"),
    [
        (0x70680, 0x400000, 0x80000),
        (0x70000, 0x400000, 0x70000),
        (0x69001, 0x80000, 0x6A000),
        (0x68DA4, 0x80000, 0x6A000),
    ],
)
def test_a_spiffs_image_goes_where_2x_looks_first(code_end: int, size: int, start: int) -> None:
    built = Firmware("nodemcu", sdk_line="2.x", layout="2.x", code_end=code_end)
    assert place_spiffs(image(spiffs_image(4)), built, size) == start


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(0x8000), "no SPIFFS"),
        (spiffs_image(8)[:-0x1000], "cut short"),
        (spiffs_image(16), "do not fit the 64 KB"),
    ],
)
def test_a_spiffs_image_that_does_not_fit(build: Any, data: bytes, words: str) -> None:
    with pytest.raises(SpiffsImageError, match=words) as caught:
        place_spiffs(image(data), firmware(build, spiffs=(0, 0x10000)), SIZE)
    assert "spiffsimg" in caught.value.hint


def test_a_firmware_of_which_the_place_is_not_known() -> None:
    with pytest.raises(SpiffsImageError, match="not known"):
        place_spiffs(image(spiffs_image(4)), Firmware("micropython"), SIZE)


def test_a_plan_places_both_and_leaves_them_to_the_firmware(build: Any) -> None:
    pair = with_partitions(build.pair_3x(), lfs=(0, 0x20000))
    images = {at: Image(f"{at:05x}.bin", data, "x") for at, data in zip((0, 0x10000), pair, strict=True)}
    parts = {"lfs": image(lfs_image(LFS_AT)), "spiffs": image(spiffs_image(8))}
    settings = FlashSettings("dio", "4MB", "40m")
    plan = make_plan("esp12", "esp8266", settings, images, parts=parts)
    assert [(part.address, part.area) for part in plan.segments if part.area] == [(0x40000, "lfs"), (0x60000, "spiffs")]
    owned = {region.start for region in plan.volatile_regions()}
    assert {0x40000, 0x60000} <= owned
    less = without_placed(plan, ["spiffs"])
    assert [part.area for part in less.segments if part.area] == ["lfs"]
    assert less.fingerprint == plan.fingerprint != make_plan("esp12", "esp8266", settings, images).fingerprint
    assert struct.unpack_from("<I", less.segments[-1].data)[0] == 0xFAFAAF53
