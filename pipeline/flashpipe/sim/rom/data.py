"""Data RAM as the ROM leaves it when it starts a program: tables, strings, structures, cleared variables.

Addresses: eagle.rom.addr.v6.ld of SDK, Arduino core and pvvx's open SDK, each named where its module uses it; the
strings: pvvx, app/sdklib/system/wdt.c, and what older SDKs print.
"""

from __future__ import annotations

import string
from typing import Final

from flashpipe.sim.chip.chip import ROM_FLASH_ID, ROM_FLASH_SIZE
from flashpipe.sim.rom import aes, exceptions, flash, interrupts, phy, printf, rtc, tasks, timers, uart
from flashpipe.sim.rom.guest import Guest

CLEARED: Final = range(0x3FFFD880, 0x3FFFEB30)
"""The ROM's variables (its BSS ends at 0x3FFFEB30; where it begins is a choice below the first known variable)."""
STACK: Final = 0x3FFFFFB0
"""Where the program's stack begins (core_esp8266_postmortem.cpp of the Arduino core: ctx: sys)."""
STRINGS: Final = {
    0x3FFFD7CC: b"epc1=0x%08x, epc2=0x%08x, epc3=0x%08x, excvaddr=0x%08x, depc=0x%08x\n",
    0x3FFFD814: b"Fatal exception (%d): \n",
    0x3FFFD848: b"0123456789abcdef",
    0x3FFFD85C: b"0123456789ABCDEF",
    0x3FFFD870: b"<null>",
}
BASE64: Final = 0x3FFFD600
_BASE64_ALPHABET: Final = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/").encode()
_ROM_FLASH: Final = (0x10000, 0x1000, 0x100, 0xFFFF)
"""Block, sector, page, status mask."""
_CORE_MHZ: Final = 52
"""Twice the crystal: what the core runs at until the SDK sets the PLL."""
_WATCHDOG: Final = (0xFFFFFFFF, 6, 12)
"""No mode yet (bootloaders/eboot/eboot.c of the Arduino core: `I always see a return value of 0xFFFFFFFF`)."""


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def initialise(guest: Guest, flash_size: int = ROM_FLASH_SIZE) -> None:
    """Write everything; `flash_size`: up to where the ROM's functions reach, until a program tells them."""
    memory = guest.memory
    memory.write(CLEARED.start, bytes(len(CLEARED)))
    memory.write(
        exceptions.ASSEMBLY_TABLE, _words(*(exceptions.DEFAULT_HANDLERS[cause] for cause in range(exceptions.CAUSES)))
    )
    memory.write(exceptions.C_TABLE, _words(*(exceptions.NOTHING,) * exceptions.CAUSES))
    memory.write(interrupts.TABLE, _words(interrupts.UNHANDLED, 0) * interrupts.INTERRUPTS)
    memory.write(tasks.CURRENT, _words(0))
    memory.write(timers.FREQUENCY, _words(_CORE_MHZ))
    memory.write(rtc.WATCHDOG_MODE, _words(*_WATCHDOG))
    memory.write(flash.POINTER, _words(flash.CHIP, ROM_FLASH_ID, flash_size, *_ROM_FLASH))
    memory.write(phy.TABLE_POINTER, _words(phy.TABLE) + phy.table())
    for address, text in STRINGS.items():
        memory.write(address, text + b"\0")
    memory.write(BASE64, _BASE64_ALPHABET + b"\0")
    for address, table in aes.tables().items():
        memory.write(address, table)
    memory.write(printf.PUTC1, _words(printf.UART_PUTC, 0))
    uart.write_device(guest)
