"""What starts what, and where it belongs: each kind of layout right, and wrong in the ways that users meet."""

from __future__ import annotations

import pytest
from flashpipe.errors import (
    AggregatedInSplitError,
    ImageAddressError,
    ImageChecksumError,
    ImageError,
    ImageTruncatedError,
    IncompleteSplitError,
    MixedBuildsError,
    NotBootableError,
    PipelineError,
)
from flashpipe.firmware.gate import check_layout
from flashpipe.firmware.image import Image
from flashpipe.firmware.overrides import Overrides

from tests.firmware.test_link_address import pair, whole
from tests.images import Builder

MAKE = Builder()
ESPRESSIF = MAKE.boot([(0x40100000, b"2nd boot version : 1.7\0\0")])
RBOOT = MAKE.boot([(0x40100000, b"rBoot v1.4.2 - richardaburton@gmail.com\0")])
EBOOT = MAKE.boot([(0x4010F000, bytes(range(100)))], entry=0x4010F004)
TINY = MAKE.boot()
LOADER, TABLE, APPLICATION = MAKE.rtos()
CODE = MAKE.linked(0x10000)


def check(parts: dict[int, bytes], *, allow: str = "") -> None:
    images = {at: Image(f"f{at:x}.bin", data, f"f{at:x}.bin") for at, data in parts.items()}
    check_layout(images, flash_size=0x400000, chip="esp8266", allow=Overrides(frozenset(allow.split(","))))


def refused(parts: dict[int, bytes]) -> PipelineError:
    with pytest.raises(ImageError) as caught:
        check(parts)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "parts",
    [
        {0: ESPRESSIF, 0x1000: MAKE.ota(0x1000)},
        {0: ESPRESSIF, 0x81000: MAKE.ota(0x81000)},
        {0: ESPRESSIF, 0x1000: MAKE.ota(0x1000), 0x101000: MAKE.ota(0x1000)},
        {0: RBOOT, 0x2000: MAKE.ota(0x2000, crc=False)},
        {0: RBOOT, 0x1000: bytes(0x800), 0xA000: MAKE.ota(0xA000)},
        {0: EBOOT, 0x1000: MAKE.sketch()[0x1000:]},
        {0: ESPRESSIF, 0x1000: MAKE.ota(0x1000), 0x7E000: b"\xff" * 0x1000, 0xFC000: bytes((5, 0, 4, 2)) + bytes(124)},
        {0: RBOOT, 0x1000: bytes(0x800), 0x2000: MAKE.ota(0x2000), 0x82000: MAKE.ota(0x82000)},
        {0: TINY, 0x2000: MAKE.ota(0x2000)},
        {0: LOADER, 0x8000: TABLE, 0x10000: APPLICATION},
        {0: LOADER.ljust(0x8000, b"\xff") + TABLE.ljust(0x8000, b"\xff") + APPLICATION},
        {0: LOADER.ljust(0x8000, b"\xff") + TABLE, 0x10000: APPLICATION},
        {0: ESPRESSIF.ljust(0x1000, b"\xff") + MAKE.ota(0x1000)},
        {0: RBOOT.ljust(0x2000, b"\xff") + MAKE.ota(0x2000)},
        {0: ESPRESSIF.ljust(0x1000, b"\xff") + whole(MAKE.linked(0x11000))},
        {0: MAKE.sketch()},
        {0: ESPRESSIF, 0x1000: whole(MAKE.linked(0x11000))},
        {0: TINY, 0x10000: CODE},
        {0: TINY, 0x40000: MAKE.linked(0x40000)},
        {0x10000: CODE},
        {0: whole(CODE)},
    ],
)
def test_right_layouts_pass(parts: dict[int, bytes]) -> None:
    check(parts)


@pytest.mark.parametrize(
    ("parts", "right"),
    [
        ({0: ESPRESSIF, 0x1000: MAKE.ota(0x81000)}, "0x81000:f1000.bin"),
        ({0: ESPRESSIF, 0x10000: MAKE.ota(0x1000)}, "0x01000:f10000.bin"),
        ({0: RBOOT, 0x1000: MAKE.ota(0x2000)}, "0x02000:f1000.bin"),
        ({0: TINY, 0x10000: CODE, 0x20000: MAKE.linked(0x30000)}, "0x30000:f20000.bin"),
        ({0: TINY, 0x11000: CODE}, "0x10000:f11000.bin"),
        ({0x20000: CODE}, "0x10000:f20000.bin, with its first half at 0x00000"),
        ({0x1000: MAKE.ota(0x2000)}, "0x02000:f1000.bin, with rBoot at 0x00000"),
        ({0: LOADER, 0x8000: TABLE, 0x20000: APPLICATION}, "0x10000:f20000.bin"),
        ({0: LOADER, 0x9000: TABLE, 0x10000: APPLICATION}, "0x08000:f9000.bin"),
        ({0x1000: LOADER}, "0x00000:f1000.bin"),
        ({0x2000: RBOOT, 0x3000: MAKE.ota(0x3000)}, "0x00000:f2000.bin"),
        ({0: TINY, 0x110000: CODE}, "0x10000:f110000.bin"),
        ({0: whole(MAKE.linked(0x11000))}, "0x01000:f0.bin, with Espressif's boot loader at 0x00000"),
        ({0: EBOOT, 0x2000: MAKE.sketch()[0x1000:]}, "0x01000:f2000.bin"),
    ],
)
def test_what_was_linked_for_another_place_is_refused_with_its_own(parts: dict[int, bytes], right: str) -> None:
    error = refused(parts)
    assert isinstance(error, ImageAddressError)
    assert right in error.hint
    check(parts, allow="image-address,image-incomplete")


def test_a_whole_firmware_belongs_to_0() -> None:
    espressif, rtos = ESPRESSIF.ljust(0x1000, b"\xff") + MAKE.ota(0x1000), b"".join(MAKE.rtos()).ljust(0x9000, b"\xff")
    for address in (0x1000, 0x10000, 0x81000):
        for data in (whole(CODE), MAKE.sketch(), espressif, rtos):
            assert isinstance(refused({address: data}), AggregatedInSplitError)
    check({0x100000: whole(CODE)})  # mapped over the first MiB it is in its place


def test_one_file_of_loader_and_application_for_another_place() -> None:
    error = refused({0: ESPRESSIF.ljust(0x1000, b"\xff") + MAKE.ota(0x81000)})
    assert isinstance(error, ImageAddressError)
    assert "0x81000" in error.message


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({0x10000: APPLICATION}, ["0x00000:BOOTLOADER.bin", "0x08000:PARTITIONS.bin", "0x10000:f10000.bin"]),
        ({0x8000: TABLE, 0x10000: APPLICATION}, ["0x00000:"]),
        ({0: LOADER, 0x10000: APPLICATION}, ["0x08000:PARTITIONS.bin"]),
        ({0: TINY, 0x10000: APPLICATION}, ["0x08000:PARTITIONS.bin"]),
        ({0: LOADER}, ["0x08000:PARTITIONS.bin", "0x10000:APPLICATION.bin"]),
        ({0: LOADER, 0x8000: TABLE}, ["0x10000:APPLICATION.bin"]),
        ({0: LOADER, 0x8000: MAKE.rtos(0x20000)[1], 0x10000: APPLICATION}, ["0x20000:"]),
        ({0x2000: MAKE.ota(0x2000)}, ["0x00000:RBOOT.bin", "0x02000:f2000.bin"]),
        ({0x81000: MAKE.ota(0x81000)}, ["0x00000:BOOT.bin", "0x81000:f81000.bin"]),
        ({0: RBOOT, 0x1000: bytes(0x800)}, ["0x02000:FILE"]),
        ({0: ESPRESSIF}, ["0x01000:FILE"]),
        ({0: EBOOT}, [".ino.bin"]),
        ({0: ESPRESSIF, 0x2000: MAKE.ota(0x2000)}, ["0x00000:RBOOT.bin"]),
        ({0: RBOOT, 0x1000: MAKE.ota(0x1000)}, ["0x00000:BOOT.bin"]),
    ],
)
def test_what_is_missing_is_named_with_its_address(parts: dict[int, bytes], named: list[str]) -> None:
    error = refused(parts)
    assert isinstance(error, IncompleteSplitError)
    assert all(words in error.hint for words in named), error.hint
    check(parts, allow="image-incomplete")


@pytest.mark.parametrize("data", [MAKE.ota(0x2000), MAKE.ota(0x81000), APPLICATION])
def test_what_only_a_loader_starts_does_not_start_at_0(data: bytes) -> None:
    error = refused({0: data})
    assert isinstance(error, NotBootableError)
    assert any(f"{place}:f0.bin" in error.hint for place in ("0x02000", "0x81000", "0x10000"))


def test_a_first_half_beside_its_second_belongs_to_0() -> None:
    start, code = pair(1)
    error = refused({0x1000: start, 0x10000: code})
    assert isinstance(error, ImageAddressError)
    assert error.hint == "image=0x00000:f1000.bin,0x10000:f10000.bin"


def test_halves_of_two_builds_are_refused() -> None:
    (start, code), (other_start, other_code) = pair(1), pair(2)
    check({0: start, 0x10000: code})
    check({0: other_start, 0x10000: other_code})
    for parts in ({0: start, 0x10000: other_code}, {0: other_start, 0x10000: code}):
        assert isinstance(refused(parts), MixedBuildsError)
        check(parts, allow="image-mixed,image-truncated")


@pytest.mark.parametrize("place", ["beside", "inside"])
@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda data: data[: len(data) // 2], ImageTruncatedError),
        (lambda data: data[:-40], ImageTruncatedError),
        (lambda data: data[:0x4000] + bytes([data[0x4000] ^ 1]) + data[0x4001:], ImageChecksumError),
        (lambda data: data[:-30] + bytes([data[-30] ^ 1]) + data[-29:], ImageChecksumError),
    ],
)
def test_a_part_that_knows_its_length_and_crc_is_checked_wherever_it_stands(
    place: str, damage: object, kind: type[ImageError]
) -> None:
    assert callable(damage)
    for loader, at in ((ESPRESSIF, 0x1000), (RBOOT, 0x2000)):
        part = damage(MAKE.ota(at))
        parts = {0: loader, at: part} if place == "beside" else {0: loader.ljust(at, b"\xff") + part}
        assert type(refused(parts)) is kind
        check(parts, allow=kind.code)


def test_an_application_of_the_rtos_sdk_is_not_the_other_half_of_a_nodemcu() -> None:
    start, _ = pair(1)
    error = refused({0: start, 0x10000: APPLICATION})
    assert isinstance(error, IncompleteSplitError)
    assert "0x00000:BOOTLOADER.bin,0x08000:PARTITIONS.bin" in error.hint


def test_an_application_that_the_table_names_is_checked_too() -> None:
    damaged = APPLICATION[:0x100] + bytes([APPLICATION[0x100] ^ 1]) + APPLICATION[0x101:]
    assert isinstance(refused({0: LOADER, 0x8000: TABLE, 0x10000: damaged}), ImageChecksumError)
    one = LOADER.ljust(0x8000, b"\xff") + TABLE.ljust(0x8000, b"\xff") + APPLICATION[:-0x100]
    assert isinstance(refused({0: one}), ImageTruncatedError)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95])
def test_code_that_goes_on_behind_the_end_is_cut_short(share: float) -> None:
    code = MAKE.linked(0x10000, 0x40000)
    cut = code[: int(len(code) * share)]
    for parts in ({0: TINY, 0x10000: cut}, {0x10000: cut}, {0: whole(cut)}):
        assert isinstance(refused(parts), ImageTruncatedError)
