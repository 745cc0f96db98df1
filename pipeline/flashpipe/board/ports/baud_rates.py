"""How far an adapter's rate and the chip's are apart: both make theirs by dividing a clock by a whole number."""

from __future__ import annotations

from typing import Final

CHIP_CLOCK_HZ: Final = 52_000_000
"""UART clock of the ESP8266 in loader and stub, with a 26 MHz crystal (facts: esp8266-protocol §3.7)."""
LIMIT_PERCENT: Final = 2.0
"""Beyond it bytes begin to break: a UART bears some 3.5 % in all (facts: esp8266-protocol §3.7)."""
_CP210X_HZ: Final = 24_000_000
_FTDI_HZ: Final = 24_000_000
"""3 MHz in steps of an eighth (FTDI AN232B-05)."""
_CH34X_HZ: Final = 12_000_000
"""48 MHz behind the smallest prescaler for fast rates, 4 (Linux drivers/usb/serial/ch341.c)."""
_CLOCKS: Final = {"10c4": _CP210X_HZ, "0403": _FTDI_HZ, "1a86": _CH34X_HZ, "4348": _CH34X_HZ}
"""USB vendor to the clock that its bridges divide, in Hz."""
MAXIMUM: Final = {"10c4:ea60": 1_000_000, "1a86:7523": 3_000_000, "0403:6001": 3_000_000}
"""Highest rate that a bridge, or Linux' driver for it, does; the CP2102's is the lowest (facts: usb-nodemcu §8)."""


def adapter_rate(usb: str, baud: int) -> float | None:
    """What the adapter `VID:PID` really does when asked for `baud`; None where its clock is not known.

    >>> round(adapter_rate("1a86:7523", 921600))
    923077
    """
    clock = _CLOCKS.get(usb.partition(":")[0])
    return clock / max(1, round(clock / baud)) if clock else None


def chip_rate(baud: int) -> float:
    """What the chip does: dividers are whole numbers, rounded down (a real sample: 115200 gives 451 or 452).

    >>> round(chip_rate(921600))
    928571
    """
    return CHIP_CLOCK_HZ / max(1, CHIP_CLOCK_HZ // baud)


def error_percent(usb: str, baud: int) -> float | None:
    """How far both ends are apart, in percent of `baud`; None where the adapter is not known.

    >>> round(error_percent("1a86:7523", 460800), 1)
    0.6
    >>> round(error_percent("1a86:7523", 1152000), 1)
    3.9
    """
    theirs = adapter_rate(usb, baud)
    return None if theirs is None else abs(theirs - chip_rate(baud)) / baud * 100
