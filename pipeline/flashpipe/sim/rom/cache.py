"""The flash cache on and off (pvvx, info/libs/bios/SpiFlash.c)."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.devices.dport import CACHE_CONTROL, CACHE_ON
from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.table import rom

_CLEARED: Final = 0x07070000
"""Megabyte, pair of megabytes, and size of the cache."""


@rom("Cache_Read_Enable", 0x40004678)
def enable(guest: Guest, odd: int, pair: int, large: int) -> None:
    """Map a megabyte: `pair` counts two of them, `odd` takes the second; `large` takes 32 KB of RAM instead of 16."""
    dport = guest.devices.dport
    which = {0: 0, 1: 1 << 25}.get(odd & 0xFF, 1 << 24)
    value = dport.read(CACHE_CONTROL) & ~_CLEARED | which | (pair & 7) << 16 | (large & 1) << 26 | CACHE_ON
    dport.write(CACHE_CONTROL, value)


@rom("Cache_Read_Disable", 0x400047F0)
def disable(guest: Guest) -> None:
    """Cache off. The window goes on to show the flash: nobody looks at it meanwhile."""
    dport = guest.devices.dport
    dport.write(CACHE_CONTROL, dport.read(CACHE_CONTROL) & ~CACHE_ON)
