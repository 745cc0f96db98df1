"""The RTC domain: slow counter, reset reason, sleep and wake-up, GPIO16, and the memory that resets do not clear.

Registers: eagle_soc.h of the SDK (PERIPHS_RTC_BASEADDR, RTC_STORE…), and pvvx's info/libs/bios/rtc_dtm.c for what the
ROM does with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from flashpipe.sim.devices.device import WORD_MASK, RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line

BASE: Final = 0x60000700
CONTROL, TARGET, SLEEP, REASON, WAKE_CAUSE, COUNTER = (BASE + at for at in (0x00, 0x04, 0x08, 0x14, 0x18, 0x1C))
_INT_ENABLE, _INT_CLEAR, _INT_STATUS, _GPIO16_OUT, _GPIO16_ENABLE, _GPIO16_IN = (
    BASE + at for at in (0x20, 0x24, 0x28, 0x68, 0x74, 0x8C)
)
_SOFTWARE_RESET: Final = 1 << 31
_ENTER_SLEEP: Final = 1 << 20
_POWER_DOWN: Final = BASE + 0x44
_DEEP: Final = 0x20
"""What SDK 0.9.5 to 3.0 write there before a deep sleep; before the short light sleep that prepares it, 4."""
_SCRATCH: Final = range(BASE + 0x30, BASE + 0x40)
"""Words that a reset does not clear: the SDK leaves the reason there (rtc scratch registers, eagle_soc.h)."""
CYCLES_PER_TICK: Final = 512
"""The slow clock: 156 kHz. Real ones are 5.75 to 7.5 µs a tick (SDK API reference, system_rtc_clock_cali_proc)."""
RAM_BASE: Final = 0x60001000
RAM_SIZE: Final = 0x400
"""256 bytes that the SDK uses for its PHY, and 768 of system and user memory."""
AWAKE: Final = 1
"""What the interrupt status register answers to the SDK's PHY, which waits for it (shared emulator sketch)."""


class Rtc(RegisterBlock):
    """Registers of the RTC; `memory` holds its RAM."""

    name = "rtc"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100), range(RAM_BASE, RAM_BASE + RAM_SIZE))
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100), range(RAM_BASE, RAM_BASE + RAM_SIZE))
    saved: ClassVar[tuple[str, ...]] = ("reason", "gpio16_outside")

    def __init__(self, wiring: Wiring, restart: Callable[[], None], sleep: Callable[[int | None], None]) -> None:
        """`restart` is asked by software_reset; `sleep` gets the cycle of waking up, None for never."""
        super().__init__(wiring)
        self._restart = restart
        self._sleep = sleep
        self.reason = 1
        """Cause of the last reset, as the ROM prints it."""
        self.gpio16_outside = 1
        self.gpio16_edges: list[tuple[int, bool]] = []
        self.readers = {
            REASON: lambda: self.reason,
            COUNTER: self.counter,
            _INT_STATUS: lambda: AWAKE,
            _GPIO16_IN: self.gpio16_level,
        }
        self.writers = {
            CONTROL: self._control,
            SLEEP: self._enter_sleep,
            _INT_CLEAR: lambda _value: self.interrupts.hold(Line.RTC, self.name, on=False),
            _GPIO16_OUT: self._write_gpio16,
        }

    def reset(self) -> None:
        """A reset by pin or watchdog: registers forget, memory and scratch words do not."""
        for address, _ in list(self.words.items()):
            if address < RAM_BASE and address not in _SCRATCH:
                self.words[address] = 0

    def lose_power(self) -> None:
        """Nothing is left."""
        self.words.clear()

    def counter(self) -> int:
        """The slow counter."""
        return self.state.cycles // CYCLES_PER_TICK & WORD_MASK

    def memory(self, offset: int, length: int) -> bytes:
        """Bytes of the RTC's RAM; what was never written is 0."""
        words = (self.words.get(RAM_BASE + at, 0) for at in range(offset, offset + length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)

    def _control(self, value: int) -> None:
        self.words[CONTROL] = value & ~_SOFTWARE_RESET
        if value & _SOFTWARE_RESET:
            self._restart()

    def _enter_sleep(self, value: int) -> None:
        self.words[SLEEP] = value & ~_ENTER_SLEEP
        if not value & _ENTER_SLEEP:
            return
        target = self.words.get(TARGET, 0)
        ticks = (target - self.counter()) & WORD_MASK
        wake = (self.state.cycles // CYCLES_PER_TICK + ticks) * CYCLES_PER_TICK
        if self.words.get(_POWER_DOWN, 0) & _DEEP:
            self._sleep(wake if ticks else None)
        else:  # light sleep: the clock stands still, then the program goes on
            self.state.cycles = max(self.state.cycles, wake)

    # --- GPIO16 ------------------------------------------------------------------------------------------------------

    def gpio16_level(self) -> int:
        """As the program drives it, else as something outside has it."""
        if self.words.get(_GPIO16_ENABLE, 0) & 1:
            return self.words.get(_GPIO16_OUT, 0) & 1
        return self.gpio16_outside

    def _write_gpio16(self, value: int) -> None:
        before = self.words.get(_GPIO16_OUT, 0) & 1
        self.words[_GPIO16_OUT] = value
        if value & 1 != before:
            self.gpio16_edges.append((self.state.cycles, bool(value & 1)))
