"""The table of flash parts: identities of the facts, sizes that fit their codes, plausible times."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip.parts import PARTS, NorPart, part_by_id, part_by_name

NORMAL_CODES = {0x12 + code: 0x40000 << code for code in range(8)}
"""Capacity byte to size (facts: flash-timing §6.2)."""


def test_there_are_many_and_no_two_are_alike() -> None:
    assert len(PARTS) >= 20
    assert len({part.flash_id for part in PARTS}) == len(PARTS)
    assert len({part.name.lower() for part in PARTS}) == len(PARTS)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_part_is_coherent(part: NorPart) -> None:
    code = part.device & 0xFF
    if part.manufacturer == 0x1F:  # Adesto: low bits of the type byte
        assert part.size == {4: 0x80000, 5: 0x100000}[part.device >> 8 & 0x1F]
    else:
        assert part.size == NORMAL_CODES[code]
    times = part.times
    assert 0 < times.page_program_s < times.sector_erase_s <= times.block32_erase_s <= times.block64_erase_s
    assert times.block64_erase_s <= times.chip_erase_s <= 200
    assert all(value > 0 for value in astuple(times))
    assert part.jedec == part.flash_id.to_bytes(3, "little")
    assert part.protect_bits & 0x1C == 0x1C


@pytest.mark.parametrize(("name", "raw"), [("w25q32", 1458415), ("GD25Q40B", 1261768), ("P25Q80H", 0x146085)])
def test_raw_id_is_what_node_flashid_prints(name: str, raw: int) -> None:
    """1458415 and 1261768: facts flash-timing §6.1, usb-nodemcu §9.4."""
    part = part_by_name(name)
    assert part.flash_id == raw
    assert part_by_id(raw) is part


def test_measured_times_are_marked() -> None:
    part = part_by_name("W25Q64")
    assert part.times.chip_erase_s == 16.0
    assert "chip_erase_s" in part.confirmed


def test_unknown_parts() -> None:
    assert part_by_id(0xFFFFFF) is None
    with pytest.raises(BadValueError, match="W99"):
        part_by_name("W99")
