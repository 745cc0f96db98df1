"""File systems that we write: read back by a reader of the index tables, and by firmware that is executed."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest
from flashpipe.errors import SpiffsFullError, SpiffsImageError, SpiffsNameError
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.identify import identify_firmware
from flashpipe.firmware.placement import place_spiffs, spiffs_of
from flashpipe.firmware.spiffs import BLOCK, SMALL_BLOCK, FileSystem, MarkRule, file_system_at, mark_rule
from flashpipe.firmware.spiffs_image import DATA, NO_SIZE, PAGE, SpiffsFiles, block_for, make_spiffs, pages_for
from flashpipe.flash import Region
from flashpipe.sim import simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.spiffs_reader import files_in
from tests.images import BANNER_2X, Builder
from tests.sim.executed import MB, Booted

KB = 1024
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=31).filter(
    lambda name: len(name.encode()) <= 31
)
sizes = st.sampled_from([0, 1, DATA - 1, DATA, DATA + 1, 105 * DATA, 105 * DATA + 1, 229 * DATA, 229 * DATA + 1])
folders = st.dictionaries(names, sizes | st.integers(0, 9000), max_size=12)


def by_index(image: bytes, block: int) -> dict[str, bytes]:
    """Files as SPIFFS finds them: look-up, header, index pages in order, and the data pages that these list."""
    headers: dict[int, tuple[str, int]] = {}
    tables: dict[int, dict[int, tuple[int, ...]]] = {}
    for page in range(len(image) // PAGE):
        first = page * PAGE // block * block
        if page * PAGE == first:
            continue
        (listed,) = struct.unpack_from("<H", image, first + 2 * (page - first // PAGE - 1))
        number, span, flags = struct.unpack_from("<HHB", image, page * PAGE)
        assert listed == number, "look-up and page agree"
        if number == 0xFFFF:
            assert image[page * PAGE : page * PAGE + PAGE] == b"\xff" * PAGE
            continue
        assert flags == (0xF8 if number & 0x8000 else 0xFC)
        if number & 0x8000:
            start = 8 if span else 46
            content = image[page * PAGE + start : (page + 1) * PAGE]
            tables.setdefault(number & 0x7FFF, {})[span] = struct.unpack(f"<{len(content) // 2}H", content)
            if span == 0:
                size, kind, name = struct.unpack_from("<IB32s", image, page * PAGE + 8)
                assert kind == 1
                headers[number & 0x7FFF] = (name.rstrip(b"\0").decode(), 0 if size == NO_SIZE else size)
    return {name: _data(image, number, size, tables[number]) for number, (name, size) in headers.items()}


def _data(image: bytes, number: int, size: int, tables: dict[int, tuple[int, ...]]) -> bytes:
    assert sorted(tables) == list(range(len(tables)))
    pages = [page for span in sorted(tables) for page in tables[span]]
    used = -(-size // DATA)
    assert all(page == 0xFFFF for page in pages[used:])
    assert all(page != 0xFFFF for page in pages[:used])
    found = b""
    for span, page in enumerate(pages[:used]):
        assert struct.unpack_from("<HHB", image, page * PAGE) == (number, span, 0xFC)
        found += image[page * PAGE + 5 : (page + 1) * PAGE]
    assert found[size:].strip(b"\xff") == b""
    return found[:size]


def unlisted(image: bytes, block: int) -> list[int]:
    """Blocks whose last two pages are headers: 1.5.4.1 does not list the second file."""
    heads = [
        [struct.unpack_from("<HH", image, at + block - page * PAGE) for page in (2, 1)]
        for at in range(0, len(image), block)
    ]
    return [at for at, pages in enumerate(heads) if all(0x8000 <= head < 0xFFFF and not span for head, span in pages)]


@settings(max_examples=40, deadline=None)
@given(
    folder=folders,
    blocks=st.integers(4, 80),
    block=st.sampled_from([BLOCK, SMALL_BLOCK]),
    rule=st.sampled_from(["usual", "early"]),
)
def test_what_goes_in_comes_out_or_is_refused(folder: dict[str, int], blocks: int, block: int, rule: MarkRule) -> None:
    random = Random(7)
    files = {name: random.randbytes(size) for name, size in folder.items()}
    usable = (blocks - 2) * (block // PAGE - 1)
    if pages_for([len(files[name]) for name in sorted(files)], block) > usable:
        with pytest.raises(SpiffsFullError):
            make_spiffs(files, blocks * block, block, rule)
        return
    image = make_spiffs(files, blocks * block, block, rule)
    assert len(image) == blocks * block
    assert by_index(image, block) == files
    # The predicted board's reader, which finds pages by scanning, takes a file without a size for a half-written one.
    scanned = files_in(lambda at, size: image[at : at + size], 0, blocks, block)
    assert scanned == {name.encode().decode("latin-1"): data for name, data in files.items() if data}
    found = file_system_at(lambda part: image[part.start : part.end].ljust(part.size, b"\xff"), 0)
    assert found == FileSystem(0, blocks, block, rule)
    assert not unlisted(image, block)
    assert make_spiffs(dict(reversed(files.items())), blocks * block, block, rule) == image, "the order is no matter"


def test_two_blocks_stay_free() -> None:
    size = 8 * BLOCK
    room = 6 * 31
    fits = (room - 1 - 1) * DATA  # one header, one index page behind 105 entries
    image = make_spiffs({"a": bytes(fits)}, size)
    assert image[6 * BLOCK : 6 * BLOCK + PAGE - 4] == b"\xff" * (PAGE - 4)
    with pytest.raises(SpiffsFullError, match="largest is a"):
        make_spiffs({"a": bytes(fits + 1)}, size)


@pytest.mark.parametrize("empty", [30, 31, 32, 61, 62, 63, 186])
def test_no_file_is_where_the_firmware_would_not_list_it(empty: int) -> None:
    files = {f"{number:03}": b"" for number in range(empty)}
    needed = pages_for([0] * empty, BLOCK)
    image = make_spiffs(files, max(4, -(-needed // 31) + 2) * BLOCK)
    assert by_index(image, BLOCK) == files
    assert not unlisted(image, BLOCK)


@pytest.mark.parametrize("name", ["", "n" * 32, "ä" * 16, "a\nb", "a\0b", "\udcff"])
def test_a_name_that_cannot_be(name: str) -> None:
    with pytest.raises(SpiffsNameError):
        make_spiffs({name: b""}, 4 * BLOCK)


def test_a_size_that_cannot_be() -> None:
    with pytest.raises(SpiffsImageError, match="too little"):
        make_spiffs({}, 3 * BLOCK)
    with pytest.raises(SpiffsImageError, match="more than"):
        SpiffsFiles("data/", {}, 128 * KB).image(64 * KB)


@pytest.mark.parametrize(("room", "block"), [(16 * KB, SMALL_BLOCK), (31 * KB, SMALL_BLOCK), (32 * KB, BLOCK)])
def test_blocks_are_those_that_the_firmware_looks_for(room: int, block: int) -> None:
    assert block_for(room) == block
    assert len(SpiffsFiles("data/", {}).image(room).data) == room // block * block


def test_a_firmware_whose_code_does_not_tell_is_refused() -> None:
    data = Builder().combine(Builder().pair_2x())
    assert BANNER_2X in data
    with pytest.raises(SpiffsImageError, match="its code does not tell"):
        spiffs_of(SpiffsFiles("data/", {}), identify_firmware({0: data}), 4 * MB)


def test_marks_of_another_kind_are_told_by_the_code() -> None:
    plain, early = b"\x42\xa5\x29" + bytes(60), bytes(10) + b"\x00\x12\x40" + bytes(13) + b"\x42\xa5\x29" + bytes(60)
    assert mark_rule([plain * 3]) == "usual"
    assert mark_rule([early + plain + early]) == "early"
    assert mark_rule([plain]) is None, "too few places"
    assert mark_rule([early + plain]) is None
    assert mark_rule([b""]) is None


# --- real firmware ---------------------------------------------------------------------------------------------------

RANDOM = Random(3)
FILES = {
    "empty": b"",
    "one": b"x",
    "full": bytes(range(DATA)),
    "more": bytes(range(DATA)) + b"y",
    "lib/x.lua": b"return 7\n",
    "n" * 31: b"name",
    "long.bin": RANDOM.randbytes(105 * DATA + 1000),
}
EMPTY = {f"e{number:02}": b"" for number in range(32)}
"""More than a block has pages."""
REAL = {
    "nodemcu-1.5.4.1-split/combined.bin": "early",
    "nodemcu-versions/2.0.0.bin": "early",
    "nodemcu-versions/2.1.0-integer.bin": "early",
    "nodemcu-2.2-cloud-float.bin": "usual",
    "nodemcu-3.0-cloud-float.bin": "usual",
}
SUM = (
    's=0 n=0 file.open("{}") while true do b=file.read(251) if not b then break end for i=1,#b,{} do '
    "s=(s*31+b:byte(i))%65521 end n=n+#b end file.close() print(n,s)"
)
STEP = 50
"""Bytes of a page between two that are weighed, in a file of many pages: executed Lua is not fast."""


def weigh(data: bytes, step: int) -> str:
    """What `SUM` prints of a file."""
    total = 0
    for at in range(0, len(data), DATA):
        for byte in data[at : at + DATA : step]:
            total = (total * 31 + byte) % 65521
    return f"{len(data)}\t{total}"


@pytest.mark.images
@pytest.mark.parametrize("name", REAL)
def test_executed_firmware_mounts_it_and_reads_every_file(real_images: Path, name: str) -> None:
    data = (real_images / name).read_bytes()
    firmware = identify_firmware({0: data})
    assert firmware.marks == REAL[name]
    image = spiffs_of(SpiffsFiles("data/", FILES | EMPTY, 256 * KB), firmware, 4 * MB)
    at = place_spiffs(image, firmware, 4 * MB)
    board = Booted(simulation.build_flash({0: data, at: image.data}, 4 * MB))
    assert "Formatting" not in board.until(r"^> $").text
    listed = board.ask("for k,v in pairs(file.list()) do print(k,v) end")
    assert dict(line.split("\t") for line in listed.splitlines()) == {
        name: str(len(data)) for name, data in (FILES | EMPTY).items()
    }
    for file, content in FILES.items():
        step = STEP if len(content) > 2 * DATA else 1
        assert board.ask(SUM.format(file, step), timeout_s=120) == weigh(content, step), file
    board.ask('file.open("new","w") file.write("more") file.close()')
    assert board.ask(SUM.format("new", 1)) == weigh(b"more", 1), "it can be written"


@pytest.mark.images
@pytest.mark.parametrize("name", ["nodemcu-versions/2.0.0.bin", "nodemcu-2.2-cloud-float.bin"])
def test_an_image_of_other_years_would_be_formatted_and_is_refused(real_images: Path, name: str) -> None:
    data = (real_images / name).read_bytes()
    firmware = identify_firmware({0: data})
    other: MarkRule = "early" if firmware.marks == "usual" else "usual"
    image = Image("files.img", make_spiffs(FILES, 256 * KB, BLOCK, other), "files.img")
    with pytest.raises(SpiffsImageError, match="other years"):
        place_spiffs(image, firmware, 4 * MB)
    at = firmware.code_end + 0xFFFF & ~0xFFFF
    board = Booted(simulation.build_flash({0: data, at: image.data}, 4 * MB))
    assert "Formatting" in board.until(r"^> $").text


@pytest.mark.images
def test_small_blocks_in_much_room_would_be_formatted_and_are_refused(real_images: Path) -> None:
    data = (real_images / "nodemcu-3.0-cloud-float.bin").read_bytes()
    firmware = identify_firmware({0: data})
    image = Image("files.img", make_spiffs(FILES, 128 * KB, SMALL_BLOCK), "files.img")
    with pytest.raises(SpiffsImageError, match="blocks are 4 KB"):
        place_spiffs(image, firmware, 4 * MB)
    at = place_spiffs(Image("files.img", make_spiffs({}, 64 * KB), ""), firmware, 4 * MB)
    board = Booted(simulation.build_flash({0: data, at: image.data}, 4 * MB))
    assert "Formatting" in board.until(r"^> $").text


def test_early_marks_are_found_at_the_places_of_the_firmware() -> None:
    image = make_spiffs({"a": b"b"}, 16 * BLOCK, BLOCK, "early")

    def read(region: Region) -> bytes:
        return (b"\xff" * 0x80000 + image)[region.start : region.end].ljust(region.size, b"\xff")

    found = file_system_at(read, 0x80000)
    assert found == FileSystem(0x80000, 16, BLOCK, "early")
    assert found.seems_to_begin(0x80000)
    assert not found.seems_to_begin(0x82000), "its rest looks like none"
