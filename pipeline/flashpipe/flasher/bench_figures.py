"""What a bench measures on one board, and where on its flash."""

from __future__ import annotations

from typing import Final

from flashpipe.board.loader.device import Device
from flashpipe.flash import BLOCK_SIZE, Region
from flashpipe.values import dataclass

AMOUNT: Final = 4 * BLOCK_SIZE
"""Bytes that are written: some seconds of the line."""
_MARGIN: Final = 1.1
"""What a clock may be wrong by, and what was on its way before it was started."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What came of one rate."""

    baud: int
    holds: bool
    bytes_per_s: int = 0
    """Read from the flash; 0 where it does not hold."""
    why: str = ""
    """Of a rate that does not hold."""


@dataclass(frozen=True, slots=True)
class Written:
    """What writing `AMOUNT` bytes took, in seconds."""

    baud: int
    write_s: float
    verify_s: float
    flash_mhz: int = 0
    """Faster clock of the flash meanwhile; 0: the loader's own."""


@dataclass(frozen=True, slots=True)
class Clocked:
    """What a digest of `AMOUNT` bytes took at one clock of the flash."""

    mhz: int
    holds: bool
    """Whether it was the digest of the usual clock."""
    digest_s: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not measured."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one board."""

    device: Device
    adapter: str
    """`VID:PID` and name of the bridge; empty where it is none of this machine's."""
    region: Region
    connect_s: float
    rates: tuple[Rate, ...]
    clocks: tuple[Clocked, ...]
    """The loader's own clock first; empty where the loader sets another one than is known."""
    written: tuple[Written, ...]
    esptool: tuple[tuple[int, float], ...]
    """Rate, and seconds of its whole `write-flash` of the same amount."""
    boot: str
    """Class of the boot that came last."""
    boot_s: float
    left_out: tuple[LeftOut, ...] = ()

    @property
    def time(self) -> str:
        """`real`, or `fast` for a virtual board's, which does not take the time of its line: ten bits carry a byte."""
        rates = [rate for rate in self.rates if rate.holds]
        carried = bool(rates) and all(rate.bytes_per_s <= _MARGIN * rate.baud / 10 for rate in rates)
        return "real" if carried or not self.device.virtual else "fast"


def place(flash_size: int) -> Region:
    """Where a bench writes: in the middle, where neither boot sector nor the SDK's parameters are."""
    start = (flash_size - AMOUNT) // 2 // BLOCK_SIZE * BLOCK_SIZE
    return Region(start, start + AMOUNT)
