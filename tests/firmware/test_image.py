from __future__ import annotations

import hashlib
from typing import Any

import pytest
from flashpipe.errors import (
    HeaderlessError,
    ImageChecksumError,
    ImageError,
    ImageTruncatedError,
    LineEndingsError,
    LoadAddressError,
    NotAnImageError,
    NotBootableError,
    OtherChipError,
)
from flashpipe.firmware.image import Image, LoadSegment, is_aggregated, parse_boot_image, with_settings
from flashpipe.firmware.inspection import inspect_images
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_CODES, FlashSettings
from hypothesis import given, settings
from hypothesis import strategies as st


def image(data: bytes, name: str = "firmware.bin") -> Image:
    return Image(name, data, f"folder/{name}")


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        parse_boot_image(image(data))
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith("firmware.bin: ")
    assert caught.value.hint
    return caught.value


def test_image_digest_is_that_of_the_file() -> None:
    assert image(b"abc").sha256 == hashlib.sha256(b"abc").hexdigest()


def test_header_fields_are_read(build: Any) -> None:
    boot = parse_boot_image(image(build.boot([(0x40100000, bytes(8)), (0x3FFE8000, b"ab")], mode=3, packed=0x4F)))
    assert (boot.mode_code, boot.size_code, boot.frequency_code) == (3, 4, 0xF)
    assert boot.entry == 0x40100004
    assert boot.segments == (LoadSegment(0x40100000, 16, 8), LoadSegment(0x3FFE8000, 32, 2))
    assert boot.checksum == 0xEF ^ ord("a") ^ ord("b")
    assert (boot.end, boot.covered()) == (48, 10)


@pytest.mark.parametrize(
    ("data", "kind", "word"),
    [
        (b"", NotAnImageError, "empty"),
        (b"\xff" * 64, NotAnImageError, "blank"),
        (b"<!DOCTYPE html><html><title>404 Not Found</title></html>", NotAnImageError, '"404 Not Found"'),
        (b'{"message": "Not Found"}', NotAnImageError, "JSON"),
        (b"PK\x03\x04" + bytes(60), NotAnImageError, "ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(60), NotAnImageError, "gzip"),
        (b"\x7fELF" + bytes(60), NotAnImageError, "ELF"),
        (b"version https://git-lfs.github.com/spec/v1\n", NotAnImageError, "Git LFS pointer"),
        (bytes(range(1, 250)), NotAnImageError, "unknown data, first byte 0x01"),
        (b"\xea\x04\x00\x00" + bytes(60), NotBootableError, "0xEA"),
        (b"\xe9\x01", ImageTruncatedError, "2 bytes"),
        (b"\xe9\x00\x00\x00\x04\x00\x10\x40", NotAnImageError, "segment count 0"),
        (b"\xe9\x11\x00\x00\x04\x00\x10\x40", NotAnImageError, "segment count 17"),
    ],
)
def test_what_is_no_image_is_named_as_what_it_is(data: bytes, kind: type[ImageError], word: str) -> None:
    error = refusal(data)
    assert type(error) is kind
    assert word in error.message


@pytest.mark.parametrize(
    ("what", "hint"),
    [(b"PK\x03\x04", "image='folder/firmware.bin!FILE.bin'"), (b"\x1f\x8b\x08", "gzip -dk folder/firmware.bin")],
)
def test_archives_come_with_the_next_step(what: bytes, hint: str) -> None:
    assert hint in refusal(what + bytes(60)).hint


def test_an_archive_with_code_as_it_is_counts_as_an_archive(build: Any) -> None:
    archive = b"PK\x03\x04".ljust(30, b"\0") + build.combine(build.pair_2x())
    error = refusal(archive)
    assert (type(error), "a ZIP archive" in error.message) == (NotAnImageError, True)
    found = inspect_images([(None, image(archive))])
    assert (found.family, found.title, found.firmware.version) == ("unknown", "ZIP archive", "")


def test_image_cut_in_half_is_named_with_the_offset(build: Any) -> None:
    data = build.boot()
    error = refusal(data[: len(data) // 2])
    assert isinstance(error, ImageTruncatedError)
    assert hex(len(data) // 2) in error.message


def test_image_cut_at_any_byte_is_refused(build: Any) -> None:
    data = build.boot()
    for length in range(len(data)):
        with pytest.raises(ImageError):
            parse_boot_image(image(data[:length]))


def test_wrong_checksum_names_both_values(build: Any) -> None:
    data = build.boot()
    error = refusal(data[:-1] + bytes((data[-1] ^ 1,)))
    assert isinstance(error, ImageChecksumError)
    assert f"{data[-1]:#04x}" in error.message
    assert f"{data[-1] ^ 1:#04x}" in error.message


@pytest.mark.parametrize("address", [0, 0x3FFE7FFC, 0x40000000, 0x40110000, 0x40300000, 0xFFFFFFFC])
def test_segment_outside_the_ram_is_refused(build: Any, address: int) -> None:
    error = refusal(build.boot([(address, bytes(4))]))
    assert isinstance(error, LoadAddressError)
    assert f"{address:#010x}" in error.message


@pytest.mark.parametrize("address", [0x3FFE8000, 0x40100000, 0x4010E000, 0x4010F000])
def test_segment_in_the_ram_is_accepted(build: Any, address: int) -> None:
    assert parse_boot_image(image(build.boot([(address, bytes(16))]))).segments[0].address == address


def test_segment_that_runs_out_of_the_ram_is_refused(build: Any) -> None:
    assert isinstance(refusal(build.boot([(0x4010FFF8, bytes(16))])), LoadAddressError)


def test_entry_point_outside_the_ram_is_refused(build: Any) -> None:
    error = refusal(build.boot(entry=0x400801A0))
    assert isinstance(error, LoadAddressError)
    assert "entry" in error.message


@pytest.mark.parametrize(
    ("number", "address", "name"),
    [
        (0, 0x3FFF0030, "ESP32,"),
        (5, 0x3FCD5820, "ESP32-C3,"),
        (9, 0x3FCE3810, "ESP32-S3,"),
        (2, 0x3FFE6108, "ESP32-S2,"),
    ],
)
def test_image_of_a_newer_chip_is_named_by_chip(build: Any, number: int, address: int, name: str) -> None:
    error = refusal(build.newer_chip(number, address))
    assert isinstance(error, OtherChipError)
    assert name in error.message


def test_whole_flash_of_an_esp32_is_named_by_chip(build: Any) -> None:
    assert isinstance(refusal(b"\xff" * 0x1000 + build.newer_chip(0, 0x3FFF0030)), OtherChipError)


def test_carriage_returns_are_recognised(build: Any) -> None:
    data = build.boot([(0x40100000, bytes(range(256)) * 16)])
    error = refusal(data.replace(b"\n", b"\r\n"))
    assert isinstance(error, LineEndingsError)
    assert "16 line feeds" in error.message


def test_few_carriage_returns_are_recognised_by_undoing_them(build: Any) -> None:
    error = refusal(build.boot([(0x40100000, b"one\nline feed\x00\x00\x00")]).replace(b"\n", b"\r\n"))
    assert isinstance(error, LineEndingsError)


def test_second_file_of_a_pair_is_recognised(build: Any) -> None:
    assert isinstance(refusal(build.pair_2x()[1]), HeaderlessError)
    assert isinstance(refusal(build.pair_3x()[1]), HeaderlessError)


def test_code_part_that_begins_with_zeros_is_still_code(build: Any) -> None:
    assert isinstance(refusal(build.code(head=bytes(0x2000))), HeaderlessError)


def test_aggregated_is_told_from_its_parts(build: Any) -> None:
    pair = build.pair_2x()
    whole, first = image(build.combine(pair)), image(pair[0])
    assert is_aggregated(whole, parse_boot_image(whole))
    assert not is_aggregated(first, parse_boot_image(first))
    padded = image(pair[0].ljust(0x20000, b"\xff"))
    assert not is_aggregated(padded, parse_boot_image(padded))


def test_image_with_data_in_the_gap_is_not_aggregated_from_a_pair(build: Any) -> None:
    other = image(build.boot().ljust(0x9000, b"\xff") + b"code".ljust(0x10000, b"\x01"))
    assert not is_aggregated(other, parse_boot_image(other))


sizes = st.sampled_from(sorted(SIZE_CODES))
flash_settings = st.builds(
    FlashSettings, st.sampled_from(sorted(MODE_CODES)), sizes, st.sampled_from(sorted(FREQUENCY_CODES))
)
segments = st.lists(
    st.tuples(st.sampled_from((0x40100000, 0x3FFE8000, 0x4010E000)), st.binary(max_size=300)), min_size=1, max_size=16
)


@given(parts=segments, chosen=flash_settings)
@settings(max_examples=60, deadline=None)
def test_settings_change_nothing_but_the_settings(
    build: Any, parts: list[tuple[int, bytes]], chosen: FlashSettings
) -> None:
    data = build.boot(parts)
    changed = with_settings(data, chosen)
    before, after = parse_boot_image(image(data)), parse_boot_image(image(changed))
    assert (after.mode_code, after.size_code) == (MODE_CODES[chosen.mode], SIZE_CODES[chosen.size])
    assert after.frequency_code == FREQUENCY_CODES[chosen.frequency]
    assert (before.segments, before.checksum, before.end) == (after.segments, after.checksum, after.end)
    assert (changed[:2], changed[4:]) == (data[:2], data[4:])


@given(parts=segments)
@settings(max_examples=60, deadline=None)
def test_a_built_image_reads_back_as_built(build: Any, parts: list[tuple[int, bytes]]) -> None:
    data = build.boot(parts)
    boot = parse_boot_image(image(data))
    assert [(part.address, data[part.offset : part.offset + part.size]) for part in boot.segments] == parts
    assert boot.end == len(data)
    assert boot.covered() == sum(len(content) for _, content in parts)


@given(data=st.binary(max_size=200), magic=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_parsed_or_refused_in_one_line(data: bytes, *, magic: bool) -> None:
    try:
        parse_boot_image(image(b"\xe9" + data if magic else data))
    except ImageError as error:
        assert "\n" not in error.message  # noqa: PT017  either outcome is fine


@given(flip=st.integers(min_value=0), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_in_a_segment_is_noticed(build: Any, flip: int, bit: int) -> None:
    data = bytearray(build.boot([(0x40100000, bytes(range(200)))]))
    data[16 + flip % 200] ^= 1 << bit
    with pytest.raises(ImageChecksumError):
        parse_boot_image(image(bytes(data)))
