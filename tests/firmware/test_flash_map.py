from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from flashpipe.firmware.flash_map import areas, volatile
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.flash import Region
from hypothesis import assume, given
from hypothesis import strategies as st

SIZES = (0x40000, 0x80000, 0x100000, 0x200000, 0x400000, 0x800000, 0x1000000)


def named(firmware: Firmware, size: int) -> dict[str, Region]:
    return {area.name: area.region for area in areas(firmware, size)}


# facts: image-flashmap §5.1
@pytest.mark.parametrize(
    ("size", "rf_cal"),
    [
        (0x80000, 0x7B000),
        (0x100000, 0xFB000),
        (0x200000, 0x1FB000),
        (0x400000, 0x3FB000),
        (0x800000, 0x7FB000),
        (0x1000000, 0xFFB000),
    ],
)
def test_last_five_sectors_up_to_sdk_2(build: Any, size: int, rf_cal: int) -> None:
    for firmware in (
        identify_firmware({0: build.combine(build.pair_2x())}),
        Firmware("unknown"),
        Firmware("micropython"),
    ):
        found = named(firmware, size)
        assert found["rf_cal"] == Region(rf_cal, rf_cal + 0x1000)
        assert found["phy_init"] == Region(rf_cal + 0x1000, rf_cal + 0x2000)
        assert found["system_params"] == Region(rf_cal + 0x2000, size)


# facts: image-flashmap §5.3
def test_new_layout_of_3x(build: Any) -> None:
    found = named(identify_firmware({0: build.combine(build.pair_3x())}), 0x400000)
    assert found["boot"] == Region(0, 0xB000)
    assert found["rf_cal"] == Region(0xD000, 0xE000)
    assert found["phy_init"] == Region(0xF000, 0x10000)
    assert found["partition_table"] == Region(0x10000, 0x11000)
    assert found["irom"] == Region(0x11000, 0x40000)
    assert found["spiffs"] == Region(0x40000, 0x3FD000)
    assert found["system_params"] == Region(0x3FD000, 0x400000)


def test_old_layout_of_3x(build: Any) -> None:
    found = named(identify_firmware({0: build.combine(build.pair_3x(layout="old"))}), 0x400000)
    assert found["rf_cal"] == Region(0xB000, 0xC000)
    assert found["phy_init"] == Region(0xC000, 0xD000)
    assert found["system_params"] == Region(0x3FD000, 0x400000), "as its SDK has it, not its table"
    assert found["spiffs"].end == 0x3FD000


@pytest.mark.parametrize(("size", "start"), [(0x80000, 0x42000), (0x400000, 0x50000)])
def test_file_system_of_2x_follows_the_code(build: Any, size: int, start: int) -> None:
    firmware = identify_firmware({0: build.combine(build.pair_2x(0x30100))})
    assert named(firmware, size)["spiffs"] == Region(start, size - 0x5000)


def test_where_two_have_one_place_both_are_named(build: Any) -> None:
    for layout, shared in (("old", True), ("new", False)):
        firmware = identify_firmware({0: build.combine(build.pair_3x(layout=layout))})
        (last,) = [area.what for area in areas(firmware, 0x400000) if area.name == "system_params"]
        assert ("the end of the file system lies over them" in last) == shared


def test_volatile_of_3x_is_what_first_boot_rewrites(build: Any) -> None:
    found = [entry.region for entry in volatile(identify_firmware({0: build.combine(build.pair_3x())}), 0x100000)]
    assert found == [
        Region(0xD000, 0xE000),
        Region(0xF000, 0x10000),
        Region(0x10000, 0x11000),
        Region(0xFD000, 0x100000),
    ]


def test_volatile_of_2x_has_the_size_byte_first(build: Any) -> None:
    found = volatile(identify_firmware({0: build.combine(build.pair_2x())}), 0x400000)
    assert found[0].region == Region(3, 4)
    assert [entry.region for entry in found[1:]] == [
        Region(0x3FB000, 0x3FC000),
        Region(0x3FC000, 0x3FD000),
        Region(0x3FD000, 0x400000),
    ]
    assert all(entry.why for entry in found)


@given(
    size=st.sampled_from(SIZES), kind=st.sampled_from(("pair_2x", "pair_3x")), layout=st.sampled_from(("old", "new"))
)
def test_areas_lie_in_the_flash_in_order_and_apart(build: Any, size: int, kind: str, layout: str) -> None:
    assume(kind == "pair_2x" or size >= 0x100000)  # the gate refuses 3.x on less
    pair = build.pair_3x(layout=layout) if kind == "pair_3x" else build.pair_2x()
    found = [area.region for area in areas(identify_firmware({0: pair[0], 0x10000: pair[1]}), size)]
    assert found == sorted(found)
    assert all(Region(0, size).contains(region) and region.size > 0 for region in found)
    assert not any(left.overlaps(right) for left, right in pairwise(found))
