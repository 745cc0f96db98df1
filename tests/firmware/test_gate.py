from __future__ import annotations

import struct
from typing import Any

import pytest
from flashpipe.errors import (
    AggregatedInSplitError,
    FirmwareLayoutError,
    FlashModeError,
    HeaderlessError,
    ImageChecksumError,
    ImageSizeError,
    ImageTruncatedError,
    IncompleteSplitError,
    LineEndingsError,
    NotAnImageError,
    NotBootableError,
    OtherChipError,
    PipelineError,
    PlanBoundsError,
    SwappedSplitError,
)
from flashpipe.firmware.image import Image, check_layout, check_mode

FLASH = 0x400000


def check(parts: dict[int, bytes], flash_size: int = FLASH) -> None:
    check_layout(
        {at: Image(f"file-{at:05x}.bin", data, f"./file-{at:05x}.bin") for at, data in parts.items()},
        flash_size=flash_size,
        chip="esp8266",
    )


def refuse(kind: type[PipelineError], parts: dict[int, bytes], flash_size: int = FLASH) -> PipelineError:
    with pytest.raises(kind) as caught:
        check(parts, flash_size)
    assert "\n" not in caught.value.message
    assert "file-" in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("kind", ["pair_2x", "pair_3x"])
def test_whole_layouts_pass(build: Any, kind: str) -> None:
    pair = getattr(build, kind)()
    check({0: pair[0], 0x10000: pair[1]})
    check({0: build.combine(pair)})
    check({0: build.boot()})
    check({0: build.sketch()})
    check({0: build.boot(), 0x1000: build.ota()})


def test_other_parts_may_be_any_bytes(build: Any) -> None:
    pair = build.pair_2x()
    for data in (
        b"\xff" * 0x1000,
        bytes(0x2000),
        bytes.fromhex("05000402") + bytes(124),
        bytes(range(256)) * 16,
        b"\xe9\x00",
    ):
        check({0: pair[0], 0x10000: pair[1], 0x100000: data})


def test_file_system_full_of_windows_text_is_no_damage(build: Any) -> None:
    pages = b"".join(b"\x01\x80" + bytes(20) + b"print('hello')\r\nprint('world')\r\n" * 4 for _ in range(50))
    check({0: build.boot(), 0x100000: pages})


@pytest.mark.parametrize(
    "data",
    [
        b"<html><body>no</body></html>",
        b"PK\x03\x04zip",
        b"\x1f\x8bgzip",
        b"\x7fELFelf",
        b'{"error": 1}',
        b"just text\n",
    ],
)
def test_other_parts_may_not_be_what_belongs_on_no_flash(build: Any, data: bytes) -> None:
    refuse(NotAnImageError, {0: build.boot(), 0x100000: data})


def test_other_part_for_another_chip_is_refused(build: Any) -> None:
    refuse(OtherChipError, {0: build.boot(), 0x10000: build.newer_chip(0, 0x3F400020)})


def test_other_part_with_carriage_returns_is_refused(build: Any) -> None:
    start, code = build.pair_2x()
    damaged = (code + bytes(range(256)) * 16).replace(b"\n", b"\r\n")
    refuse(LineEndingsError, {0: start, 0x10000: damaged})


def test_binary_read_as_text_is_refused(build: Any) -> None:
    damaged = (bytes(range(256)) * 64).decode("utf-8", "replace").encode()
    error = refuse(NotAnImageError, {0: build.boot(), 0x10000: damaged})
    assert "text conversion" in error.message


def test_empty_part_is_refused(build: Any) -> None:
    refuse(NotAnImageError, {0: build.boot(), 0x10000: b""})


def test_first_file_alone_is_incomplete(build: Any) -> None:
    error = refuse(IncompleteSplitError, {0: build.pair_2x()[0]})
    assert error.hint.endswith("image=0x00000:./file-00000.bin,0x10000:FILE")


def test_second_file_alone_is_headerless(build: Any) -> None:
    assert "0x10000:./file-00000.bin" in refuse(HeaderlessError, {0: build.pair_3x()[1]}).hint


def test_exchanged_files_are_named_with_the_right_order(build: Any) -> None:
    start, code = build.pair_2x()
    error = refuse(SwappedSplitError, {0: code, 0x10000: start})
    assert error.hint == "image=0x00000:./file-10000.bin,0x10000:./file-00000.bin"


def test_same_file_twice_is_incomplete(build: Any) -> None:
    start, _ = build.pair_2x()
    refuse(IncompleteSplitError, {0: start, 0x10000: start})


@pytest.mark.parametrize("kind", ["pair_2x", "pair_3x"])
def test_aggregated_file_in_a_split_is_named(build: Any, kind: str) -> None:
    pair = getattr(build, kind)()
    whole = build.combine(pair)
    assert refuse(AggregatedInSplitError, {0: whole, 0x10000: pair[1]}).hint.endswith("image=./file-00000.bin")
    assert refuse(AggregatedInSplitError, {0: pair[0], 0x10000: whole}).hint.endswith("image=./file-10000.bin")


def test_ota_image_at_zero_is_not_bootable() -> None:
    refuse(NotBootableError, {0: b"\xea\x04\x00\x00" + bytes(0x1000)})


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_combined_file_cut_in_its_code_is_noticed(build: Any, share: float) -> None:
    whole = build.combine(build.pair_2x())
    refuse(ImageTruncatedError, {0: whole[: 0x10000 + int(share * 0x30000)]})


def test_nodemcu_3_cut_by_one_byte_is_noticed(build: Any) -> None:
    start, code = build.pair_3x()
    assert "1 bytes are missing" in refuse(ImageTruncatedError, {0: build.combine((start, code))[:-1]}).message
    refuse(ImageTruncatedError, {0: start, 0x10000: code[:-1]})


def test_second_file_at_a_wrong_address_is_noticed(build: Any) -> None:
    start, code = build.pair_2x()
    refuse(ImageTruncatedError, {0: start, 0x60000: code})


def test_sketch_behind_its_boot_loader_is_checked_too(build: Any) -> None:
    data = build.sketch()
    refuse(ImageTruncatedError, {0: data[:-100]})
    refuse(ImageChecksumError, {0: data[:0x2000] + b"\x00\x01" + data[0x2002:]})


@pytest.mark.parametrize("split", [True, False])
def test_nodemcu_3_on_512_kb_is_refused_with_the_branch_that_fits(build: Any, *, split: bool) -> None:
    start, code = build.pair_3x()
    parts = {0: start, 0x10000: code} if split else {0: build.combine((start, code))}
    assert "1.5.4.1-final" in refuse(ImageSizeError, parts, 0x80000).hint
    check(parts, 0x100000)


def test_file_larger_than_the_flash_is_refused(build: Any) -> None:
    pair = build.pair_2x(0x80000)
    assert "512 KB" in refuse(PlanBoundsError, {0: build.combine(pair)}, 0x80000).message


def test_exact_fit_passes(build: Any) -> None:
    check({0: build.combine(build.pair_2x(0x70000))}, 0x80000)


def test_layout_without_a_boot_image_is_only_checked_part_by_part(build: Any) -> None:
    check({0x10000: build.pair_2x()[1]})
    refuse(NotAnImageError, {0x10000: b"<html></html>"})


def test_damage_behind_a_boot_loader_without_line_feeds_is_named(build: Any) -> None:
    loader = build.boot([(0x4010F000, bytes(64))], entry=0x4010F004).ljust(0x1000, b"\xaa")
    refuse(LineEndingsError, {0: loader + (bytes(range(256)) * 16).replace(b"\n", b"\r\n")})


def test_boot_loader_with_messages_in_windows_style_passes(build: Any) -> None:
    texts = b"\x00".join(b"message number %d\r\n" % number for number in range(12)).ljust(400, b"\x00")
    loader = build.boot([(0x40100000, texts)])
    check({0: loader, 0x1000: build.ota(code=texts)})
    check({0x10000: loader})


def test_code_that_reaches_into_the_sdk_parameters_is_refused(build: Any) -> None:
    start, code = build.pair_2x(0x6C000)
    assert "0x7b000" in refuse(ImageSizeError, {0: start, 0x10000: code}, 0x80000).message
    check({0: start, 0x10000: code}, 0x100000)
    check({0: start, 0x10000: code[:0x6B000] + b"\xff" * 0x1000}, 0x80000)
    check({0: build.combine((start, code)).ljust(0x80000, b"\xff")}, 0x80000)
    check({0: build.boot(), 0x10000: bytes(0x6C000)}, 0x80000)


# --- layouts in which the firmware cannot run, and modes -------------------------------------------------------------


def table(build: Any, *items: tuple[int, int, int], size: int = 0x30000) -> dict[int, bytes]:
    """A NodeMCU 3.x whose LFS and SPIFFS entries are these."""
    entries = [(101, 0, 0xB000), (4, 0xD000, 0x1000), (5, 0xF000, 0x1000), (102, 0x10000, 0), *items]
    entries += [(6, 0, 0x3000), (0, 0x40210000 + size, 0)]
    data = b"".join(struct.pack("<III", *entry) for entry in entries)
    head = (struct.pack("<BBH", len(data) // 4, 1, 0) + data).ljust(0x1000, b"\xff")
    start, code = build.pair_3x(size)
    return {0: start, 0x10000: head + code[0x1000:]}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([(103, 0, 0x400000), (106, 0, 0)], ("LFS", "past the 4 MB")),
        ([(103, 0, 0x20000), (106, 0x50000, 0x100000)], ("SPIFFS", "over LFS")),
        ([(103, 0, 0), (106, 0x100800, 0x100000)], ("SPIFFS", "no whole sectors")),
        ([(103, 0x30000, 0x10000), (106, 0, 0xFFFFFFFF)], ("LFS", "over code")),
    ],
)
def test_a_partition_table_with_which_it_would_hang(
    build: Any, items: list[tuple[int, int, int]], words: tuple[str, ...]
) -> None:
    error = refuse(FirmwareLayoutError, table(build, *items))
    for word in words:
        assert word in error.message
    assert error.code == "image-layout"


def test_a_dump_of_a_larger_board_does_not_fit_a_smaller_one(build: Any) -> None:
    parts = table(build, (103, 0, 0), (106, 0x100000, 0x200000))
    check(parts)
    assert "past the 1 MB" in refuse(FirmwareLayoutError, parts, 0x100000).message


def test_partitions_that_fill_the_flash_to_the_last_byte(build: Any) -> None:
    check(table(build, (103, 0, 0x20000), (106, 0, 0xFFFFFFFF)))
    check(table(build, (103, 0, 0x20000), (106, 0x100000, 0x2FD000)))


def test_a_boot_loader_without_its_application(build: Any) -> None:
    loader = build.boot([(0x40100000, b"2nd boot version : 1.7\0\0")])
    assert "0x01000:FILE" in refuse(IncompleteSplitError, {0: loader}).hint
    check({0: loader, 0x1000: build.ota()})


def test_an_application_without_its_boot_loader(build: Any) -> None:
    parts = {0x1000: build.ota()}
    assert "0x00000:BOOT.bin" in refuse(IncompleteSplitError, parts).hint
    check({0: build.boot(), **parts})


@pytest.mark.parametrize(
    ("mode", "chip", "free"), [("dio", "esp8285", False), ("qio", "esp8266", True), ("qout", "esp8266", True)]
)
def test_modes_that_cannot_work(mode: str, chip: str, *, free: bool) -> None:
    with pytest.raises(FlashModeError):
        check_mode(mode, chip=chip, pins_free=free)


def test_modes_that_can_work() -> None:
    check_mode("dout", chip="esp8285", pins_free=True)
    check_mode("qio", chip="esp8266")
    check_mode("dio", chip="esp8266", pins_free=True)
