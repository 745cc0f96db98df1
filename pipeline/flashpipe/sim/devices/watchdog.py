"""The hardware watchdog at 0x60000900.

Two stages: where bit 2 of the control register is clear, the first ends with interrupt 8 and the second with a reset;
where it is set, the first ends with the reset. A stage lasts 2^n units of 65536 cycles: n = 11, 12 and 13 give the
1.67, 3.35 and 6.71 s that mongoose-os.com/blog/esp8266-watchdog-timer measured; the SDK's 11 and 13 are the 8.4 s after
which a hanging program is reset. After a reset by power, pin or the watchdog itself it is off and its registers are 0
(bootloaders/eboot/eboot.c of the Arduino core); a restart by software leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from flashpipe.sim.devices.agenda import NEVER
from flashpipe.sim.devices.device import RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line

BASE: Final = 0x60000900
_CTRL, _FIRST, _SECOND, _STAGE, _FEED, _ACKNOWLEDGE = (BASE + at for at in (0x00, 0x04, 0x08, 0x10, 0x14, 0x18))
ENABLE: Final = 1
ONE_STAGE: Final = 4
FEED: Final = 0x73
_UNIT_CYCLES: Final = 0x10000
_LENGTH_MASK: Final = 0x1F
EDGE_WATCHDOG: Final = 1
"""Bit of EDGE_INT_ENABLE (0x3FF00004)."""


class Watchdog(RegisterBlock):
    """Resets the chip unless it is fed."""

    name = "watchdog"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x20),)
    saved: ClassVar[tuple[str, ...]] = ("ctrl", "first", "second", "stage")

    def __init__(self, wiring: Wiring, bite: Callable[[], None]) -> None:
        super().__init__(wiring)
        self._bite = bite
        self._due = self.agenda.event(self._end_stage)
        self.ctrl = self.first = self.second = self.stage = 0
        self.readers = {
            _CTRL: lambda: self.ctrl,
            _FIRST: lambda: self.first,
            _SECOND: lambda: self.second,
            _STAGE: lambda: self.stage,
        }
        self.writers = {
            _CTRL: self.control,
            _FIRST: self._write_first,
            _SECOND: self._write_second,
            _FEED: self.feed,
            _ACKNOWLEDGE: lambda _value: None,
        }

    def reset(self) -> None:
        """Off."""
        super().reset()
        self.first = self.second = 0
        self.control(0)

    def control(self, value: int) -> None:
        """Switch it on or off."""
        self.ctrl = value
        if not value & ENABLE:
            self._due.cancel()
            self.stage = 0
        elif not self.running:
            self._begin(0)

    @property
    def running(self) -> bool:
        """Whether a stage is under way."""
        return self._due.at != NEVER

    def feed(self, value: int = FEED) -> None:
        """Begin with the first stage again."""
        if value == FEED and self.ctrl & ENABLE:
            self._begin(0)

    def set_lengths(self, length: int) -> None:
        """Give both stages a length, as a power of two of units."""
        self._write_first(length)
        self._write_second(length)

    def _write_first(self, value: int) -> None:
        self.first = value & _LENGTH_MASK
        self._restart()

    def _write_second(self, value: int) -> None:
        self.second = value & _LENGTH_MASK
        self._restart()

    def _restart(self) -> None:
        if self.ctrl & ENABLE:
            self._begin(self.stage)

    def _begin(self, stage: int) -> None:
        self.stage = stage
        self._due.schedule(self.state.cycles + (_UNIT_CYCLES << (self.second if stage else self.first)))

    def _end_stage(self, _at: int) -> None:
        if self.stage or self.ctrl & ONE_STAGE:
            self._bite()
            return
        self._begin(1)
        self.interrupts.pulse(Line.WATCHDOG)
