"""What a booting chip is made of, as plain data: pins, chip, flash, bytes leaving the UART."""

from __future__ import annotations

from typing import Final, Protocol

from flashpipe.values import dataclass

ROM_BAUD_OF_40_MHZ: Final = 115_200
"""The ROM computes its divider for a 40 MHz crystal; with another one the line runs slower in proportion (§2.4)."""

RESET_POWER_ON: Final = 1
RESET_EXTERNAL: Final = 2
RESET_WATCHDOG: Final = 4
"""`rst cause` numbers of the ROM banner (facts: esp8266 §2.2)."""


ROM_FLASH_ID: Final = 0x1640EF
"""What the ROM's start leaves as the flash's identity, on a board with a larger part too (P. Finlayson, 2016)."""
ROM_FLASH_SIZE: Final = 4 * 1024 * 1024
"""And as its size, in bytes (facts: stub-executed §5)."""


@dataclass(frozen=True, slots=True)
class Strap:
    """The strapping pins as sampled at reset; True is high. The defaults boot from flash."""

    gpio0: bool = True
    gpio2: bool = True
    gpio15: bool = False

    @property
    def boot_mode(self) -> int:
        """First number of `boot mode:(a,b)`: GPIO15·4 + GPIO0·2 + GPIO2 (facts: esp8266 §2.1)."""
        return self.gpio15 * 4 + self.gpio0 * 2 + self.gpio2

    @property
    def flash_boot(self) -> bool:
        """Whether the ROM starts the program in flash."""
        return self.boot_mode == 3  # noqa: PLR2004 - the one mode number of the table

    @property
    def download(self) -> bool:
        """Whether the ROM waits for SYNC on the UART."""
        return self.boot_mode == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """The parts of a board that its boot depends on."""

    mac: str
    """Station MAC, lower case, colon separated."""
    flash_id: int
    """What `node.flashid()` prints: manufacturer | type << 8 | capacity << 16 (facts: flash-timing §6.1)."""
    flash_size: int
    """Real size of the flash part in bytes, whatever the image header claims."""
    supported_modes: frozenset[int]
    """Header mode codes that part and wiring can do: 0 qio, 1 qout, 2 dio, 3 dout."""
    crystal_mhz: int = 26
    kind: str = "ESP8266EX"
    """As esptool names it."""
    rom_flash_size: int = ROM_FLASH_SIZE
    """Flash size that the ROM's functions go by until a program tells them another."""

    @property
    def rom_baud(self) -> int:
        """Baud rate of the ROM log: 74880 with the usual 26 MHz crystal (facts: esp8266 §2.4)."""
        return ROM_BAUD_OF_40_MHZ * self.crystal_mhz // 40


@dataclass(frozen=True, slots=True)
class SpokenBytes:
    """Bytes that begin to leave the UART at board time `at_s` (seconds)."""

    at_s: float
    baud: int
    data: bytes


class PredictedFlash(Protocol):
    """The NOR flash as a predicted program sees it: programming only clears bits."""

    size: int

    def read(self, address: int, length: int) -> bytes:
        """`length` bytes from `address`."""
        ...

    def program(self, address: int, data: bytes) -> float:
        """AND `data` into the cells; returns the seconds it takes."""
        ...

    def erase_sector(self, address: int) -> float:
        """Set the 4 KB sector at `address` to FF; returns the seconds it takes."""
        ...


@dataclass(frozen=True, slots=True)
class RamProgram:
    """What the serial loader was sent."""

    pieces: tuple[tuple[int, bytes], ...]
    """Addresses, and what was put there."""
    entry: int
    divider: int
    """Of UART 0, as the loader has measured its host."""
