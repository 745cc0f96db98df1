"""Files for a SPIFFS that is in use: written into blocks of it that are free, so that nothing that is there is touched.

A block that is erased and written anew is the most that a broken connection leaves unfinished, and SPIFFS, which marks
each block, erases one without a mark when it mounts (`spiffs_obj_lu_scan`; two of them, and NodeMCU would format). So
blocks are written one after the other. The pages that make a file of it all, the headers, come last: before they are
there, nobody sees the others.

What an interrupted write has left are data pages of files that have no index. Their ids are from `FIRST_ID` on, which
the firmware comes to only with as many files; such blocks count as free, and the next write takes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flashpipe.errors import SpiffsFullError
from flashpipe.firmware.spiffs import FileSystem, mark_of
from flashpipe.firmware.spiffs_image import (
    DATA,
    DATA_FLAGS,
    ENTRIES,
    FILE,
    FILE_HEAD,
    FIRST_ENTRIES,
    INDEX,
    INDEX_FLAGS,
    NO_SIZE,
    PAGE,
    PAGE_HEAD,
    RESERVE,
    TABLE_HEAD,
)
from flashpipe.values import dataclass

FIRST_ID: Final = 0x4000
"""Of files that are written here."""
LOOKED_AT: Final = 3
"""Blocks at the beginning by which a file system is found: these are left alone."""
_FREE, _DELETED = 0xFFFF, 0
_MARKS: Final = 4
"""Bytes at the end of a look-up: mark and count of erases."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Which blocks of a file system are free, and which ids its files have."""

    files: FileSystem
    lookups: tuple[bytes, ...]
    """The first page of each block."""

    def entries(self, block: int) -> tuple[int, ...]:
        """To which file each page of a block belongs."""
        count = self.files.block // PAGE - 1
        return struct.unpack_from(f"<{count}H", self.lookups[block])

    @property
    def ids(self) -> frozenset[int]:
        """Ids in use, with the top bit where it is an index page's."""
        return frozenset(entry for block in range(self.files.blocks) for entry in self.entries(block))

    def free(self) -> list[int]:
        """Blocks with nothing in them that anybody could read, and a mark that this file system would have made."""
        ids = self.ids
        lost = {entry for entry in ids if FIRST_ID <= entry < INDEX and entry | INDEX not in ids}
        nothing = {_FREE, _DELETED, *lost}
        return [
            block
            for block in range(LOOKED_AT, self.files.blocks)
            if nothing.issuperset(self.entries(block)) and mark_of(self.lookups[block]) == self.files.mark(block)
        ]


def lookup_page(files: FileSystem, block: int) -> int:
    """The flash address of a block's look-up; `PAGE` bytes of it."""
    return files.start + block * files.block


def count_blocks(sizes: Sequence[int], block: int) -> int:
    """Blocks that files of these sizes take at most: a page of each block that ends within headers stays free."""
    per_block = block // PAGE - 1
    pages = sum(-(-size // DATA) + 1 + _more_tables(-(-size // DATA)) for size in sizes)
    return -(-(pages + 1 + len(sizes) // (per_block - 1)) // per_block)


def new_blocks(there: Occupancy, files: Mapping[str, bytes]) -> list[tuple[int, bytes]]:
    """Blocks, in the order in which they have to be written, each with its flash address, that hold these files.

    Raises:
        SpiffsFullError: not as many blocks are free, and two more that SPIFFS needs.
    """
    free = there.free()
    wanted = count_blocks([len(data) for data in files.values()], there.files.block)
    if len(free) < wanted + RESERVE + 1:
        raise SpiffsFullError(f"{len(free)} blocks of the file system are free, want {wanted + RESERVE + 1}")
    writer = BlockWriter(there, free)
    used = there.ids
    ids = (number for number in range(FIRST_ID, INDEX) if number not in used and number | INDEX not in used)
    made = []
    for (name, data), number in zip(files.items(), ids, strict=False):
        pieces = [data[at : at + DATA] for at in range(0, len(data), DATA)]
        made.append((number, name, data, [writer.data(number, span, piece) for span, piece in enumerate(pieces)]))
    for number, _, _, pages in made:
        for span, at in enumerate(range(FIRST_ENTRIES, len(pages), ENTRIES), 1):
            writer.table(number, span, pages[at : at + ENTRIES])
    for number, name, data, pages in made:
        writer.leave_last_page()  # behind another header there, 1.5.4.1 does not list it (`board.lua.file_list`)
        writer.header(number, name.encode(), len(data), pages[:FIRST_ENTRIES])
    return writer.blocks()


def _more_tables(pages: int) -> int:
    return -(-max(0, pages - FIRST_ENTRIES) // ENTRIES)


class BlockWriter:
    """Fills pages of free blocks, in the order of `free`."""

    def __init__(self, there: Occupancy, free: Sequence[int]) -> None:
        self._there, self._free = there, free
        self._filled: dict[int, bytearray] = {}
        self._pages = self._next_pages()
        self._page = 0

    def _next_pages(self) -> Iterator[tuple[int, int]]:
        """Block, and page in it; its look-up keeps mark and count."""
        size = self._there.files.block
        for block in self._free:
            cells = self._filled[block] = bytearray(b"\xff" * size)
            cells[PAGE - _MARKS : PAGE] = self._there.lookups[block][-_MARKS:]
            for page in range(1, size // PAGE):
                yield block, page

    def data(self, number: int, span: int, piece: bytes) -> int:
        """A data page of a file; its number in the file system, as those of the others."""
        return self._put(number, PAGE_HEAD.pack(number, span, DATA_FLAGS) + piece)

    def leave_last_page(self) -> None:
        """Let the last page of a block stay free, if that would be the next."""
        if self._page == self._there.files.block // PAGE - 2:
            next(self._pages)

    def table(self, number: int, span: int, pages: Sequence[int]) -> int:
        """An index page behind the first."""
        head = TABLE_HEAD.pack(number | INDEX, span, INDEX_FLAGS)
        return self._put(number | INDEX, head + struct.pack(f"<{len(pages)}H", *pages))

    def header(self, number: int, name: bytes, size: int, pages: Sequence[int]) -> int:
        """The first index page, which makes a file of the others."""
        head = FILE_HEAD.pack(number | INDEX, 0, INDEX_FLAGS, size or NO_SIZE, FILE, name)
        return self._put(number | INDEX, head + b"\xff" + struct.pack(f"<{len(pages)}H", *pages))

    def _put(self, entry: int, content: bytes) -> int:
        """Write a page; its number in the file system."""
        block, page = next(self._pages)
        self._page = page
        cells = self._filled[block]
        cells[page * PAGE : page * PAGE + len(content)] = content
        struct.pack_into("<H", cells, 2 * (page - 1), entry)
        return block * (self._there.files.block // PAGE) + page

    def blocks(self) -> list[tuple[int, bytes]]:
        """What was filled: flash address and contents of each, in order."""
        start, size = self._there.files.start, self._there.files.block
        return [(start + block * size, bytes(cells)) for block, cells in self._filled.items()]
