"""The ROM's way through an image, against logs of real boards and against the rule of its 16-byte reads."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flashpipe.sim.chip import image
from flashpipe.sim.firmware import romlog
from hypothesis import given
from hypothesis import strategies as st

CAPTURES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "rom_logs.json").read_text("utf-8"))
Maker = Callable[..., bytes]
LOAD = re.compile(r"load 0x(\w+), len (-?\d+), room \d+ ")


def rebuilt(capture: dict[str, Any], make_image: Maker) -> bytes:
    """An image with the segments of a capture; its data are chosen to give the checksums of the log."""
    log: list[str] = capture["log"]
    loads = [(int(hit[1], 16), int(hit[2])) for line in log if (hit := LOAD.match(line))]
    sums = [int(line.split("x")[1], 16) for line in log if line.startswith("chksum")]
    if not loads:
        return b""
    if capture.get("zeros"):
        return make_image([(loads[0][0], b"\1" * loads[0][1]), (0x3FFE8000, b"\2" * 32), (0x3FFE8020, b"\3" * 32)])
    segments, before = [], 0xEF
    for (address, length), checksum in zip(loads, sums, strict=False):
        segments.append((address, bytes((before ^ checksum,)) + bytes(length - 1)))
        before = checksum
    if len(sums) < len(loads):  # cut short: the next header is blank flash
        whole = make_image(segments)
        return b"\xe9\x03" + whole[2 : 8 + sum(8 + len(data) for _, data in segments)]
    return make_image(segments, checksum=before ^ 0x55 if "csum err" in log else None)


@pytest.mark.parametrize("capture", CAPTURES, ids=[str(capture["source"]) for capture in CAPTURES])
def test_log_equals_that_of_a_real_board(capture: dict[str, Any], make_image: Maker, boot: Any, cells: Any) -> None:
    banner = re.search(r"cause:(\d), boot mode:\(3,(\d)\)", capture["log"][0])
    assert banner
    options = {"boot_mode_b": banner[2]} | ({"bad_mode": "csum"} if capture.get("zeros") else {})
    modes = {3} if capture.get("zeros") else {0, 1, 2, 3}
    heard = boot(cells(rebuilt(capture, make_image)), cause=int(banner[1]), modes=modes, until=0.9, **options)
    log = capture["log"]
    assert heard.text(74880).split("\r\n")[1 : 1 + len(log)] == log


def naive(lengths: list[int]) -> list[tuple[int, int, bool]]:
    """Room, tail and hold-over of each segment, counted byte by byte over 16-byte reads."""
    found, at = [], 8
    for index, length in enumerate(lengths):
        left = -at % 16
        held = 0 < left < 8
        at += 8
        room = -at % 16 or (16 if index == 0 else 0)
        at += length
        found.append((room, at % 16 if length > room else length if length < room else 0, held and index > 0))
    return found


@given(st.lists(st.integers(0, 200).map(lambda words: words * 4), min_size=1, max_size=6))
def test_room_and_tail_follow_the_reads_of_16_bytes(lengths: list[int]) -> None:
    data = struct.pack("<BBBBI", 0xE9, len(lengths), 0, 0, 0)
    for length in lengths:
        data += struct.pack("<II", 0x3FFE8000, length) + bytes(length)
    data += bytes(16)
    walk = image.walk(lambda at, size: data[at : at + size])
    assert [(load.room, load.tail, load.held_over is not None) for load in walk.loads] == naive(lengths)


@given(st.lists(st.binary(min_size=16, max_size=300), min_size=1, max_size=5))
def test_tail_is_the_rest_of_the_last_read(parts: list[bytes]) -> None:
    """facts: esp8266 §2.4, `T = (L - R) mod 16`, for segments that do not end within their first read."""
    data = struct.pack("<BBBBI", 0xE9, len(parts), 0, 0, 0)
    data += b"".join(struct.pack("<II", 0x3FFE8000, len(part)) + part for part in parts) + bytes(16)
    for load in image.walk(lambda at, size: data[at : at + size]).loads:
        assert load.tail == (load.length - load.room) % 16
        assert load.room in range(17)


def test_checksum_of_walk_is_that_of_the_image(make_image: Maker) -> None:
    data = make_image([(0x40100000, b"abcd"), (0x3FFE8000, b"efgh")])
    walk = image.walk(lambda at, size: data[at : at + size])
    assert walk.good
    assert walk.end == len(data)


def test_blank_flash_is_no_image() -> None:
    walk = image.walk(lambda _at, size: b"\xff" * size)
    assert not walk.good
    assert romlog.loading(walk) == b"ets_main.c \r\n"


@pytest.mark.parametrize(("code", "size"), [(0, 0x80000), (1, 0x40000), (4, 0x400000), (9, 0x1000000), (12, 0x80000)])
def test_header_size(code: int, size: int) -> None:
    assert image.Header(0xE9, 1, 2, code << 4, 0).size == size


@pytest.mark.parametrize(("code", "speed"), [(0, 40_000_000), (1, 26_700_000), (2, 20_000_000), (15, 80_000_000)])
def test_header_speed(code: int, speed: int) -> None:
    assert image.Header(0xE9, 1, 2, code, 0).speed == speed


@pytest.mark.images
@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("nodemcu-2.2-cloud-float.bin", "1c"),
        ("nodemcu-3.0-cloud-float.bin", "85"),
        ("nodemcu-1.5.4.1-split/0x00000.bin", "ae"),
        ("nodemcu-3.0-split/0x00000.bin", "40"),
        ("nodemcu-1.5.4.1.bin", "9b"),
        ("micropython-1.10.0.bin", "bd"),
        ("esp8266basic-3.0alpha.bin", "2d"),
        ("espruino-1v99.bin", "d8"),
        ("punyforth-0.5.bin", "0b"),
    ],
)
def test_real_images_pass_the_rom(name: str, last: str, real_image: Callable[[str], bytes], cells: Any) -> None:
    walk = image.walk(cells(real_image(name)).read)
    assert walk.good
    assert f"chksum 0x{last}\r\ncsum 0x{last}\r\n".encode() in romlog.loading(walk)
