"""Flash contents for the tests of what stands in a flash: file systems with marks, boards that hold something."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from flashpipe.firmware.spiffs import BLOCK
from flashpipe.flash import Region

MARK = 0x0529 ^ 0x100


def put_files(cells: bytearray, start: int, blocks: int, block: int = BLOCK, *, data: bytes = b"") -> None:
    """Format a SPIFFS: each block's mark counts down to the end; `data` stands behind the first block's first page."""
    for index in range(blocks):
        at = start + index * block
        cells[at : at + block] = b"\xff" * block
        cells[at + 252 : at + 254] = (MARK ^ (blocks - index)).to_bytes(2, "little")
    cells[start + 256 : start + 256 + len(data)] = data


@dataclass
class Flash:
    """A flash that counts what is asked of it."""

    cells: bytearray
    reads: int = 0
    read_bytes: int = 0
    digested: int = 0
    asked: list[Region] = field(default_factory=list)

    def read(self, region: Region) -> bytes:
        self.reads += 1
        self.read_bytes += region.size
        self.asked.append(region)
        return bytes(self.cells[region.start : region.end])

    def is_blank(self, region: Region) -> bool:
        self.digested += region.size
        return not self.cells[region.start : region.end].strip(b"\xff")

    def md5(self) -> str:
        return hashlib.md5(self.cells, usedforsecurity=False).hexdigest()
