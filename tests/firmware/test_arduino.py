"""Sketches of the Arduino core: an image at 0x1000, in newer cores under a CRC of the whole file."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.errors import ImageChecksumError, ImageTruncatedError
from flashpipe.firmware.arduino import STAMP, STAMP_OFFSET, crc32, read_sketch
from flashpipe.firmware.image import Image, check_layout


@pytest.fixture
def stamped(build: Any) -> bytes:
    """As a newer core leaves it: zeros at 0x1010 when the checksum is made, then length and CRC of the whole file."""
    loader = build.boot([(0x4010F000, bytes(range(100)))], entry=0x4010F004)
    mapped = bytes(STAMP.size) + b"\x0d\xf0code" * 5000
    data = loader.ljust(0x1000, b"\xaa") + build.boot([(0x40201010, mapped), (0x40100000, bytes(64))])
    stamp = STAMP.pack(len(data), crc32(data))
    return bytes(data[:STAMP_OFFSET] + stamp + data[STAMP_OFFSET + STAMP.size :])


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def test_the_crc_is_the_known_one() -> None:
    assert crc32(b"123456789") == 0x0376E6E7  # the published check value of CRC-32/MPEG-2
    assert crc32(b"") == 0xFFFFFFFF


def test_a_stamped_sketch_is_proven_whole(stamped: bytes) -> None:
    sketch = read_sketch(stamped, name="fw.bin")
    assert sketch.proven == sketch.image.end == len(stamped)
    check_layout({0: Image("fw.bin", stamped, "fw.bin")}, flash_size=0x100000, chip="esp8266")


def test_an_older_sketch_has_its_checksum_only(build: Any) -> None:
    assert read_sketch(build.sketch(), name="fw.bin").proven == 0


@pytest.mark.parametrize("at", [0x20, 0x800, 0x1005, STAMP_OFFSET + 4, 0x2000])
def test_a_changed_bit_anywhere_is_refused(stamped: bytes, at: int) -> None:
    with pytest.raises(ImageChecksumError):
        read_sketch(changed(stamped, at), name="fw.bin")


def test_what_follows_in_a_dump_is_not_under_the_crc(stamped: bytes) -> None:
    assert read_sketch(stamped.ljust(0x100000, b"\xff"), name="dump.bin").proven == len(stamped)


def test_a_stamp_that_promises_more_is_a_file_cut_short(stamped: bytes) -> None:
    longer = stamped[:STAMP_OFFSET] + STAMP.pack(len(stamped) + 1, 0) + stamped[STAMP_OFFSET + STAMP.size :]
    with pytest.raises(ImageTruncatedError):
        read_sketch(longer, name="fw.bin")
