"""A flash as one line of characters, and the marks of its areas: plans and inspections share it."""

from __future__ import annotations

from typing import Final

from flashpipe.flash import Region

WIDTH: Final = 64
"""Characters of the line."""
AREA_MARKS: Final = {
    "partition_table": ("T", "partition table"),
    "rf_cal": ("R", "RF calibration"),
    "phy_init": ("I", "init data"),
    "system_params": ("P", "SDK parameters"),
    "lfs": ("L", "LFS"),
    "spiffs": ("S", "SPIFFS"),
    "boot": ("b", "boot image"),
    "irom": ("c", "code"),
}
"""Areas of the flash map, the one first that shows where several share a character; capitals are what the firmware
keeps there."""


def drawn(pieces: list[tuple[Region, str]], order: list[str], size: int) -> str:
    """A flash of `size` bytes to scale, one mark for equal parts; where several share one, the first of `order`."""
    step = size / WIDTH
    cells = []
    for number in range(WIDTH):
        cell = Region(int(number * step), max(int(number * step) + 1, int((number + 1) * step)))
        marks = [mark for region, mark in pieces if region.overlaps(cell)]
        cells.append(min(marks, key=order.index) if marks else " ")
    return "".join(cells)
