"""Addresses to functions and lines, on ELF files built by hand from the formats' descriptions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from flashpipe.errors import ImageMissingError, NotAnImageError
from flashpipe.firmware.elf import read_elf

from tests.elfs import make_elf


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.elf"
    path.write_bytes(make_elf())
    return path


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (0x40100000, "call_user_start+0x0"),
        (0x401000FF, "call_user_start+0xff"),
        (0x40100100, ""),
        (0x40210000, "user_init+0x0 (user_main.c:10)"),
        (0x40210003, "user_init+0x3 (user_main.c:12)"),
        (0x40210010, "user_init+0x10 (lua.c:200)"),
        (0x40210030, "lua_main+0x10"),
        (0x40000000, ""),
    ],
)
def test_an_address_is_named(elf: Path, address: int, place: str) -> None:
    assert read_elf(elf).where(address) == place


def test_lines_of_a_crash_are_explained_and_no_others(elf: Path) -> None:
    found = read_elf(elf)
    registers = "epc1=0x40210003, epc2=0x00000000, epc3=0x40100004, excvaddr=0x00000004, depc=0x00000000"
    assert found.explain(registers) == [
        "  0x40210003 is in user_init+0x3 (user_main.c:12)",
        "  0x40100004 is in call_user_start+0x4",
    ]
    stack = "3fffffb0:  3fffdad0 00000000 40210010 40210010"
    assert found.explain(stack) == ["  0x40210010 is in user_init+0x10 (lua.c:200)"]
    assert found.explain("load 0x40100000, len 28740, room 16") == []
    assert found.explain("heap at 40210003") == []


def test_what_is_no_elf_of_this_chip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.elf"
    with pytest.raises(ImageMissingError, match=r"x\.elf"):
        read_elf(path)
    whole = make_elf()
    for data in (b"", b"\xe9\x01", whole.replace(struct.pack("<H", 94), struct.pack("<H", 62), 1)):
        path.write_bytes(data)
        with pytest.raises(NotAnImageError, match="no ELF of an ESP8266"):
            read_elf(path)
    for cut in range(52, len(whole), 37):
        path.write_bytes(whole[:cut])
        with pytest.raises(NotAnImageError, match="a damaged ELF"):
            read_elf(path)
