"""esptool's own parser and header patch judge ours. It knows no load addresses, so ours may refuse more, never less."""

from __future__ import annotations

import contextlib
import io
import struct
from typing import Any

import pytest
from esptool.bin_image import LoadFirmwareImage
from esptool.cmds import _update_image_flash_params
from esptool.targets import ESP8266ROM
from esptool.util import FatalError
from flashpipe.errors import ImageError
from flashpipe.firmware.image import BootImage, Image, parse_boot_image, with_settings
from flashpipe.firmware.parts import read_part
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_CODES, FlashSettings
from hypothesis import given, settings
from hypothesis import strategies as st


def ours(data: bytes) -> BootImage | None:
    try:
        return parse_boot_image(Image("file", data, "file"))
    except ImageError:
        return None


def theirs(data: bytes) -> Any:
    """esptool's image object, None where it refuses the bytes or finds another checksum."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            found = LoadFirmwareImage("esp8266", data)
            found.verify()
        except (FatalError, TypeError, struct.error):  # the latter two where the file is too short for its reads
            return None
    return found if found.checksum == found.calculate_checksum() else None


def agree(data: bytes) -> None:
    mine, judge = ours(data), theirs(data)
    if mine is None:
        return
    assert judge is not None
    assert mine.checksum == judge.checksum
    assert mine.entry == judge.entrypoint
    assert (mine.mode_code, mine.size_code << 4 | mine.frequency_code) == (judge.flash_mode, judge.flash_size_freq)
    assert [(part.address, data[part.offset : part.offset + part.size]) for part in mine.segments] == [
        (part.addr, part.data[: own.size]) for part, own in zip(judge.segments, mine.segments, strict=True)
    ]


words = st.binary(max_size=60).map(lambda data: data[: len(data) // 4 * 4])
segments = st.lists(st.tuples(st.sampled_from((0x40100000, 0x3FFE8000, 0x4010F000)), words), min_size=1, max_size=6)


@given(parts=segments, tail=st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_both_accept_whole_images_and_what_follows_them(
    build: Any, parts: list[tuple[int, bytes]], tail: bytes
) -> None:
    data = build.boot(parts) + tail
    assert ours(data)
    agree(data)


@given(parts=segments, cut=st.integers(0), flip=st.integers(0), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_ours_accepts_nothing_that_esptool_refuses(
    build: Any, parts: list[tuple[int, bytes]], cut: int, flip: int, bit: int
) -> None:
    data = bytearray(build.boot(parts))
    agree(bytes(data[: cut % len(data)]))
    data[flip % len(data)] ^= 1 << bit
    agree(bytes(data))


@given(data=st.binary(max_size=120))
@settings(max_examples=100, deadline=None)
def test_random_bytes_behind_the_magic(data: bytes) -> None:
    agree(b"\xe9" + data)


def test_what_esptool_accepts_within_the_ram_ours_does_too(build: Any) -> None:
    for data in (build.boot(), build.pair_2x()[0], build.combine(build.pair_3x()), build.sketch()):
        assert theirs(data) is not None
        assert ours(data) is not None


@pytest.mark.parametrize("mode", sorted(MODE_CODES))
@pytest.mark.parametrize("size", sorted(SIZE_CODES))
@pytest.mark.parametrize("frequency", sorted(FREQUENCY_CODES))
def test_header_bytes_are_those_of_esptools_patch(build: Any, mode: str, size: str, frequency: str) -> None:
    data = build.boot([(0x40100000, bytes(range(2, 100)))])
    with contextlib.redirect_stdout(io.StringIO()):
        patched = _update_image_flash_params(ESP8266ROM, 0, frequency, mode, size, data)
    assert with_settings(data, FlashSettings(mode, size, frequency)) == patched


@pytest.mark.images
def test_agreement_on_real_images(images_folder: Any, packaged_images: Any) -> None:
    found = [*images_folder.rglob("*.bin"), *packaged_images]
    for path in found:
        data = path.read_bytes()
        if read_part(Image(path.name, data, "")).kind != "boot":
            continue  # esptool also reads what only a boot loader starts
        agree(data)
        assert (ours(data) is None) == (theirs(data) is None), path
        agree(data[:20000])
