"""How a program of the virtual chip is written: a generator of steps over a machine, with no clock and no I/O.

A program yields what takes time or leaves the chip; between two steps it may read the flash. `boot.Application`
is the only one that runs programs: it adds up the time, collects the bytes and wakes a program when input arrives.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import field

from flashpipe.sim.chip.chip import Chip, PredictedFlash, Strap
from flashpipe.sim.firmware.settings import Settings
from flashpipe.values import dataclass

SECTOR = 0x1000


@dataclass(frozen=True, slots=True)
class Say:
    """Print these bytes at the UART's current speed; takes the time they need on the wire."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Baud:
    """Set the UART's speed in baud."""

    baud: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Let this many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Sleep until bytes are in the machine's `inbox`, or until a board time."""

    until: float | None = None


@dataclass(frozen=True, slots=True)
class ProgramReset:
    """The watchdog fires, or the supply fails: the chip resets with this cause and the program is over."""

    cause: int


Step = Say | Baud | Wait | Listen | ProgramReset
Program = Generator[Step, None, None]


@dataclass(slots=True)
class PredictedChip:
    """One running chip: what is soldered down, and what the program has open."""

    flash: PredictedFlash
    chip: Chip
    strap: Strap
    cause: int
    settings: Settings
    now: float = 0.0
    """Board time of the step that is being taken, in seconds."""
    inbox: bytearray = field(default_factory=bytearray)
    listening: bool = False
    """Whether received bytes are kept; NodeMCU ignores what comes before Lua is ready (facts: usb-nodemcu §9.4)."""

    def read(self, address: int, length: int) -> bytes:
        """Flash contents; addresses past the part's end wrap, since the part ignores the upper address lines."""
        size = self.flash.size
        start = address % size
        if start + length <= size:
            return self.flash.read(start, length)
        return bytes(self.flash.read((address + at) % size, 1)[0] for at in range(length))

    def program(self, address: int, data: bytes) -> float:
        """AND `data` into flash; returns seconds."""
        return self.flash.program(address % self.flash.size, data)

    def replace_sector(self, address: int, data: bytes) -> float:
        """Erase one sector and program `data` (at most 4 KB) at its start; returns seconds."""
        start = address % self.flash.size // SECTOR * SECTOR
        return self.flash.erase_sector(start) + self.program(start, data)


def text(line: str) -> bytes:
    """What os_printf puts on the wire for a text: each LF becomes CR LF (facts: usb-nodemcu §9.4)."""
    return line.encode("latin-1", "replace").replace(b"\r", b"").replace(b"\n", b"\r\n")
