"""Interrupt lines from the devices to the core."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

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


_NMI_SELECT_MASK: Final = 0x1F
_NMI_SOURCES: Final = {0x01: Line.MAC, 0x0F: Line.FRC1}
"""What the low bits of 0x3FF00000 choose: 1 in esp-open-rtos (app_main.c, its NMI calls wDev_ProcessFiq), 15 in the
SDK's NmiTimSetFunc (pvvx, info/libs/main/nmi.c)."""


class Interrupts:
    """Sets and clears bits of the core's INTERRUPT register."""

    def __init__(self, state: CoreState) -> None:
        self._state = state
        self._held: dict[Line, set[str]] = {}
        self._nmi: Line | None = None
        """The line that raises the NMI besides its own interrupt."""

    def choose_nmi(self, value: int) -> None:
        """The register at 0x3FF00000 is written."""
        line = _NMI_SOURCES.get(value & _NMI_SELECT_MASK)
        if line is not None and line != self._nmi and self._held.get(line):
            self._state.interrupt |= 1 << Line.NMI
        self._nmi = line

    def hold(self, line: Line, source: str, *, on: bool) -> None:
        """A level: pending as long as any source of the line holds it; the NMI comes where it begins."""
        sources = self._held.setdefault(line, set())
        if on:
            if line == self._nmi and not sources:
                self._state.interrupt |= 1 << Line.NMI
            sources.add(source)
            self._state.interrupt |= 1 << line
        else:
            sources.discard(source)
            if not sources:
                self._state.interrupt &= ~(1 << line)

    def pulse(self, line: Line) -> None:
        """An edge: pending until the program clears it; where it is the NMI, until that is taken."""
        self._state.interrupt |= 1 << (Line.NMI if line == self._nmi else line)

    def reset(self) -> None:
        """Release every line."""
        self._held.clear()
        self._nmi = None
        self._state.interrupt = 0

    def snapshot(self) -> dict[str, Any]:
        """Who holds which line, and where the NMI comes from."""
        held = [[int(line), sorted(sources)] for line, sources in sorted(self._held.items()) if sources]
        return {"held": held, "nmi": self._nmi}

    def restore(self, saved: dict[str, Any]) -> None:
        """Put back what `snapshot` gave; the core's register is restored with the core."""
        self._held = {Line(number): set(names) for number, names in saved["held"]}
        self._nmi = None if saved["nmi"] is None else Line(saved["nmi"])
