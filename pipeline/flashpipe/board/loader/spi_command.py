"""A command to the flash part itself, through the registers of the SPI controller it hangs on.

Facts: esp8266-protocol §3.10.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from flashpipe.errors import WireError

SPI_COMMAND: Final = 0x60000200
SPI_ADDRESS: Final = 0x60000204
SPI_USER: Final = 0x6000021C
SPI_USER1: Final = 0x60000220
SPI_USER2: Final = 0x60000224
SPI_DATA: Final = 0x60000240
_LOOKS: Final = 10
"""At the bit that says whether the command is over; it lasts microseconds."""


class RegisterAccess(Protocol):
    """What is asked of a loader."""

    def read_register(self, address: int) -> int:
        """One word."""

    def write_registers(self, *values: tuple[int, int]) -> None:
        """Several words, each with its address, in order."""


def read_from_part(chip: RegisterAccess, url: str, opcode: int, length: int, address: int | None = None) -> bytes:
    """`length` bytes, 64 at most, that the part answers to `opcode`, sent with 24 bits of `address` where one is given.

    The stub takes several register writes in one frame, so this needs a third of the round trips that one frame for
    each would, and they are what an identification costs.

    Raises:
        WireError: the command does not end.
    """
    user, user2 = chip.read_register(SPI_USER), chip.read_register(SPI_USER2)
    flags, lengths = 1 << 31 | 1 << 28, (length * 8 - 1) << 8
    if address is not None:  # 24 bits of address, 8 dummy cycles
        flags, lengths = flags | 1 << 30 | 1 << 29, lengths | 23 << 26 | 7
    words = -(-length // 4)
    chip.write_registers(
        (SPI_USER, flags),
        (SPI_USER1, lengths),
        (SPI_USER2, 7 << 28 | opcode),
        (SPI_ADDRESS, (address or 0) << 8),
        *((SPI_DATA + 4 * word, 0) for word in range(words)),
        (SPI_COMMAND, 1 << 18),
    )
    if not any(chip.read_register(SPI_COMMAND) & 1 << 18 == 0 for _ in range(_LOOKS)):
        raise WireError(f"{url}: the flash command {opcode:#04x} does not end", "check the 3.3 V supply")
    answer = b"".join(struct.pack("<I", chip.read_register(SPI_DATA + 4 * word)) for word in range(words))
    chip.write_registers((SPI_USER, user), (SPI_USER2, user2))
    return answer[:length]
