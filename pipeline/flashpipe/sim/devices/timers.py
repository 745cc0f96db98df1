"""The two hardware timers: FRC1 counts down, FRC2 counts up and compares (timer_register.h of the SDK)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from flashpipe.sim.devices.device import WORD_MASK, Counted, RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.register_file import Counter, RegisterKind

BASE: Final = 0x60000600
_LOAD, _COUNT, _CTRL, _INT, _ALARM = 0x00, 0x04, 0x08, 0x0C, 0x10
_FRC2: Final = 0x20
ENABLE: Final = 1 << 7
RELOAD: Final = 1 << 6
LEVEL: Final = 1 << 0
_STATUS: Final = 1 << 8
_FRC1_SPAN: Final = 1 << 23
_FRC2_SPAN: Final = 1 << 32
_DIVIDERS: Final = (1, 16, 256, 256)
EDGE_FRC1: Final = 1 << 1
EDGE_FRC2: Final = 1 << 2
"""Bits of EDGE_INT_ENABLE (0x3FF00004) that let the timers' edges through."""


class Timers(RegisterBlock):
    """FRC1 and FRC2."""

    name = "timers"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    saved: ClassVar[tuple[str, ...]] = (
        "load1", "ctrl1", "count1", "since1", "status1", "ctrl2", "count2", "since2", "alarm2", "load2",
    )  # fmt: skip

    def __init__(self, wiring: Wiring, edges: Callable[[], int]) -> None:
        """`edges` gives EDGE_INT_ENABLE."""
        super().__init__(wiring)
        self._edges = edges
        wiring.registers.mark(range(BASE + _FRC2 + _COUNT, BASE + _FRC2 + _CTRL), RegisterKind.FRC2)
        self._due1 = self.agenda.event(self._fire1)
        self._due2 = self.agenda.event(self._fire2)
        self._clear()
        self.readers = {
            BASE + _LOAD: lambda: self.load1,
            BASE + _COUNT: self._now1,
            BASE + _CTRL: lambda: self.ctrl1 | _STATUS * self.status1,
            BASE + _INT: lambda: self.status1,
            BASE + _FRC2 + _LOAD: lambda: self.load2,
            BASE + _FRC2 + _COUNT: self.frc2_count,
            BASE + _FRC2 + _CTRL: lambda: self.ctrl2,
            BASE + _FRC2 + _INT: lambda: 0,
            BASE + _FRC2 + _ALARM: lambda: self.alarm2,
        }
        self.writers = {
            BASE + _LOAD: self._write_load1,
            BASE + _COUNT: lambda _value: None,
            BASE + _CTRL: self._write_ctrl1,
            BASE + _INT: self._acknowledge1,
            BASE + _FRC2 + _LOAD: self.load_frc2,
            BASE + _FRC2 + _CTRL: self.control_frc2,
            BASE + _FRC2 + _INT: lambda _value: None,
            BASE + _FRC2 + _ALARM: self.set_alarm,
        }

    def _clear(self) -> None:
        self.load1 = self.ctrl1 = self.count1 = self.status1 = 0
        self.load2 = self.ctrl2 = self.count2 = self.alarm2 = 0
        self.since1 = self.since2 = self.state.cycles

    def reset(self) -> None:
        """Stop both."""
        super().reset()
        self._clear()
        self._due1.cancel()
        self._due2.cancel()

    # --- FRC1 --------------------------------------------------------------------------------------------------------

    def _now1(self) -> int:
        if not self.ctrl1 & ENABLE:
            return self.count1
        passed = (self.state.cycles - self.since1) // _DIVIDERS[self.ctrl1 >> 2 & 3]
        return (self.count1 - passed) % _FRC1_SPAN

    def _write_load1(self, value: int) -> None:
        self.load1 = self.count1 = value % _FRC1_SPAN
        self.since1 = self.state.cycles
        self._plan1()

    def _write_ctrl1(self, value: int) -> None:
        self.count1, self.since1 = self._now1(), self.state.cycles
        self.ctrl1 = value & 0xFF
        self._plan1()

    def _plan1(self) -> None:
        if self.ctrl1 & ENABLE:
            ticks = self.count1 or _FRC1_SPAN
            self._due1.schedule(self.since1 + ticks * _DIVIDERS[self.ctrl1 >> 2 & 3])
        else:
            self._due1.cancel()

    def _fire1(self, at: int) -> None:
        self.count1 = self.load1 if self.ctrl1 & RELOAD else 0
        self.since1 = at
        if self.ctrl1 & LEVEL:
            self.status1 = 1
            self.interrupts.pulse(Line.FRC1)
        elif self._edges() & EDGE_FRC1:
            self.interrupts.pulse(Line.FRC1)
        self._plan1()

    def _acknowledge1(self, _value: int) -> None:
        self.status1 = 0

    count2 = Counted(Counter.FRC2_COUNT)
    since2 = Counted(Counter.FRC2_SINCE)
    """FRC2's count, and the cycle of it."""

    @property
    def ctrl2(self) -> int:
        """FRC2's control register."""
        return self._ctrl2

    @ctrl2.setter
    def ctrl2(self, value: int) -> None:
        self._ctrl2 = value
        self.counters[Counter.FRC2_ON] = value & ENABLE
        self.counters[Counter.FRC2_DIVIDER] = _DIVIDERS[value >> 2 & 3]

    # --- FRC2 --------------------------------------------------------------------------------------------------------

    def frc2_count(self) -> int:
        """The free-running counter."""
        if not self.ctrl2 & ENABLE:
            return self.count2
        return (self.count2 + (self.state.cycles - self.since2) // _DIVIDERS[self.ctrl2 >> 2 & 3]) & WORD_MASK

    def load_frc2(self, value: int) -> None:
        """Let it count on from `value`."""
        self.load2 = self.count2 = value
        self.since2 = self.state.cycles
        self._plan2()

    def control_frc2(self, value: int) -> None:
        """Bits 7 enable, 3 and 2 divider."""
        self.count2, self.since2 = self.frc2_count(), self.state.cycles
        self.ctrl2 = value & 0xFF
        self._plan2()

    def set_alarm(self, value: int) -> None:
        """Interrupt when the counter next reaches `value`."""
        self.alarm2 = value
        self._plan2()

    def _plan2(self) -> None:
        if not self.ctrl2 & ENABLE:
            self._due2.cancel()
            return
        divider = _DIVIDERS[self.ctrl2 >> 2 & 3]
        passed = (self.state.cycles - self.since2) // divider
        ahead = (self.alarm2 - self.count2 - passed) & WORD_MASK or _FRC2_SPAN
        self._due2.schedule(self.since2 + (passed + ahead) * divider)

    def _fire2(self, _at: int) -> None:
        if self._edges() & EDGE_FRC2:
            self.interrupts.pulse(Line.FRC2)
        self._plan2()
