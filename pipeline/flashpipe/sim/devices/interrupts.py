"""Interrupt lines from the devices to the core."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from flashpipe.sim.cpu.contract import NMI_INTERRUPT, CoreState


class Line(IntEnum):
    """Numbers of the interrupts (ets_sys.h of the SDK: ETS_…_INUM)."""

    MAC = 0
    """Wi-Fi MAC, its timers included; the SDK calls it WDEV."""
    SLC = 1
    SPI = 2
    RTC = 3
    GPIO = 4
    UART = 5
    WATCHDOG = 8
    FRC1 = 9
    FRC2 = 10
    NMI = NMI_INTERRUPT


class Interrupts:
    """Sets and clears bits of the core's INTERRUPT register."""

    def __init__(self, state: CoreState) -> None:
        self._state = state
        self._held: dict[Line, set[str]] = {}

    def hold(self, line: Line, source: str, *, on: bool) -> None:
        """A level: pending as long as any source of the line holds it."""
        sources = self._held.setdefault(line, set())
        if on:
            sources.add(source)
            self._state.interrupt |= 1 << line
        else:
            sources.discard(source)
            if not sources:
                self._state.interrupt &= ~(1 << line)

    def pulse(self, line: Line) -> None:
        """An edge: pending until the program clears it (the NMI: until it is taken)."""
        self._state.interrupt |= 1 << line

    def reset(self) -> None:
        """Release every line."""
        self._held.clear()
        self._state.interrupt = 0

    def snapshot(self) -> list[list[Any]]:
        """Who holds which line."""
        return [[int(line), sorted(sources)] for line, sources in sorted(self._held.items()) if sources]

    def restore(self, saved: list[list[Any]]) -> None:
        """Put back what `snapshot` gave; the core's register is restored with the core."""
        self._held = {Line(number): set(names) for number, names in saved}
