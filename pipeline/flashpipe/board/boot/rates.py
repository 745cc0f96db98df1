"""Rates of the line while a board boots: those of the ROM, and those that firmwares have."""

from __future__ import annotations

from typing import Final

COMMON_BAUDS: Final = (115200, 9600, 57600, 230400, 460800, 74880, 38400, 19200, 921600, 4800)
"""Rates tried where the declared one gives garbage; 9600 is NodeMCU 0.9.x (facts: usb-nodemcu §9.3)."""
ROM_BAUDS: Final = (74880, 115200, 69120)
"""The ROM's rates by crystal, the most common first: 26, 40 and 24 MHz (facts: esp8266 §2.4)."""


def rom_baud(crystal_mhz: int = 26) -> int:
    """The ROM's and SDK's rate: 115200 scaled from the 40 MHz that the ROM assumes (facts: esp8266 §2.4)."""
    return 115200 * crystal_mhz // 40
