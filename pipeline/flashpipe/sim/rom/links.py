"""Chains of DMA descriptors (lldesc), which the SDK lays out for a radio and an SDIO host that are not there.

A descriptor is three words: sizes and owner, buffer, next (slc_register.h and the SDK's use of it).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.table import rom

DESCRIPTOR: Final = 12
_SIZE_MASK: Final = 0xFFF
_OWNER: Final = 31


@rom("lldesc_build_chain", 0x40004F40)
def build_chain(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, first: int, room: int, buffer: int, length: int, size: int, owner: int, head: int, tail: int
) -> int:
    """Chain descriptors over a buffer that is cut into pieces of `size`; `head` and `tail` get the ends."""
    count = min(length // size if size else 0, room // DESCRIPTOR)
    for index in range(count):
        here = first + DESCRIPTOR * index
        following = here + DESCRIPTOR if index + 1 < count else 0
        flags = size & _SIZE_MASK | (size & _SIZE_MASK) << 12 | (owner & 1) << _OWNER
        guest.write(here, b"".join(word.to_bytes(4, "little") for word in (flags, buffer + index * size, following)))
    if head:
        guest.set_u32(head, first)
    if tail:
        guest.set_u32(tail, first + DESCRIPTOR * max(0, count - 1))
    return first


@rom("lldesc_set_owner", 0x4000507C)
def set_owner(guest: Guest, first: int, owner: int) -> None:
    """Give every descriptor of a chain the same owner."""
    here = first
    while here:
        flags = guest.memory.u32(here)
        guest.set_u32(here, flags & ~(1 << _OWNER) | (owner & 1) << _OWNER)
        here = guest.memory.u32(here + 8)
