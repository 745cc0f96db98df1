"""SPI_CTRL's clock bits, against what Espressif's SDK writes and pvvx lists."""

from __future__ import annotations

import pytest
from flashpipe.sim.chip.flash_clock import AFTER_RESET, ATTACHED, CTRL, divider, speed_bits


@pytest.mark.parametrize(("division", "bits"), [(1, 0x1000), (2, 0x101), (3, 0x202), (4, 0x313)])
def test_divisions_of_the_image_headers(division: int, bits: int) -> None:
    assert speed_bits(division) == bits
    assert divider(bits) == division
    assert divider(bits | 0x016A_A000) == division, "modes are no clock"


def test_the_roms_own_clock_is_a_quarter() -> None:
    assert divider(ATTACHED) == 4
    assert AFTER_RESET[CTRL] & 0xFFF == ATTACHED & 0xFFF
