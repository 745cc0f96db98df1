"""The chip's clocks as far as a program sees them: crystal, PLL, core."""

from __future__ import annotations

from flashpipe.sim.devices.agenda import CYCLES_PER_S


class Clocks:
    """The bus clock.

    After a power-on or a reset by pin the chip runs on twice the crystal, because the ROM's settings of the PLL are
    meant for 40 MHz; the SDK sets the PLL for the crystal that is there, and the bus has its 80 MHz from then on, over
    restarts by software and by the watchdog too (cores/esp8266/hwdt_app_entry.cpp of the Arduino core). Only the UART
    shows the difference: the virtual board counts 80 MHz cycles all the time.
    """

    def __init__(self, crystal_mhz: int) -> None:
        self.crystal_mhz = crystal_mhz
        self.locked = False
        """Whether the program has set the PLL for this crystal."""

    @property
    def bus_hz(self) -> int:
        """The clock that UART dividers divide."""
        return CYCLES_PER_S if self.locked or self.crystal_mhz == 40 else 2_000_000 * self.crystal_mhz  # noqa: PLR2004

    def cycles(self, bus_clocks: int) -> int:
        """Board cycles that so many clocks of the bus take."""
        return bus_clocks * CYCLES_PER_S // self.bus_hz
