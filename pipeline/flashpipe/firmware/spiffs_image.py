"""A SPIFFS with files in it, written as NodeMCU's firmware would have left it: nothing deleted, nothing half written.

The format (SPIFFS's docs/TECH_SPEC, and nodemcu-firmware's app/spiffs: spiffs_nucleus.h and nodemcu_spiffs.h; read at
the tags 1.5.4.1-master_20160802, 2.2.1-master_20190405 and 3.0.0-release_20240225, which agree):

- A block is an array of pages of 256 bytes. Its first page is the look-up: for each following page the 16-bit id of the
  file that it belongs to, FFFF where it is free. The last two words of the look-up are the block's mark
  (`firmware.spiffs`) and how many erases the file system had seen when it erased this block, 0 after a format.
- Any other page begins with id, number within the file (span) and flags, which are active when 0. An id with its top
  bit set is an index page: it lists the data pages of the file. The first one, the header, also has size, type and
  name, and room for 105 entries; the following ones have 124 each. Index tables begin at an even address
  (SPIFFS_ALIGNED_OBJECT_INDEX_TABLES).
- Two blocks stay free: SPIFFS needs them to move pages, and calls itself full before it takes them.
- A header is never put into the last page of a block behind another one: the firmware would not list its file
  (`board.lua.file_list`). Only empty files have their headers one behind the other; such a page stays free.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from flashpipe.errors import SpiffsFullError, SpiffsImageError, SpiffsNameError
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.spiffs import BLOCK, MIN_BLOCKS, SMALL_BLOCK, MarkRule, mark
from flashpipe.units import format_size
from flashpipe.values import dataclass

PAGE: Final = 256
NAME_LIMIT: Final = 31
"""Bytes of a name; the 32nd is its end (FS_OBJ_NAME_LEN of every NodeMCU since 1.5.4.1)."""
NO_SIZE: Final = 0xFFFFFFFF
"""What the header of a file says that nothing was written to."""

PAGE_HEAD: Final = struct.Struct("<HHB")
"""Id, span, flags."""
FILE_HEAD: Final = struct.Struct("<HHB3xIB32s")
"""The same, three bytes of nothing, size, type, name; one more byte and the table begins at an even address."""
TABLE_HEAD: Final = struct.Struct("<HHB3x")
assert (PAGE_HEAD.size, FILE_HEAD.size, TABLE_HEAD.size) == (5, 45, 8)
DATA: Final = PAGE - PAGE_HEAD.size
"""Bytes of a file in one page."""
FIRST_ENTRIES: Final = (PAGE - FILE_HEAD.size - 1) // 2
ENTRIES: Final = (PAGE - TABLE_HEAD.size) // 2
INDEX: Final = 0x8000
DATA_FLAGS, INDEX_FLAGS = 0xFC, 0xF8
"""In use and finished; the latter also an index."""
FILE: Final = 1
RESERVE: Final = 2
"""Blocks that stay free."""


@dataclass(frozen=True, slots=True)
class SpiffsFiles:
    """Files that a file system is to be made of, once it is known how large it can be."""

    name: str
    """Where they come from, for people."""
    files: Mapping[str, bytes]
    """By their names on the board."""
    size: int | None = None
    """Bytes of the file system; None: all the room that there is."""

    def image(self, room: int, rule: MarkRule = "usual") -> Image:
        """The file system for a firmware that gives it `room` bytes and marks blocks by `rule`.

        Raises:
            SpiffsNameError, SpiffsFullError: files that cannot be in it.
            SpiffsImageError: the size wanted is more than the room, or too little for a file system.
        """
        block = block_for(room)
        size = (room if self.size is None else self.size) // block * block
        if size > room:
            raise SpiffsImageError(
                f"{self.name}: a file system of {format_size(size)} is more than the {format_size(room)} there are",
                f"size: {format_size(room // block * block)} at most, or size: auto",
            )
        return Image(self.name, make_spiffs(self.files, size, block, rule, name=self.name), self.name)


def block_for(room: int) -> int:
    """Bytes of a block in a file system that NodeMCU makes, and that 3.x looks for, in so much room."""
    return BLOCK if room >= MIN_BLOCKS * BLOCK else SMALL_BLOCK


def make_spiffs(
    files: Mapping[str, bytes], size: int, block: int = BLOCK, rule: MarkRule = "usual", *, name: str = "files"
) -> bytes:
    """A file system of `size` bytes, a multiple of `block`, with these files; `name` is for messages.

    Raises:
        SpiffsNameError: a name that no file can have there.
        SpiffsFullError: they do not fit.
        SpiffsImageError: so small a file system cannot be.
    """
    if size < MIN_BLOCKS * block:
        raise SpiffsImageError(
            f"{name}: {format_size(size)} are too little for a file system, want {format_size(MIN_BLOCKS * block)}",
            f"size: {format_size(MIN_BLOCKS * block)} or more",
        )
    for file in files:
        check_name(file, name)
    _check_room(files, size, block, name)
    writer = _Writer(size, block, rule)
    for number, (file, data) in enumerate(sorted(files.items()), 1):
        writer.add(number, file.encode(), data)
    return bytes(writer.cells)


def check_name(file: str, name: str = "files") -> None:
    """Go on only with a name that a file on the board can have.

    Raises:
        SpiffsNameError: it cannot.
    """
    try:
        size = len(file.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= NAME_LIMIT or not file.isprintable():
        raise SpiffsNameError(
            f"{name}: {file!r} cannot be the name of a file on the board: it has {size} bytes, "
            f"want 1 to {NAME_LIMIT}, all of them printable",
            "rename it; folders within the folder are part of the name",
        )


def pages_of(size: int) -> int:
    """Pages that a file of `size` bytes takes, its index included."""
    data = -(-size // DATA)
    return data + 1 + -(-max(0, data - FIRST_ENTRIES) // ENTRIES)


def pages_for(sizes: Iterable[int], block: int) -> int:
    """Pages up to the end of files of these sizes, in the order in which they are written."""
    per_block, end, last = block // PAGE - 1, 0, -1
    for size in sizes:
        end += pages_of(size) + _stays_free(last, end % per_block == per_block - 1)
        last = size
    return end


def _stays_free(last: int, ends_block: bool) -> bool:  # noqa: FBT001  one of two facts
    """Whether a page is not for a header: `last` is the size of the file before."""
    return ends_block and last == 0


def _check_room(files: Mapping[str, bytes], size: int, block: int, name: str) -> None:
    usable = (size // block - RESERVE) * (block // PAGE - 1)
    pages = pages_for((len(files[file]) for file in sorted(files)), block)
    if pages > usable:
        largest = max(files, key=lambda file: len(files[file]))
        raise SpiffsFullError(
            f"{name}: {len(files)} files take {format_size(pages * PAGE)}, a file system of {format_size(size)} has "
            f"{format_size(usable * PAGE)} for them (the largest is {largest}, {format_size(len(files[largest]))})",
            SpiffsFullError.remedy,
        )


class _Writer:
    """Fills pages from the first block on."""

    def __init__(self, size: int, block: int, rule: MarkRule) -> None:
        self.cells = bytearray(b"\xff" * size)
        self._block = block
        blocks = size // block
        for index in range(blocks):
            struct.pack_into("<HH", self.cells, index * block + PAGE - 4, mark(blocks, index, rule), 0)
        self._pages = self._free()
        self._last = -1

    def _free(self) -> Iterator[int]:
        per_block = self._block // PAGE
        return (page for page in range(len(self.cells) // PAGE) if page % per_block)

    def add(self, number: int, name: bytes, data: bytes) -> None:
        """A file: its header first, each further index page before the data pages that it lists."""
        pieces = [data[at : at + DATA] for at in range(0, len(data), DATA)]
        header = next(self._pages)
        if _stays_free(self._last, header % (self._block // PAGE) == self._block // PAGE - 1):
            header = next(self._pages)
        self._last = len(data)
        table = self._put_data(number, 0, pieces[:FIRST_ENTRIES])
        head = FILE_HEAD.pack(number | INDEX, 0, INDEX_FLAGS, len(data) or NO_SIZE, FILE, name)
        self._put(header, number | INDEX, head + b"\xff" + table)
        for span, at in enumerate(range(FIRST_ENTRIES, len(pieces), ENTRIES), 1):
            index = next(self._pages)
            table = self._put_data(number, at, pieces[at : at + ENTRIES])
            self._put(index, number | INDEX, TABLE_HEAD.pack(number | INDEX, span, INDEX_FLAGS) + table)

    def _put_data(self, number: int, first: int, pieces: list[bytes]) -> bytes:
        """Data pages; the table that lists them."""
        pages = []
        for span, piece in enumerate(pieces, first):
            pages.append(next(self._pages))
            self._put(pages[-1], number, PAGE_HEAD.pack(number, span, DATA_FLAGS) + piece)
        return struct.pack(f"<{len(pages)}H", *pages)

    def _put(self, page: int, file_id: int, content: bytes) -> None:
        self.cells[page * PAGE : page * PAGE + len(content)] = content
        at = page * PAGE // self._block * self._block + 2 * (page % (self._block // PAGE) - 1)
        struct.pack_into("<H", self.cells, at, file_id)
