"""What files are said to be: right where the bytes prove it, "unknown" elsewhere, and what the gate says of damage."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flashpipe.firmware.image import Image
from flashpipe.firmware.inspection import Inspection, inspect_images, memory_name
from flashpipe.flash import Region
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.test_link_address import whole
from tests.images import Builder, lfs_image, spiffs_image


def look(data: bytes, address: int | None = None) -> Inspection:
    return inspect_images([(address, Image("fw.bin", data, "fw.bin"))])


def kinds(found: Inspection) -> list[tuple[int, int, str]]:
    return [(one.region.start, one.region.end, one.kind) for file in found.files for one in file.stretches]


def codes(found: Inspection) -> list[str]:
    return [problem.code for problem in found.problems]


def ota(build: Any, *, crc: bool = True) -> bytes:
    """A 0xEA image: mapped code, then a version-1 image, then a CRC-32 as Espressif's tool makes it."""
    code = (b"\x0d\xf0code" * 1000)[:4096]
    head = struct.pack("<BBBBIII", 0xEA, 4, 0, 0, 0x40100004, 0, len(code))
    data = head + code + build.boot()
    plain = zlib.crc32(data)
    word = ~plain & 0xFFFFFFFF if plain >> 31 else plain + 1
    return bytes(data + (struct.pack("<I", word) if crc else b""))


# --- NodeMCU ---------------------------------------------------------------------------------------------------------


def test_a_whole_firmware_is_described(build: Any) -> None:
    start, code = build.pair_3x()
    found = look(build.combine((start, code)))
    (file,) = found.files
    assert (found.family, found.firmware.version, found.problems, found.notes) == ("nodemcu", "3.0.0.0", (), ())
    assert (file.format, file.chip, file.address, file.whole, file.crc) == ("ESP8266 image", "ESP8266", 0, True, "")
    assert file.covered() == 64 * 4 + 252
    assert kinds(found) == [
        (0, len(start), "checked"),
        (len(start), 0x10000, "blank"),
        (0x10000, 0x11000, "table"),
        (0x11000, 0x40000, "code"),
    ]


def test_a_pair_is_one_firmware(build: Any) -> None:
    start, code = build.pair_2x()
    found = inspect_images([(0, Image("a.bin", start, "a")), (0x10000, Image("b.bin", code, "b"))])
    assert (found.family, found.firmware.version, found.problems) == ("nodemcu", "2.2.1", ())
    assert [file.format for file in found.files] == ["ESP8266 image", "NodeMCU IROM part (0x10000.bin)"]
    assert kinds(found) == [(0, len(start), "checked"), (0x10000, 0x10000 + len(code), "code")]


def test_halves_alone_are_no_damage(build: Any) -> None:
    start, code = build.pair_3x()
    first, second = look(start), look(code)
    assert first.family == "unknown"
    assert "first file of a pair" in first.notes[0]
    assert (second.family, second.files[0].address) == ("nodemcu", 0x10000)
    assert (codes(first), codes(second)) == ([], [])


# --- other files -----------------------------------------------------------------------------------------------------


def test_0xea_images_with_and_without_their_crc(build: Any) -> None:
    proven, bare = look(ota(build)), look(ota(build, crc=False))
    assert (proven.files[0].format, proven.files[0].crc, proven.files[0].address) == ("0xEA image", "right", None)
    assert look(build.ota(0x82000)).files[0].address == 0x82000
    assert proven.files[0].covered() == len(ota(build))
    assert (bare.files[0].crc, bare.files[0].covered()) == ("none", 204)
    assert any("boot loader" in note for note in proven.notes)
    assert (codes(proven), codes(bare)) == ([], [])


@pytest.mark.parametrize("at", [0x20, 0x1040, -1])
def test_a_changed_bit_of_a_0xea_image_is_a_wrong_checksum(build: Any, at: int) -> None:
    data = bytearray(ota(build))
    data[at] ^= 1
    found = look(bytes(data))
    assert codes(found) == ["image-checksum"]
    assert found.files[0].covered() < len(data)


def test_a_0xea_image_cut_short(build: Any) -> None:
    assert codes(look(ota(build)[:2000])) == ["image-truncated"]
    assert codes(look(ota(build)[:10])) == ["image-truncated"]


def test_sketches_hold_two_images(build: Any) -> None:
    found = look(build.sketch(text=b"\0ESPHome version 2024.1.0\0"))
    assert (found.family, found.firmware.version) == ("esphome", "2024.1.0")
    assert [part.offset for part in found.files[0].parts] == [0, 0x1000]
    assert found.files[0].stretches[-1].what == "sketch, under a checksum"
    data = bytearray(build.sketch())
    data[0x2000] ^= 1
    assert codes(look(bytes(data))) == ["image-checksum"]


def test_an_application_for_a_second_boot_loader(build: Any) -> None:
    found = look(build.boot([(0x40210010, b"\x0d\xf0code" * 100), (0x40100000, bytes(64))]))
    assert (found.files[0].format, found.files[0].address) == ("ESP8266 image for a second boot loader", 0x10000)
    assert (codes(found), found.family) == ([], "unknown")


@pytest.mark.parametrize(
    ("data", "family", "title"),
    [
        (bytes([0xFF]) * 4096, "blank", "blank (FF throughout)"),
        (bytes(4096), "blank", "blank (00 throughout)"),
        (bytes.fromhex("05000402").ljust(128, b"\1"), "init-data", "SDK init data v05"),
        (bytes.fromhex("05080402").ljust(128, b"\1"), "init-data", "SDK init data v08"),
        (b"\xaa\x50\0\0\0\0\1\0\0\0\1\0app" + bytes(17), "partition-table", "RTOS SDK partition table"),
        (spiffs_image(16), "spiffs", "SPIFFS image"),
        (lfs_image(0x80000), "lfs", "LFS image"),
    ],
)
def test_files_that_are_no_firmware_and_no_mistake(data: bytes, family: str, title: str) -> None:
    found = look(data)
    assert (found.family, found.title, codes(found)) == (family, title, [])
    assert found.notes, "what it is for"
    assert (found.flashable, found.missing) == (False, "")


def test_an_application_of_the_first_boot_loaders_is_sound_and_wants_its_loader() -> None:
    found = look(whole(Builder().linked(0x11000)))
    assert (codes(found), found.files[0].address, found.flashable) == ([], 0x1000, False)
    assert "0x00000:BOOT.bin,0x01000:" in found.missing


def test_what_stands_elsewhere_is_not_called_cut_short_for_it() -> None:
    half = inspect_images([(0, Image("fw.bin", whole(Builder().linked(0x41000)), "fw.bin"))])
    assert [problem.code for problem in half.problems] == ["image-address"]


@pytest.mark.parametrize("data", [bytes(range(256)) * 16, b"\x12" * 1000])
def test_data_of_no_kind_are_a_problem(data: bytes) -> None:
    found = look(data)
    assert (found.family, found.title, codes(found)) == ("unknown", "unknown data", ["image-format"])
    assert found.problems[0].next


@pytest.mark.parametrize(("byte", "what"), [(0x00, "its pin"), (0xFF, "the supply voltage")])
def test_init_data_says_what_the_adc_measures(byte: int, what: str) -> None:
    data = bytearray(bytes.fromhex("05080402").ljust(128, b"\1"))
    data[107] = byte
    assert what in look(bytes(data)).notes[0]


def test_other_chips_are_named(build: Any) -> None:
    for number, address, family in ((0, 0x3FFF0030, "esp32"), (5, 0x3FCD5820, "esp32-c3"), (9, 0x3FCE3810, "esp32-s3")):
        found = look(build.newer_chip(number, address))
        assert (found.family, codes(found)) == (family, ["image-other-chip"])
        assert found.files[0].chip.lower() == family
    unknown = look(build.newer_chip(6, 0x3FCD5820))
    assert (unknown.family, unknown.files[0].chip) == ("other-chip", "another Espressif chip (number 6)")


def test_number_0_with_code_where_the_esp32_has_none_is_another_chip(build: Any) -> None:
    data = bytearray(build.newer_chip(0, 0x3FFFA0F0))
    data[4:8] = struct.pack("<I", 0x4005636C)  # an early tool's image for another chip
    assert look(bytes(data)).family == "other-chip"


# --- damage ----------------------------------------------------------------------------------------------------------


def test_damage_is_named_by_the_code_of_the_gate(build: Any) -> None:
    whole = build.combine(build.pair_3x())
    flipped = bytearray(whole)
    flipped[0x20] ^= 1
    for data, code in (
        (bytes(flipped), "image-checksum"),
        (whole[:100], "image-truncated"),
        (whole[:0x20000], "image-truncated"),
        (whole.replace(b"\n", b"\r\n"), "image-line-endings"),
        (b"<!DOCTYPE html><html>404</html>", "image-format"),
        (b'{"error": "not found"}', "image-format"),
        (b"PK\x03\x04" + bytes(100), "image-format"),
        (b"\x1f\x8b\x08" + bytes(100), "image-format"),
        (b"\xe9" + bytes(100), "image-format"),
    ):
        found = look(data)
        assert codes(found) == [code], (data[:20], found.problems)


def test_what_merely_begins_like_an_image_is_not_called_one() -> None:
    found = look(b"\xe9\x02\x02\x20" + bytes(range(200)) * 40)
    assert (found.family, found.files[0].chip, found.files[0].format) == ("unknown", "", "damaged or foreign image")


def test_every_byte_has_its_place_on_the_map(build: Any) -> None:
    for data in (build.combine(build.pair_2x()), build.sketch(), ota(build), build.boot(), build.sketch() + b"rest"):
        stretches = [one.region for one in look(data).files[0].stretches]
        assert sum(region.size for region in stretches) == len(data)
        assert all(left.end == right.start for left, right in pairwise(stretches))
        assert stretches[0].start == 0


@settings(max_examples=150, deadline=None)
@given(
    head=st.sampled_from(
        [b"", b"\xe9\x02\x02\x20\x04\x00\x10\x40", b"\xea\x04\x00\x00", b"\xe9" + bytes(23), b"\xff" * 4096]
    ),
    rest=st.binary(min_size=1, max_size=6000),
    address=st.sampled_from([None, 0, 0x1000, 0x10000]),
)
def test_any_bytes_get_a_report(head: bytes, rest: bytes, address: int | None) -> None:
    found = look(head + rest, address)
    assert found.title
    assert 0 <= found.files[0].covered() <= len(head + rest)
    if found.files[0].stretches:
        assert sum(one.region.size for one in found.files[0].stretches) == len(head + rest)


def test_memory_has_names() -> None:
    names = [memory_name(at) for at in (0x3FFE8000, 0x40100000, 0x40210010, 0)]
    assert names == ["data RAM", "instruction RAM", "mapped flash", "unknown memory"]


# --- real files ------------------------------------------------------------------------------------------------------


@pytest.mark.images
def test_real_images_have_no_problems_and_a_whole_map(images_folder: Path, packaged_images: list[Path]) -> None:
    for path in [*images_folder.rglob("*.bin"), *packaged_images]:
        data = path.read_bytes()
        found = look(data)
        assert codes(found) == [], path
        stretches = found.files[0].stretches
        if found.files[0].address is None:
            assert found.family == "blank"
            continue
        assert sum(one.region.size for one in stretches) == len(data)
        assert Region(0, 0x1000000).contains(stretches[-1].region)


@pytest.mark.images
def test_the_checksum_of_nodemcu_covers_little(images_folder: Path) -> None:
    for name, percent in (("nodemcu-2.2-cloud-float.bin", 6), ("nodemcu-3.0-cloud-float.bin", 6)):
        data = (images_folder / name).read_bytes()
        (file,) = look(data).files
        assert round(100 * file.covered() / len(data)) == percent


def test_a_half_of_esplua_is_not_called_nodemcus(build: Any) -> None:
    text = b"\0EspLua.ru 2.0.1 build 20160101, made of NodeMCU\n powered by Lua 5.1.4\0"
    found = look(build.linked(0x10000) + b"\x0d\xf0" * 200 + text)
    assert (found.family, found.files[0].format) == ("esplua", "ESP8266 code without a header")


@pytest.mark.parametrize("size", [0x8000, 0x18000])
def test_a_sound_first_half_whose_other_lies_further_up_is_not_called_cut_short(build: Any, size: int) -> None:
    words = struct.pack("<64I", *(0x40240000 + 0x400 * number for number in range(64)))
    first = build.boot([(0x40100000, words), (0x3FFE8000, bytes(0x4000)), (0x40101000, bytes(0x100))])
    found = look(first.ljust(size, b"\xff"))
    assert codes(found) == []
    assert "0x40000:FILE" in found.missing
