"""What a board was given, as digests: enough to know later which sectors differ from another plan, without the bytes.

MD5, because that is what a loader can compute of its flash; it guards against chance, and nobody chooses these bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region
from flashpipe.values import dataclass


def md5(data: bytes) -> bytes:
    """Digest of some bytes of flash, 16 bytes."""
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class RegionDigests:
    """Digests of one stretch of flash, in address order: of its 64 KiB blocks and of its 4 KiB sectors."""

    start: int
    size: int
    """Bytes; whole sectors."""
    blocks: str
    """Hex, 32 digits for each."""
    sectors: str

    @property
    def region(self) -> Region:
        """Where it lies."""
        return Region(self.start, self.start + self.size)


def region_digests(address: int, data: bytes) -> RegionDigests:
    """The digests of `data` at `address`."""

    def joined(step: int) -> str:
        parts = Region(address, address + len(data)).split(step)
        return "".join(md5(data[part.start - address : part.end - address]).hex() for part in parts)

    return RegionDigests(address, len(data), joined(BLOCK_SIZE), joined(SECTOR_SIZE))


def digest_index(stretches: Iterable[RegionDigests]) -> Mapping[Region, bytes]:
    """Each block and each sector with its digest.

    Raises:
        ValueError: the digests are not those of such a stretch.
    """
    index: dict[Region, bytes] = {}
    for stretch in stretches:
        for step, text in ((SECTOR_SIZE, stretch.sectors), (BLOCK_SIZE, stretch.blocks)):
            digests = bytes.fromhex(text)
            pieces = (digests[at : at + 16] for at in range(0, len(digests), 16))
            index.update(zip(stretch.region.split(step), pieces, strict=True))
    return index
