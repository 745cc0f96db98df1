"""Flash beyond 4 MB, which the ROM's own functions refuse until they are told how large the part is.

The ROM keeps what it knows of the flash in six words of RAM: ID, chip size, block size, sector size, page size, status
mask. A pointer to them stands at 0x3fffc714 (symbol `flashchip` of the SDK's linker scripts). After a reset the chip
size is 4 MB, on a board with a 16 MB part too (P. Finlayson, "ESP8266 16MB Flash Handling", 2016: read on such a
board). Stub version 2 reads and writes through those functions and never tells them otherwise, so that digests, reads
and writes that reach beyond end with status C4 (facts: stub-executed §2, §5). Version 1 sets the size when it starts.

So the size is written into those words, after a look at whether they are what they should be, and a digest then shows
whether that worked. Not yet tried on a real board.
"""

from __future__ import annotations

from typing import Final, Protocol

from flashpipe.errors import FlashReachError
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region
from flashpipe.units import format_size

ROM_KNOWS: Final = 0x400000
"""Bytes of flash that the ROM's functions reach without being told."""
LARGEST: Final = 0x1000000
"""Bytes that 24 bits of address reach."""
POINTER: Final = 0x3FFFC714
_RAM: Final = range(0x3FFE8000, 0x40000000 - 24, 4)
"""Where six words of data RAM can begin; a load from elsewhere may be an exception (facts: stub-executed §2)."""
_SIZE, _BLOCK, _SECTOR, _PAGE = 4, 8, 12, 16
"""Offsets, bytes."""
_PAGE_SIZE: Final = 0x100


class FlashCommands(Protocol):
    """What is asked of a loader."""

    def read_register(self, address: int) -> int:
        """One word of memory."""

    def write_register(self, address: int, value: int) -> None:
        """Change one word of memory."""

    def gives_digest(self, region: Region) -> bool:
        """Whether it digests the region; False where it refuses to."""


class FlashReach:
    """How far into the flash the loader's commands are known to reach."""

    def __init__(self, chip: FlashCommands, url: str) -> None:
        self._chip, self._url = chip, url
        self._known = ROM_KNOWS
        self.size = LARGEST
        """Bytes of flash, once they are known."""

    def reach(self, end: int) -> None:
        """Make sure, before the first command that goes beyond what the ROM knows of, that it can go up to `end`.

        Raises:
            FlashReachError: it cannot.
            WireError: the question was not answered.
        """
        if end <= self._known:
            return
        size = max(self.size, -(-end // SECTOR_SIZE) * SECTOR_SIZE)
        last = Region(size - SECTOR_SIZE, size)
        if not self._chip.gives_digest(last):
            why = self._tell_rom(size)
            if not self._chip.gives_digest(last):
                raise self._error(f"{why}, and the stub still refuses {last}")
        self._known = size

    def reach_by_rom(self, end: int) -> None:
        """The same where no stub runs: the ROM digests nothing, so that what it writes has to be read back.

        Raises:
            FlashReachError: nobody knows where the ROM keeps the size.
        """
        if end > self._known:
            size = max(self.size, end)
            why = self._tell_rom(size)
            if self._words() is None:
                raise self._error(why)
            self._known = size

    def _words(self) -> int | None:
        """Address of the ROM's words about the flash; None where they are not what they should be."""
        at = self._chip.read_register(POINTER)
        if at not in _RAM:
            return None
        shape = tuple(self._chip.read_register(at + offset) for offset in (_BLOCK, _SECTOR, _PAGE))
        return at if shape == (BLOCK_SIZE, SECTOR_SIZE, _PAGE_SIZE) else None

    def _tell_rom(self, size: int) -> str:
        """Write the size where the ROM keeps it; what was found there, for people."""
        at = self._words()
        if at is None:
            return "where the ROM keeps its size is not known"
        before = self._chip.read_register(at + _SIZE)
        if before < size:
            self._chip.write_register(at + _SIZE, size)
        return f"the ROM believed in {format_size(before)} and was told {format_size(size)}"

    def _error(self, why: str) -> FlashReachError:
        return FlashReachError(
            f"{self._url}: the loader does not reach the flash beyond {format_size(ROM_KNOWS)}: {why}",
            "stub version 1 reaches it: ESPTOOL_STUB_VERSION=1, and a reset into the loader",
        )
