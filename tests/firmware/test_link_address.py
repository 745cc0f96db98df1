"""Where code was linked for, whether it goes on behind its end, whether two halves belong together."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest
from flashpipe.firmware.boot_image import read_image
from flashpipe.firmware.link_address import WINDOW, empty_place, find_link, flash_words, misses_code, of_one_build
from flashpipe.flash import Region
from hypothesis import given
from hypothesis import strategies as st

from tests.images import Builder

MAKE = Builder()
SIZE = 0x8000


def whole(code: bytes, address: int = 0x10000) -> bytes:
    """A file for 0 with this code further on."""
    return MAKE.boot().ljust(address, b"\xff") + code


@pytest.mark.parametrize("address", [0x1000, 0x2000, 0x9000, 0x10000, 0x40000, 0x81000, 0x82000, 0xC1000])
def test_code_says_where_it_was_linked_for(address: int) -> None:
    link = find_link(MAKE.linked(address, SIZE))
    assert link is not None
    assert link.address == address
    assert link.votes > 4 * link.second
    assert link.fits(address)
    assert link.fits(address + WINDOW), "the second MiB is mapped over the first"
    assert not link.fits(address + 0x1000)


def test_a_whole_file_says_so_too() -> None:
    link = find_link(whole(MAKE.linked(0x10000, SIZE)))
    assert link is not None
    assert link.address == 0


def test_code_for_two_places_proves_none() -> None:
    assert find_link(MAKE.linked(0x1000, SIZE) + MAKE.linked(0x81000, SIZE)) is None


@given(st.binary(max_size=4096))
def test_noise_proves_nothing(data: bytes) -> None:
    assert find_link(data) is None


def test_much_noise_proves_nothing() -> None:
    assert find_link(Random(3).randbytes(0x80000)) is None


def test_words_are_aligned_and_of_the_window() -> None:
    data = struct.pack("<5I", 0x40200000, 0x402FFFFC, 0x40300000, 0x401FFFFC, 0x40212345) + b"\x40\x21\x43"
    assert flash_words(data) == (0, 0xFFFFC, 0x12345)


@pytest.mark.parametrize("address", [0, 0x10000, WINDOW + 0x10000])
@pytest.mark.parametrize("filler", [b"\xff", b"\0"])
def test_an_empty_sector_in_the_middle_of_code_that_something_points_to(address: int, filler: bytes) -> None:
    target = (address + 0x3120) % WINDOW
    word = struct.pack("<I", 0x40200000 + target)
    code = Random(4).randbytes(0x6000).replace(b"\x40", b"\x41")
    holed = word + code[4:0x3000] + filler * 0x1000 + code[0x4000:]
    assert empty_place(holed, address) == target
    assert empty_place(word + code[4:], address) is None, "nothing is missing"
    assert empty_place(code[:0x3000] + filler * 0x1000 + code[0x4000:], address) is None, "nothing points there"
    assert empty_place(word + code[4:0x3000] + filler * 0x2000 + code[0x5000:], address) is None, "room between parts"


@pytest.mark.parametrize(
    ("begin", "count", "told"),
    [
        (0x13000, 8, True),
        (0x13000, 1, False),
        (0xC000, 3, True),
        (0x13000, 17, False),
        (0x1E000, 2, False),
        (0xC000, 5, False),
    ],
    ids=["several", "one that nothing points to", "before a part", "room", "up to a part", "over its beginning"],
)
@pytest.mark.parametrize("filler", [b"\xff", b"\0"])
def test_empty_sectors_in_the_middle_of_code_are_a_hole_by_themselves(
    begin: int,
    count: int,
    told: bool,  # noqa: FBT001
    filler: bytes,
) -> None:
    code = bytearray(Random(5).randbytes(0x30000).replace(b"\x40", b"\x41"))
    code[begin : begin + count * 0x1000] = filler * (count * 0x1000)
    assert empty_place(bytes(code), 0) == (begin if told else None)
    assert empty_place(bytes(code[:-0x2000].ljust(0x30000, b"\xff")), WINDOW) == (begin if told else None)
    assert empty_place(bytes(code[: begin + (count + 1) * 0x1000]), 0) is None, "nearly at its end"


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95])
def test_a_file_cut_short_misses_code(share: float) -> None:
    code = MAKE.linked(0x10000, 0x40000)
    cut = code[: int(len(code) * share)]
    assert misses_code(code, 0x10000) == 0
    assert misses_code(cut, 0x10000) > 20
    rest = Region(0x10000 + len(cut), 0x50000)
    assert misses_code(cut, 0x10000, [rest]) == 0, "another file brings it"


def test_a_table_that_looks_like_addresses_misses_nothing() -> None:
    code = MAKE.linked(0x10000, 0x8000)
    behind = range(0x40220001, 0x402F0001, 0x400)  # 832 words, beside those of some 600 functions
    assert misses_code(code + struct.pack(f"<{len(behind)}I", *behind), 0x10000) == 0
    assert misses_code(code + struct.pack(f"<{len(behind)}I", *(word - 1 for word in behind)), 0x10000) == len(behind)


def test_a_dump_of_a_large_flash_misses_nothing() -> None:
    assert misses_code(whole(MAKE.linked(0x10000, 0x40000)).ljust(0x400000, b"\xff"), 0) == 0


# --- halves ----------------------------------------------------------------------------------------------------------


def pair(seed: int, moved: int = 0) -> tuple[bytes, bytes]:
    """Both halves of a build: the first calls functions of the second, which calls functions in RAM.

    `moved`: so many of 40 functions are 4 bytes further on than the first half has it.
    """
    chance = Random(seed)
    ram, starts = bytearray(), [0]
    while len(ram) < 0x2000:
        ram += b"\x12\xc1\xf0" + chance.randbytes(chance.randrange(9, 60)).replace(b"\x12", b"\x13") + b"\x0d\xf0"
        ram += bytes(-len(ram) % 4)
        starts.append(len(ram))
    code = MAKE.linked(0x10000, SIZE + seed * 0x1000)
    entries = [at for at in range(0, len(code), 4) if code.startswith(b"\x12\xc1", at)]
    called = [at + 4 * (number < moved) for number, at in enumerate(chance.sample(entries, 40))]
    outward = struct.pack("<40I", *(0x40210000 + at for at in called))
    inward = struct.pack("<40I", *(0x40100000 + at for at in chance.sample(starts[:-1], 40)))
    return MAKE.boot([(0x40100000, bytes(ram)), (0x3FFE8000, outward)]), code + inward


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (3, 1)])
def test_halves_of_two_builds_are_told_apart(first: int, second: int) -> None:
    start, code = pair(first)[0], pair(second)[1]
    assert of_one_build(start, read_image(start, name=""), code, 0x10000) is (first == second)


@pytest.mark.parametrize(("moved", "told"), [(0, True), (2, True), (16, False), (40, False)])
def test_halves_of_builds_that_differ_little_are_told_apart(moved: int, *, told: bool) -> None:
    start, code = pair(1, moved)
    assert of_one_build(start, read_image(start, name=""), code, 0x10000) is told


def test_halves_that_hardly_refer_to_each_other_tell_nothing() -> None:
    start, code = MAKE.pair_2x()
    assert of_one_build(start, read_image(start, name=""), code, 0x10000) is None


@pytest.mark.images
def test_real_halves(images_folder: Path, packaged_images: list[Path]) -> None:
    names = [*images_folder.glob("nodemcu-*.bin"), *images_folder.glob("nodemcu-versions/*.bin"), *packaged_images]
    found = {}
    for path in names:
        data = path.read_bytes()
        image = read_image(data, name=path.name)
        if len(image.segments) == 3 and image.end > 0x4000:  # the others have a boot loader at 0
            found[path.name] = (data[: image.end], data[0x10000:], image)
    same = {"micropython-1.9.3.bin", "vanguard+rainbow-0.1.0.bin"}  # one build, with other scripts
    for name, (start, _, image) in found.items():
        for other, (_, code, _) in found.items():
            told = of_one_build(start, image, code, 0x10000)
            assert told is (name == other or {name, other} == same), (name, other)
    assert len(found) > 10


@pytest.mark.images
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("layouts/user1.1024.new.2.bin", 0x1000),
        ("layouts/user2.1024.new.2.bin", 0x81000),
        ("layouts/repeater-0x02000.bin", 0x2000),
        ("layouts/rboot-app-0x2000.bin", 0x2000),
        ("layouts/olimex-0x40000.bin", 0x40000),
        ("nodemcu-1.5.4.1-split/0x10000.bin", 0x10000),
        ("nodemcu-3.0-split/0x10000.bin", 0x10000),
        ("nodemcu-2.2-cloud-float.bin", 0),
        ("layouts/nodemcu-0.9.2-20141219.bin", 0),
    ],
)
def test_real_files_belong_where_their_publishers_put_them(images_folder: Path, name: str, address: int) -> None:
    data = (images_folder / name).read_bytes()
    for share in (1, 0.95, 0.8, 0.5):
        link = find_link(data[: int(len(data) * share)])
        assert link is None or link.address == address
    link = find_link(data)
    assert link is not None
    assert misses_code(data, address) == 0
