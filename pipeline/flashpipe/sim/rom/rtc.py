"""Reset, sleep and the watchdog by ROM functions.

Sources: pvvx, info/libs/bios/rtc_dtm.c and wdt.c; mongoose-os.com/blog/esp8266-watchdog-timer.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.devices import watchdog
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.devices.rtc import CONTROL, COUNTER, REASON, SLEEP, TARGET, WAKE_CAUSE
from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.interrupts import isr_mask, isr_unmask
from flashpipe.sim.rom.table import rom, rom_raw

WATCHDOG_MODE: Final = 0x3FFFC708
"""wdt_info: mode and the two arguments."""
_LENGTHS: Final = {3: 11, 6: 12, 12: 13}
"""Length of a stage by the argument of ets_wdt_enable."""
_ONE_STAGE, _TWO_STAGES = 0x3C, 0x38
SLEEP_PARAMETERS: Final = 0x3FFFDD64
"""dtm_params."""
_SLEEP_PARAMETERS_SIZE: Final = 0x48
_BEACON, _TSF, _MASK, _SLEEP_FUNCTION, _WAKE_FUNCTION = (SLEEP_PARAMETERS + at for at in (0x18, 0x1C, 0x38, 0x3C, 0x40))
_SLEEP_UNIT: Final = 100_000
_SOFTWARE_RESET: Final = 1 << 31


@rom_raw("_ResetVector", 0x40000080)
@rom_raw("_ResetHandler", 0x400000A4)
@rom_raw("_start", 0x4000042C)
@rom_raw("main", 0x40000FEC)
def reset_vector(guest: Guest) -> None:
    """Start the ROM again: what system_restart does at last."""
    guest.restart()


@rom_raw("software_reset", 0x4000264C)
def software_reset(guest: Guest) -> None:
    """Reset by the RTC."""
    guest.back()
    rtc = guest.devices.rtc
    rtc.write(CONTROL, rtc.read(CONTROL) | _SOFTWARE_RESET)


@rom("rtc_get_reset_reason", 0x400025E0)
def reset_reason(guest: Guest) -> int:
    """1 power, 2 pin, 4 watchdog, 5 wake-up (ets_sys.h)."""
    rtc = guest.devices.rtc
    reason = rtc.read(REASON) & 7
    rtc.write(SLEEP, rtc.read(SLEEP) & ~(1 << 21))
    return reason


@rom("rtc_set_sleep_mode", 0x40002668)
def set_sleep_mode(guest: Guest, bits: int, time: int, wake: int) -> None:
    """Prepare a sleep."""
    rtc = guest.devices.rtc
    rtc.write(TARGET, rtc.read(COUNTER) + time * _SLEEP_UNIT & 0xFFFFFFFF)
    rtc.write(WAKE_CAUSE, wake)
    rtc.write(SLEEP, rtc.read(SLEEP) | bits)


@rom("dtm_params_init", 0x4000269C)
def sleep_parameters(guest: Guest, before: int, after: int) -> None:
    """Functions to call before and after a light sleep."""
    guest.memory.write(SLEEP_PARAMETERS, bytes(_SLEEP_PARAMETERS_SIZE))
    guest.memory.set_u32(_SLEEP_FUNCTION, before)
    guest.memory.set_u32(_WAKE_FUNCTION, after)


@rom("dtm_set_intr_mask", 0x400026C8)
def set_sleep_mask(guest: Guest, mask: int) -> None:
    """Interrupts that are masked while the chip sleeps."""
    guest.memory.set_u32(_MASK, mask)


@rom("dtm_get_intr_mask", 0x400026D0)
def get_sleep_mask(guest: Guest) -> int:
    """As set."""
    return guest.memory.u32(_MASK)


@rom("save_rxbcn_mactime", 0x400027A4)
def save_beacon_time(guest: Guest, time: int) -> None:
    """Remember when a beacon came."""
    guest.memory.set_u32(_BEACON, time)


@rom("save_tsf_us", 0x400027AC)
def save_tsf(guest: Guest, time: int) -> None:
    """Remember the radio network's time."""
    guest.memory.set_u32(_TSF, time)


@rom("ets_rtc_int_register", 0x40002A40)
def register_interrupt(guest: Guest) -> None:
    """Let the RTC interrupt; it has nothing to say while the chip is awake."""
    isr_unmask(guest, 1 << Line.RTC)


# --- watchdog --------------------------------------------------------------------------------------------------------


@rom("ets_wdt_init", 0x40003170)
def watchdog_init(guest: Guest) -> None:
    """Off."""
    guest.devices.watchdog.control(0)


@rom("ets_wdt_get_mode", 0x40002F34)
def watchdog_mode(guest: Guest) -> int:
    """Mode that was set, all ones at first."""
    return guest.memory.u32(WATCHDOG_MODE)


@rom("ets_wdt_enable", 0x40002FA0)
def watchdog_enable(guest: Guest, mode: int, first: int, second: int) -> None:
    """On: modes 1 and 3 in one stage, 2 and 4 in two. Modes 1 and 2 feed it by themselves, so that it never bites."""
    memory = guest.memory
    for offset, value in enumerate((mode, first, second)):
        memory.set_u32(WATCHDOG_MODE + 4 * offset, value)
    dog = guest.devices.watchdog
    dog.control(0)
    if mode in (1, 2):
        return
    dog.set_lengths(_LENGTHS.get(first if mode == 3 else second, 0))  # noqa: PLR2004  a mode
    dog.control((_ONE_STAGE if mode == 3 else _TWO_STAGES) | watchdog.ENABLE)  # noqa: PLR2004  a mode
    if mode == 4:  # noqa: PLR2004  a mode
        isr_mask(guest, 1 << Line.WATCHDOG)


@rom("ets_wdt_disable", 0x400030F0)
def watchdog_disable(guest: Guest) -> int:
    """Off; returns the mode that was on."""
    guest.devices.watchdog.control(0)
    return guest.memory.u32(WATCHDOG_MODE)


@rom("ets_wdt_restore", 0x40003158)
def watchdog_restore(guest: Guest, mode: int) -> None:
    """On again, with the arguments of before."""
    if mode:
        memory = guest.memory
        watchdog_enable(guest, mode, memory.u32(WATCHDOG_MODE + 4), memory.u32(WATCHDOG_MODE + 8))
