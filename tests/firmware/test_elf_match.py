"""An ELF and an image: names are given only where the code of both is the same."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest
from flashpipe.errors import NotAnImageError
from flashpipe.firmware.elf import read_elf
from flashpipe.firmware.elf_match import elf_of

from tests.elfs import make_elf
from tests.images import Builder

IROM = Random(1).randbytes(0x1000)
"""From 0x40210000: user_init has 0x20 bytes, lua_main is the rest."""
IN_INIT, IN_LUA, IN_START = 0x40210004, 0x40210800, 0x40100010


def names(
    tmp_path: Path, images: dict[int, bytes], *, code: bytes = IROM, at: int = 0x40210000
) -> tuple[str, list[str]]:
    """What is told, and the names of an address in each of the functions."""
    told = list[str]()
    (tmp_path / "app.elf").write_bytes(make_elf(code=((at, code),)))
    elf = elf_of(tmp_path / "app.elf", images, told.append)
    assert len(told) < 2
    return "".join(told), [elf.where(address).partition("+")[0] for address in (IN_INIT, IN_LUA, IN_START)]


ALL = ["user_init", "lua_main", "call_user_start"]


@pytest.mark.parametrize(
    "images", [{0x10000: IROM}, {0: bytes(0x10000) + IROM}, {0x10000: IROM[:16]}, {}, {0x200000: IROM}]
)
def test_one_of_the_same_build_and_one_that_nothing_can_be_held_against_is_believed(
    images: dict[int, bytes], tmp_path: Path
) -> None:
    assert names(tmp_path, images) == ("", ALL)


def test_one_of_another_image_names_nothing(tmp_path: Path) -> None:
    told, found = names(tmp_path, {0x10000: Random(2).randbytes(0x1000)})
    assert "is not of this image; places are not named" in told
    assert found == ["", "", ""]
    # The function itself is in no section: others tell.
    assert names(tmp_path, {0x10000: IROM}, code=bytes(16), at=0x40210F00)[1] == ["", "", ""]


def test_one_of_another_build_names_what_is_alike(tmp_path: Path) -> None:
    other = IROM[:4] + b"!" + IROM[5:]
    told, found = names(tmp_path, {0x10000: other})
    assert "of another build: 1 of its 3 functions differ; those are not named" in told
    assert found == ["", "lua_main", "call_user_start"]
    found = names(tmp_path, {0x10000: IROM[:0xF00] + bytes(0x100)})[1]
    assert found == ["user_init", "", "call_user_start"], "a function without a size ends where its section does"


def test_what_is_in_ram_is_held_against_what_is_loaded_there_by_the_same_program_only(tmp_path: Path) -> None:
    other = Builder().start()
    same = other[:4] + struct.pack("<I", 0x40100000) + other[8:]
    code = bytes(0x200)
    assert names(tmp_path, {0: same}, code=code, at=0x40100000)[1] == ["", "", ""]
    assert names(tmp_path, {0: other}, code=code, at=0x40100000) == ("", ALL), "a loader that starts it"


def test_one_without_names_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.elf").write_bytes(make_elf(stripped=True))
    with pytest.raises(NotAnImageError, match="has no names of functions"):
        read_elf(tmp_path / "app.elf")
