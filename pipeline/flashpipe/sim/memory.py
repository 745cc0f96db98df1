"""The memory of the virtual board as its core sees it: data RAM, instruction RAM, and the flash behind its window.

All three are plain byte arrays of constant size that both cores work on directly. Who changes instruction RAM or the
flash window from outside tells the core (`Core.flush`, `Core.flash_changed`), which keeps decoded instructions.
"""

from __future__ import annotations

from typing import Final

DRAM_START: Final = 0x3FFE8000
DRAM_SIZE: Final = 0x18000
"""Data RAM: 80 KB for the program, then 16 KB for SDK and mask ROM (memory map: eagle.app.v6.ld of the SDKs)."""
IRAM_START: Final = 0x40100000
IRAM_SIZE: Final = 0x10000
"""Instruction RAM: 32 KB, and 32 KB more that the flash cache takes when it is on; kept as plain RAM."""
FLASH_START: Final = 0x40200000
FLASH_SIZE: Final = 0x100000
"""The flash cache's window of 1 MB."""
ROM_START: Final = 0x40000000
ROM_SIZE: Final = 0x10000
"""The mask ROM. Reaching it stops the core, except where `Memory.rom` holds instructions."""


class BusError(Exception):
    """Nothing answers at an address."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.address = address

    def __str__(self) -> str:
        return f"nothing answers at 0x{self.address:08x}"


class Memory:
    """RAM and flash window, by the core's addresses."""

    def __init__(self) -> None:
        self.dram = bytearray(DRAM_SIZE)
        self.iram = bytearray(IRAM_SIZE)
        self.flash = bytearray(b"\xff") * FLASH_SIZE
        """What the window shows: a copy of the mapped part of the flash, renewed by whoever maps or writes it."""
        self.rom = bytearray(ROM_SIZE)
        """Instructions of the mask ROM, zeros where it has none. Data cannot be read here (`Devices.read`)."""
        self._areas = ((DRAM_START, self.dram), (FLASH_START, self.flash), (IRAM_START, self.iram))

    def _find(self, address: int, length: int) -> tuple[bytearray, int]:
        """The array that holds a range, and where in it.

        Raises:
            BusError: the range lies not in one area.
        """
        for start, area in self._areas:
            at = address - start
            if 0 <= at < len(area):
                if at + length > len(area):
                    raise BusError(start + len(area))
                return area, at
        raise BusError(address)

    def read(self, address: int, length: int) -> bytes:
        """`length` bytes from `address` on.

        Raises:
            BusError: no RAM or flash window is there.
        """
        area, at = self._find(address, length)
        return bytes(area[at : at + length])

    def write(self, address: int, data: bytes) -> None:
        """Put `data` at `address`; in instruction RAM and flash window the core is to be told.

        Raises:
            BusError: no RAM or flash window is there.
        """
        area, at = self._find(address, len(data))
        area[at : at + len(data)] = data

    def u32(self, address: int) -> int:
        """The little-endian word at `address`, aligned or not.

        Raises:
            BusError: no RAM or flash window is there.
        """
        area, at = self._find(address, 4)
        return int.from_bytes(area[at : at + 4], "little")

    def set_u32(self, address: int, value: int) -> None:
        """Put a word at `address`.

        Raises:
            BusError: no RAM or flash window is there.
        """
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def c_string(self, address: int, limit: int = 0x1000) -> bytes:
        """The bytes before the first NUL, at most `limit`, or up to the end of the area.

        Raises:
            BusError: no RAM or flash window is there.
        """
        area, at = self._find(address, 1)
        end = area.find(b"\0", at, at + limit)
        return bytes(area[at : end if end >= 0 else at + limit])

    def snapshot(self) -> tuple[bytes, bytes, bytes]:
        """Copies of data RAM, instruction RAM and flash window, for `restore`."""
        return bytes(self.dram), bytes(self.iram), bytes(self.flash)

    def restore(self, snapshot: tuple[bytes, bytes, bytes]) -> None:
        """Put back what `snapshot` gave, in place; the core is to be told (`flush` of both code areas)."""
        self.dram[:], self.iram[:], self.flash[:] = snapshot
