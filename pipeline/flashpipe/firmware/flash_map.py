"""Where a firmware keeps what, by its SDK line and the flash size in its header (facts: image-flashmap §5).

`areas` is for people and for `keep`; `volatile` says which bytes of a plan belong to the firmware once it has booted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.partition_table import (
    EAGLEROM,
    IROM,
    LFS,
    PHY_DATA,
    RF_CAL,
    SPIFFS,
    SYSTEM_PARAMETERS,
    TABLE_ADDRESS,
    place_partitions,
)
from flashpipe.flash import SECTOR_SIZE, SIZE_BYTES, SIZE_CODES, Region
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A region with a purpose."""

    region: Region
    name: str
    """`boot`, `irom`, `rf_cal`, `phy_init`, `system_params`, `partition_table`, `lfs` or `spiffs`."""
    what: str
    """For people."""


@dataclass(frozen=True, slots=True)
class VolatileRegion:
    """Bytes that the firmware itself writes once it runs."""

    region: Region
    why: str


WHAT: Final = {
    "boot": "boot image (code loaded to RAM)",
    "irom": "code that runs from flash",
    "rf_cal": "RF calibration",
    "phy_init": "SDK init data",
    "system_params": "SDK parameters with Wi-Fi settings",
    "partition_table": "NodeMCU partition table",
    "lfs": "Lua flash store",
    "spiffs": "file system",
}
SHARED: Final = f"{WHAT['system_params']}; the end of the file system lies over them"
"""The last three sectors in the older layout of NodeMCU 3.x (facts: image-flashmap §5.3)."""
_WRITTEN: Final = ("rf_cal", "phy_init", "system_params", "partition_table")
"""Areas that the firmware writes at its first boot or later (facts: image-flashmap §5.3, §5.4)."""
_PARTITIONS: Final = {
    EAGLEROM: "boot",
    RF_CAL: "rf_cal",
    PHY_DATA: "phy_init",
    SYSTEM_PARAMETERS: "system_params",
    LFS: "lfs",
    SPIFFS: "spiffs",
}
HEADER_SIZE_BYTE: Final = Region(3, 4)
"""Byte 3 of the image header, which some firmware sets to the size it found (facts: image-flashmap §4.3)."""


def adjusted_header(planned: int, flash_size: int | None) -> tuple[int, ...]:
    """What byte 3 may be where it was planned as `planned`: that, or the size that the firmware finds on this flash.

    It leaves the clock as it is (executed 1.5.4.1, 2.2). `flash_size`: None where nobody knows it.
    """
    found = [name for name, size in SIZE_BYTES.items() if size == (flash_size or size) and not name.endswith("-c1")]
    return (planned, *(SIZE_CODES[name] << 4 | planned & 0x0F for name in found))


def areas(firmware: Firmware, flash_size: int) -> tuple[Area, ...]:
    """What lies where on a flash of `flash_size` bytes, in the order of addresses; only what is known."""
    if firmware.layout.startswith("3.x"):
        places = dict(_areas_3x(firmware, flash_size))
    elif firmware.layout == "2.x":
        places = dict(_areas_2x(firmware, flash_size))
    else:
        places = dict(_parameters(flash_size))
    whole = Region(0, flash_size)
    words = {**WHAT, "system_params": SHARED} if _files_reach_the_end(firmware, flash_size) else WHAT
    return tuple(
        Area(region, name, words[name])
        for name, region in sorted(places.items(), key=lambda item: item[1])
        if region.size > 0 and whole.contains(region)
    )


def volatile(firmware: Firmware, flash_size: int) -> tuple[VolatileRegion, ...]:
    """What to verify before the first boot and to leave alone afterwards, in the order of addresses."""
    places = [
        VolatileRegion(area.region, f"the firmware keeps its {WHAT[area.name]} there")
        for area in areas(firmware, flash_size)
        if area.name in _WRITTEN
    ]
    if firmware.adjusts_size:
        places.insert(0, VolatileRegion(HEADER_SIZE_BYTE, "the firmware adjusts the flash size in its header"))
    return tuple(places)


def parameters_3x(flash_size: int) -> Region:
    """Where SDK 3.x keeps its parameters, whatever the partition table says (facts: image-flashmap §5.3)."""
    return Region(flash_size - 3 * SECTOR_SIZE, flash_size)


def _files_reach_the_end(firmware: Firmware, flash_size: int) -> bool:
    """Whether the file system is made over the last three sectors, in which the SDK has its parameters all the same."""
    if not firmware.layout.startswith("3.x") or firmware.table is None:
        return False
    regions = place_partitions(firmware.table, flash_size)
    last = parameters_3x(flash_size)
    return SYSTEM_PARAMETERS in regions and SPIFFS in regions and regions[SPIFFS].overlaps(last)


def _parameters(flash_size: int) -> Iterator[tuple[str, Region]]:
    """The SDK's last five sectors, up to SDK 2.x (facts: image-flashmap §5.1)."""
    yield "rf_cal", Region(flash_size - 5 * SECTOR_SIZE, flash_size - 4 * SECTOR_SIZE)
    yield "phy_init", Region(flash_size - 4 * SECTOR_SIZE, flash_size - 3 * SECTOR_SIZE)
    yield "system_params", Region(flash_size - 3 * SECTOR_SIZE, flash_size)


def _areas_2x(firmware: Firmware, flash_size: int) -> Iterator[tuple[str, Region]]:
    yield from _parameters(flash_size)
    yield "boot", Region(0, TABLE_ADDRESS)
    # A dump of a whole flash does not show where its code ends.
    if TABLE_ADDRESS < firmware.code_end <= flash_size - 5 * SECTOR_SIZE:
        yield "irom", Region(TABLE_ADDRESS, firmware.code_end)
        # 64 KiB steps on 1 MiB and more, 8 KiB steps on 512 KiB (facts: image-flashmap §5.4).
        step = 0x10000 if flash_size >= 0x100000 else 0x2000  # noqa: PLR2004
        yield "spiffs", Region(-(-firmware.code_end // step) * step, flash_size - 5 * SECTOR_SIZE)


def _areas_3x(firmware: Firmware, flash_size: int) -> Iterator[tuple[str, Region]]:
    yield "partition_table", Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)
    table = firmware.table
    regions = place_partitions(table, flash_size) if table else {}
    for type_, region in regions.items():
        if type_ in _PARTITIONS:
            yield _PARTITIONS[type_], region
    if SYSTEM_PARAMETERS in regions:
        yield "system_params", (last := parameters_3x(flash_size))
        if _files_reach_the_end(firmware, flash_size):  # one sector, one area: `SHARED` says whose they are besides
            yield "spiffs", Region(regions[SPIFFS].start, last.start)
    if IROM in regions:
        yield "irom", Region(TABLE_ADDRESS + SECTOR_SIZE, regions[IROM].end)
