"""Pins of a virtual board in a test."""

from __future__ import annotations

from typing import Any, Final

from flashpipe.errors import BadValueError
from flashpipe.values import dataclass

GPIO: Final = (16, 5, 4, 0, 2, 14, 12, 13, 15, 3, 1, 9, 10)
"""The GPIO of each pin number of NodeMCU (docs/modules/gpio.md of its source)."""


@dataclass(frozen=True, slots=True)
class BoardPin:
    """A pin of a virtual board, by the number that Lua's `gpio` module knows it by."""

    number: int
    _bench: Any
    _begun_s: float

    @property
    def gpio(self) -> int:
        """Its number as the chip counts."""
        return GPIO[self.number]

    def set(self, level: int) -> None:
        """Something outside gives it a level, 0 or 1; the program sees it where the pin is an input.

        Raises:
            BadValueError: another level.
        """
        if level not in (0, 1):
            raise BadValueError(f"{level!r} is no level of a pin", "0 or 1")
        self._bench.set_pin(self.gpio, high=bool(level))

    @property
    def level(self) -> int:
        """What it is now, 0 or 1: as the program drives it, else as something outside has it."""
        return int(self._bench.level(self.gpio))

    def edges(self) -> list[tuple[float, int]]:
        """Its changes since the test began: seconds of board time since then, and the level from there on."""
        return [
            (round(at - self._begun_s, 6), int(high))
            for at, high in self._bench.edges(self.gpio)
            if at >= self._begun_s
        ]
