from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.partition_table import LFS, SPIFFS, with_places
from flashpipe.firmware.spiffs import BLOCK, FileSystem
from flashpipe.firmware.spiffs_image import make_spiffs
from flashpipe.firmware.survey import NOTHING, BoardContents, ResidentArea, from_json, survey
from flashpipe.flash import Region

from tests.firmware.flashes import Flash, put_files
from tests.images import Builder

SIZE = 0x400000
MAKE = Builder()
END_2X = {"rf_cal": 0x3FB000, "phy_init": 0x3FC000, "system_params": 0x3FD000}


def flash(*parts: tuple[int, bytes]) -> Flash:
    cells = bytearray(b"\xff" * SIZE)
    for address, data in parts:
        cells[address : address + len(data)] = data
    return Flash(cells)


def booted_2x(*, header: int = 0x40) -> Flash:
    image = bytearray(MAKE.combine(MAKE.pair_2x()))
    image[3] = header
    found = flash((0, bytes(image)), (0x3FB000, b"cal"), (0x3FC000, b"\x05\x00"), (0x3FD000, b"params"))
    put_files(found.cells, 0x50000, 469)
    return found


@pytest.mark.parametrize("fill", [b"\xff", b"\0"])
def test_a_board_of_one_value_is_blank(fill: bytes) -> None:
    assert survey(Flash(bytearray(fill * SIZE)), SIZE) == BoardContents("blank")


def test_factory_firmware_is_named() -> None:
    greeting = b"\0AT version:1.1.0.0\0" + b"\0" * 20
    found = survey(flash((0, MAKE.boot([(0x40100000, greeting + bytes(-len(greeting) % 4))]))), SIZE)
    assert (found.kind, found.title) == ("factory", "AT firmware 1.1.0.0")


def at_behind_a_boot_loader(code: int) -> Flash:
    loader = MAKE.boot([(0x40100000, b"\0\n2nd boot version : 1.6\n\0" + bytes(3))])
    head = b"\xea\x04\x00\x01" + bytes(8) + code.to_bytes(4, "little")
    texts = b"\0AT version:1.3.0.0(Jul 14 2016 18:54:01)\0+GMR\0"
    return flash((0, loader), (0x1000, head + Random(1).randbytes(code)), (0x1010 + code, texts))


def test_factory_firmware_behind_its_boot_loader_is_named() -> None:
    board = at_behind_a_boot_loader(0x60000)
    found = survey(board, SIZE)
    assert (found.kind, found.title) == ("factory", "AT firmware 1.3.0.0")
    assert board.read_bytes < 0x20000


def test_a_boot_loader_with_something_else_behind_it_is_foreign() -> None:
    board = at_behind_a_boot_loader(0x60000)
    board.cells[0x61010:0x61080] = bytes(0x70)
    assert survey(board, SIZE).kind == "foreign"
    board.cells[0x1000] = 0xFF
    assert survey(board, SIZE).kind == "foreign"


def test_factory_firmware_without_a_boot_loader_is_named_by_its_part_for_ram() -> None:
    texts = b"\0AT version:0.21.0.0\0+GMR\0"
    low = MAKE.boot([(0x40100000, bytes(0x1800)), (0x3FFE8000, texts + bytes(-len(texts) % 4))])
    found = survey(flash((0, low), (0x11000, Random(1).randbytes(0x30000))), SIZE)
    assert (found.kind, found.title) == ("factory", "AT firmware 0.21.0.0")


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (MAKE.sketch(), "Arduino sketch"),
        (MAKE.boot().ljust(0x10000, b"\xff") + Random(1).randbytes(0x30000), "unknown firmware"),
        (b"\xff" * 0x10000 + Random(2).randbytes(0x80000), "unknown firmware"),
    ],
)
def test_what_is_not_nodemcu_is_foreign(data: bytes, title: str) -> None:
    found = survey(flash((0, data)), SIZE)
    assert (found.kind, found.title, found.areas) == ("foreign", title, ())


def test_bytes_that_start_nothing_are_no_firmware() -> None:
    found = survey(flash((0, Random(2).randbytes(0x80000))), SIZE)
    assert (found.kind, found.title, found.areas) == ("blank", NOTHING, ())


def test_2x_is_known_by_its_texts_and_its_file_system_by_its_marks() -> None:
    board = booted_2x()
    found = survey(board, SIZE)
    assert (found.kind, found.sdk_line, found.layout) == ("nodemcu", "2.x", "2.x")
    assert found.files == FileSystem(0x50000, 469)
    assert {item.name: item.region.start for item in found.areas} == {**END_2X, "spiffs": 0x50000}
    assert board.read_bytes < 64 * 1024
    assert board.digested <= 0x60000


@pytest.mark.parametrize(("start", "known"), [(0x50000, False), (0x46000, True)])
def test_files_with_early_marks_are_found(start: int, *, known: bool) -> None:
    board = booted_2x()
    board.cells[0x50000:0x3FA000] = b"\xff" * (0x3FA000 - 0x50000)
    image = make_spiffs({"init.lua": b"x"}, 0x3FA000 - start, rule="early")
    board.cells[start:0x3FA000] = image
    firmware = Firmware("nodemcu", version="2.0.0", sdk_line="2.x", layout="2.x", code_end=0x40000)
    found = survey(board, SIZE, firmware if known else None)
    assert found.files == FileSystem(start, (0x3FA000 - start) // BLOCK, BLOCK, "early")
    assert from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_is_known_already_is_not_looked_for() -> None:
    board = booted_2x()
    found = survey(board, SIZE, Firmware("nodemcu", version="2.2.1", sdk_line="2.x", layout="2.x"))
    assert found.version == "2.2.1"
    assert found.files == FileSystem(0x50000, 469)
    assert board.read_bytes < 9 * 1024
    assert board.digested == 0


def test_parameters_stand_where_the_header_on_the_board_puts_them() -> None:
    board = booted_2x(header=0x20)  # 1 MB
    put_files(board.cells, 0x50000, 85)
    board.cells[0xFD000:0xFD004] = b"wifi"
    found = survey(board, SIZE)
    assert {item.name: item.region.start for item in found.areas} == {"system_params": 0xFD000, "spiffs": 0x50000}


def test_init_data_that_is_none_is_nothing_to_keep() -> None:
    board = booted_2x()
    board.cells[0x3FC000] = 0x31
    assert survey(board, SIZE).area("phy_init") is None


@pytest.mark.parametrize(("layout", "cal"), [("new", 0xD000), ("old", 0xB000)])
def test_3x_is_known_by_its_partition_table_alone(layout: str, cal: int) -> None:
    board = flash((0, MAKE.combine(MAKE.pair_3x(layout=layout))), (cal, b"cal"))
    put_files(board.cells, 0x40000, 400)
    found = survey(board, SIZE)
    assert (found.kind, found.sdk_line, found.layout) == ("nodemcu", "3.x", f"3.x-{layout}")
    assert [item.name for item in found.areas] == ["rf_cal", "spiffs"]
    assert board.read_bytes < 9 * 1024
    assert board.digested == 0


def test_the_table_on_the_board_counts_not_the_builds() -> None:
    board = flash((0, MAKE.combine(MAKE.pair_3x())))
    moved = {LFS: Region(0x80000, 0xA0000), SPIFFS: Region(0x100000, 0x200000)}
    board.cells[0x10000:0x11000] = with_places(bytes(board.cells[0x10000:0x11000]), moved) or b""
    put_files(board.cells, 0x100000, 128)
    assert survey(board, SIZE).area("lfs") == ResidentArea("lfs", moved[LFS], blank=True)
    board.cells[0x80000:0x80004] = b"lua!"
    found = survey(board, SIZE)
    assert found.area("lfs") == ResidentArea("lfs", moved[LFS])
    assert found.area("spiffs") == ResidentArea("spiffs", moved[SPIFFS])


def test_where_a_search_by_wide_steps_hits_the_middle_of_the_marks_the_file_system_begins_there() -> None:
    # 1 MB, code to 0x81000: made at 0x8A000, but found from 0x90000 on, the first multiple of 64 KiB
    image = MAKE.combine(MAKE.pair_2x(0x71000))
    board = flash((0, image))
    put_files(board.cells, 0x8A000, 56)
    known = Firmware("nodemcu", version="2.2.1", sdk_line="2.x", layout="2.x", code_end=0x81000)
    board.cells[3] = 0x20
    assert survey(board, 0x100000, known).files == FileSystem(0x90000, 53)


def test_of_nodemcu_before_its_file_systems_had_marks_all_behind_the_code_counts() -> None:
    known = Firmware("nodemcu", version="0.9.6", sdk_line="0.9", code_end=0x60000)
    found = survey(flash((0, MAKE.combine(MAKE.pair_2x())), (3, b"\x40")), SIZE, known)
    assert (found.files, found.area("spiffs")) == (None, ResidentArea("spiffs", Region(0x60000, 0x3FC000)))


@pytest.mark.parametrize(("end", "lead"), [(0x3FA000, b""), (0x3FC000, b"\0garbage"), (0x400000, b"")])
def test_files_that_outlive_their_firmware_are_found(end: int, lead: bytes) -> None:
    board = flash((0, lead))
    put_files(board.cells, 0x82000, (end - 0x82000) // 0x2000)
    found = survey(board, SIZE)
    assert (found.kind, found.title, found.layout) == ("nodemcu", "no firmware, but files", "")
    assert found.areas == (ResidentArea("spiffs", Region(0x82000, end)),)


def test_it_survives_the_journal() -> None:
    found = survey(booted_2x(), SIZE)
    assert from_json(json.loads(json.dumps(found.to_json()))) == found
    assert from_json(json.loads(json.dumps(BoardContents("blank").to_json()))) == BoardContents("blank")


@pytest.mark.images
@pytest.mark.parametrize("rest", [0x2000, 0x8000, 0xE000])
@pytest.mark.parametrize("before", ["2.x", "3.x", "other"])
def test_2x_is_known_below_the_end_of_something_longer_that_stood_there_before(before: str, rest: int) -> None:
    size = 0x30000 + rest
    longer = {"2.x": MAKE.pair_2x(size)[1].replace(b"2.2", b"2.1"), "3.x": MAKE.pair_3x(size)[1]}
    board = flash((0x10000, longer.get(before, Random(2).randbytes(size))))
    image = MAKE.combine(MAKE.pair_2x())
    board.cells[: len(image)] = image
    board.cells[3] = 0x40
    put_files(board.cells, 0x60000, 461)
    found = survey(board, SIZE)
    assert (found.kind, found.sdk_line, found.layout) == ("nodemcu", "2.x", "2.x")
    assert found.files == FileSystem(0x60000, 461, 0x2000)


def test_2x_is_known_where_no_block_between_code_and_files_or_parameters_is_blank() -> None:
    size = 0x80000
    image = MAKE.combine(MAKE.pair_2x(0x68000))
    full = bytearray(image.ljust(size, b"\xff"))
    full[0x7D000:] = b"parameters".ljust(0x3000, b"\0")
    assert survey(Flash(full), size).sdk_line == "2.x"
    put_files(full, 0x78000, 1)
    assert survey(Flash(full), size).sdk_line == "2.x"


@pytest.mark.parametrize(
    ("name", "title", "line"),
    [
        ("nodemcu-2.2-cloud-float.bin", "NodeMCU 2.2.1 (SDK 2.2.1, float, 13 modules)", "2.x"),
        ("nodemcu-1.5.4.1-split/combined.bin", "NodeMCU 1.5.4.1 (SDK 1.5.4.1, float)", "1.5.4.1"),
        ("nodemcu-3.0-cloud-float.bin", "NodeMCU 3.x", "3.x"),
    ],
)
def test_real_firmware_is_recognised_in_flash(images_folder: Any, name: str, title: str, line: str) -> None:
    found = survey(flash((0, (images_folder / name).read_bytes())), SIZE)
    assert (found.kind, found.title, found.sdk_line) == ("nodemcu", title, line)
