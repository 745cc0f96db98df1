from __future__ import annotations

import struct

import pytest
from flashpipe.board.loader.chips import (
    MANUFACTURERS,
    PARTS,
    chip_id,
    crystal_mhz,
    decode_flash_size,
    decode_mac,
    describe_flash,
    identify_chip,
    sfdp_size,
)
from flashpipe.errors import DeviceError
from hypothesis import given
from hypothesis import strategies as st

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("flash_id", "manufacturer", "part", "size"),
    [
        (0x1640EF, "Winbond", "W25Q32", 4 * MB),
        (1261768, "GigaDevice", "GD25Q40", MB // 2),  # node.flashid() of a real ESP-01 (facts: usb-nodemcu §9.4)
        (0x1440E0, "BergMicro", "BG25Q80", MB),
        (0x146085, "Puya", "P25D80H or P25Q80H", MB),
        (0x164020, "XMC", "XM25QH32", 4 * MB),
        (0x142020, "Micron/ST", "M25P80", MB),
        (0x34258C, "ESMT", "F25D08QA", MB),
        (0x01841F, "Adesto", "AT25SF041", MB // 2),
        (0x01871F, "Adesto", "AT25SF321", 4 * MB),
        (0x1840EF, "Winbond", "W25Q128", 16 * MB),
        (0x174042, "unknown manufacturer 0x42", "", 8 * MB),
        (0x7740EF, "Winbond", "", None),
    ],
)
def test_flash_parts_are_named(flash_id: int, manufacturer: str, part: str, size: int | None) -> None:
    found = describe_flash(flash_id)
    assert (found.manufacturer, found.part, found.size) == (manufacturer, part, size)
    assert found.answers


@pytest.mark.parametrize("flash_id", [0xFFFFFF, 0x000000, 0xFFFF3F])
def test_a_dead_bus_is_no_flash(flash_id: int) -> None:
    found = describe_flash(flash_id)
    assert not found.answers
    assert found.size is None
    assert "no flash chip answers" in found.title()


def test_titles_say_it_all() -> None:
    assert describe_flash(0x1640EF).title() == "Winbond W25Q32 (ef/4016), 4 MB"
    assert describe_flash(0x7740EF).title() == "Winbond unknown part (ef/4077), unknown size"


def test_every_part_has_a_manufacturer_and_a_size() -> None:
    assert len(PARTS) > 60
    for maker, kind, capacity in PARTS:
        assert maker in MANUFACTURERS
        third = 1 if maker == 0x1F else capacity
        assert decode_flash_size(maker | kind << 8 | third << 16)


@pytest.mark.parametrize(
    ("capacity", "size"),
    [
        *((0x12, MB // 4), (0x19, 32 * MB), (0x1A, 64 * MB), (0x1C, 256 * MB), (0x20, 64 * MB), (0x22, 256 * MB)),
        *((0x32, MB // 4), (0x3A, 64 * MB), (0x11, None), (0x1D, None), (0x1F, None), (0x23, None), (0x3B, None)),
    ],
)
def test_capacity_byte(capacity: int, size: int | None) -> None:
    assert decode_flash_size(capacity << 16 | 0x40EF) == size


@given(st.integers(0, 0xFFFFFFFF))
def test_any_flash_id_can_be_described(flash_id: int) -> None:
    found = describe_flash(flash_id)
    assert found.title()
    assert found.size is None or found.size & (found.size - 1) == 0


# --- SFDP ------------------------------------------------------------------------------------------------------------


def sfdp(density: int, *, table: int = 0x30, identifier: bytes = b"\x00\xff") -> bytes:
    header = b"SFDP\x06\x01\x00\xff"
    parameter = bytes((identifier[0], 6, 1, 16)) + table.to_bytes(3, "little") + identifier[1:]
    return (header + parameter).ljust(table, b"\xff") + struct.pack("<II", 0xFFF120E5, density)


def test_sfdp_density_in_bits_minus_one() -> None:
    assert sfdp_size(sfdp(32 * MB - 1)) == 4 * MB


def test_sfdp_density_as_a_power_of_two() -> None:
    assert sfdp_size(sfdp(0x80000000 | 35)) == 4096 * MB


def test_a_chip_without_sfdp_has_no_size_there() -> None:
    assert sfdp_size(b"\xff" * 64) is None
    assert sfdp_size(b"") is None
    assert sfdp_size(sfdp(0xFFFFFFFF)) is None
    assert sfdp_size(sfdp(0xFFFFFFFE)) is None
    assert sfdp_size(sfdp(32 * MB - 1)[:50]) is None
    assert sfdp_size(sfdp(32 * MB - 1, identifier=b"\x81\xff")) is None


@given(st.binary(max_size=80))
def test_any_bytes_can_be_asked_for_sfdp(data: bytes) -> None:
    sfdp_size(b"SFDP" + data)


# --- efuses ----------------------------------------------------------------------------------------------------------

SAMPLE = (0x2C000000, 0x00027681, 0xF200B000, 0x00840D8E)
"""Words 1 to 3 of a real ESP8266EX (espressif/esptool issue 620); word 0 was not published."""


def test_a_real_esp8266() -> None:
    found = identify_chip(SAMPLE)
    assert (found.name, found.family, found.embedded_flash_size) == ("ESP8266EX", "esp8266", None)
    assert found.features == ("Wi-Fi", "160MHz")
    assert decode_mac(SAMPLE) == "84:0d:8e:76:81:2c"


@pytest.mark.parametrize(
    ("w0", "w3", "name", "size"),
    [
        (0x10, 0, "ESP8285N08", MB),
        (0x30, 0, "ESP8285H08", MB),
        (0x10, 1 << 26, "ESP8285N16", 2 * MB),
        (0x30, 1 << 26, "ESP8285H16", 2 * MB),
        (0x00, 1 << 25, "ESP8285N16", 2 * MB),
        (0x00, 1 << 25 | 1 << 26, "ESP8285", 4 * MB),
        (0x10, 1 << 27, "ESP8285", None),
        (0x00, 0, "ESP8285", None),
    ],
)
def test_esp8285_sizes(w0: int, w3: int, name: str, size: int | None) -> None:
    found = identify_chip((w0, 0, 0x10000, w3))
    assert (found.name, found.family, found.embedded_flash_size) == (name, "esp8285", size)
    assert "Embedded Flash" in found.features


def test_either_efuse_bit_makes_an_esp8285() -> None:
    assert identify_chip((0x10, 0, 0, 0)).family == "esp8285"
    assert identify_chip((0, 0, 0x10000, 0)).family == "esp8285"


@pytest.mark.parametrize(("w1", "prefix"), [(0x00001234, "18:fe:34"), (0x00011234, "ac:d0:74")])
def test_macs_of_old_chips(w1: int, prefix: str) -> None:
    assert decode_mac((0x56000000, w1, 0, 0)) == f"{prefix}:12:34:56"


def test_an_unknown_mac_prefix_is_refused() -> None:
    with pytest.raises(DeviceError, match="0x00020000"):
        decode_mac((0, 0x00020000, 0, 0))


def test_chip_id_is_the_end_of_the_mac() -> None:
    assert chip_id("84:f3:eb:10:75:2c") == 1078572  # esp8266/Arduino issue 7307


@pytest.mark.parametrize("baud", [74880, 115200, 230400])
@pytest.mark.parametrize("crystal", [24, 26, 40])
@pytest.mark.parametrize("error", [0.985, 1.0, 1.015])
def test_crystal(baud: int, crystal: int, error: float) -> None:
    divider = round(2e6 * crystal / baud * error)
    assert crystal_mhz(baud, divider | 0x100000) == crystal
