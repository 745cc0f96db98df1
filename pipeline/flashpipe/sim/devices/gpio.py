"""GPIO 0 to 15: outputs recorded, inputs set from outside, edge and level interrupts; and the pin functions.

Registers: gpio_register.h and eagle_soc.h of the SDK. GPIO16 belongs to the RTC block.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from flashpipe.sim.devices.device import RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line
from flashpipe.values import dataclass

BASE: Final = 0x60000300
PINS: Final = 16
MASK: Final = 0xFFFF
_OUT, _OUT_SET, _OUT_CLEAR, _ENABLE, _ENABLE_SET, _ENABLE_CLEAR, IN, STATUS, _STATUS_SET, _STATUS_CLEAR = (
    BASE + 4 * index for index in range(10)
)
PIN_CONFIG: Final = BASE + 0x28
"""The first of 16 words."""
_STRAPPING: Final = 16
"""Position of the strapping pins in GPIO_IN (gpio_register.h: GPIO_STRAPPING_S)."""
_RISING, _FALLING, _BOTH, _LOW, _HIGH = range(1, 6)
"""Interrupt types (gpio.h: GPIO_INTR_TYPE)."""
_WITH_PULL_UP: Final = 0x7FFF
"""What unconnected pins read as: high, but GPIO15, which every module pulls down to boot."""
CALIBRATION_START: Final = BASE + 0x6C
CALIBRATION_VALUE: Final = BASE + 0x70
_CALIBRATION_READY: Final = 1 << 31
RTC_TICKS_OF_CRYSTAL: Final = 166
"""Clocks of a 26 MHz crystal in one of the RTC's: the 6.4 µs that `rtc.CYCLES_PER_TICK` stands for."""
EDGES_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Edge:
    """A pin has changed."""

    cycle: int
    pin: int
    level: bool


class Gpio(RegisterBlock):
    """The pins."""

    name = "gpio"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE + 0x68, BASE + 0x74),)
    saved: ClassVar[tuple[str, ...]] = ("out", "enabled", "status", "outside", "config")

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self.boot_mode = 3
        """Strapping as latched at reset."""
        self.outside = _WITH_PULL_UP
        """Levels that something else gives the pins."""
        self.edges: list[Edge] = []
        """Changes of the outputs, the oldest first; at most EDGES_KEPT."""
        self.out = self.enabled = self.status = 0
        self.config = [0] * PINS
        self._seen = self.levels()
        self.readers = {
            _OUT: lambda: self.out,
            _ENABLE: lambda: self.enabled,
            IN: lambda: self.levels() | self.boot_mode << _STRAPPING,
            STATUS: lambda: self.status,
            CALIBRATION_VALUE: self._calibration,
        }
        self.writers = {
            _OUT: lambda value: self.drive(value, self.enabled),
            _OUT_SET: lambda value: self.drive(self.out | value, self.enabled),
            _OUT_CLEAR: lambda value: self.drive(self.out & ~value, self.enabled),
            _ENABLE: lambda value: self.drive(self.out, value),
            _ENABLE_SET: lambda value: self.drive(self.out, self.enabled | value),
            _ENABLE_CLEAR: lambda value: self.drive(self.out, self.enabled & ~value),
            STATUS: self._write_status,
            _STATUS_SET: lambda value: self._write_status(self.status | value),
            _STATUS_CLEAR: lambda value: self._write_status(self.status & ~value),
            CALIBRATION_VALUE: lambda _value: None,
        }
        for pin in range(PINS):
            self.readers[PIN_CONFIG + 4 * pin] = partial(self._configuration, pin)
            self.writers[PIN_CONFIG + 4 * pin] = partial(self._configure, pin)

    def reset(self) -> None:
        """All pins inputs; what is outside stays."""
        super().reset()
        self.config = [0] * PINS
        self.status = 0
        self.drive(0, 0)

    def levels(self) -> int:
        """What the pins are: driven ones as driven, the others as something outside has them."""
        return (self.out & self.enabled | self.outside & ~self.enabled) & MASK

    def drive(self, out: int, enabled: int) -> None:
        """Outputs change."""
        self.out, self.enabled = out & MASK, enabled & MASK
        self._look()

    def set(self, pin: int, *, high: bool) -> None:
        """Something outside gives a pin a level."""
        self.outside = self.outside & ~(1 << pin) | high << pin
        self._look()

    def _look(self) -> None:
        levels = self.levels()
        changed = levels ^ self._seen
        self._seen = levels
        for pin in range(PINS):
            if changed >> pin & 1:
                high = bool(levels >> pin & 1)
                if len(self.edges) < EDGES_KEPT:
                    self.edges.append(Edge(self.state.cycles, pin, high))
                if self.config[pin] >> 7 & 7 in ((_RISING, _BOTH) if high else (_FALLING, _BOTH)):
                    self.status |= 1 << pin
        self._refresh()

    def _configuration(self, pin: int) -> int:
        return self.config[pin]

    def _configure(self, pin: int, value: int) -> None:
        self.config[pin] = value
        self._refresh()

    def _write_status(self, value: int) -> None:
        self.status = value & MASK
        self._refresh()

    def _refresh(self) -> None:
        levels = self.levels()
        for pin, config in enumerate(self.config):
            if config and config >> 7 & 7 == (_HIGH if levels >> pin & 1 else _LOW):
                self.status |= 1 << pin
        self.interrupts.hold(Line.GPIO, self.name, on=bool(self.status))

    def _calibration(self) -> int:
        """How many clocks of the crystal the asked number of RTC clocks lasts: always ready."""
        return _CALIBRATION_READY | (self.words.get(CALIBRATION_START, 0) & 0x3FF) * RTC_TICKS_OF_CRYSTAL

    def restore(self, saved: dict[str, object]) -> None:
        """Put back what `snapshot` gave."""
        super().restore(saved)
        self._seen = self.levels()


class PinFunctions(RegisterBlock):
    """IOMUX: remembers; which function a pin has changes nothing here."""

    name = "iomux"
    pages: ClassVar[tuple[range, ...]] = (range(0x60000800, 0x60000900),)
    kept: ClassVar[tuple[range, ...]] = (range(0x60000800, 0x60000848),)
