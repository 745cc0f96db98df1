"""Reading files out of a SPIFFS by scanning all of its pages, as a file system check does; the index is not needed.

Layout: every page but a block's first begins with object id, span index and flags; an index page of span 0 adds the
size, the type and the name; a data page's span index says which piece of the file it holds (nodemcu-firmware 36cbf9f,
app/spiffs/spiffs_nucleus.h).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

PAGE: Final = 256
PAGE_HEADER: Final = struct.Struct("<HHB")
INDEX_HEADER: Final = struct.Struct("<HHB3xIB32s")
INDEX_FLAG: Final = 0x8000
"""Set in the object ids of index pages."""

FREE_ID, DELETED_ID = 0xFFFF, 0
_USED, _FINAL, _INDEX, _INDEX_DELETED, _DELETED = 0x01, 0x02, 0x04, 0x40, 0x80
"""Flags of a page; all are active when 0."""

UNKNOWN_SIZE: Final = 0xFFFFFFFF
"""A file that was never closed."""


def files_in(read: Callable[[int, int], bytes], start: int, blocks: int, block: int) -> dict[str, bytes]:
    """Names and contents of all complete files."""
    heads: dict[int, tuple[str, int]] = {}
    pieces: dict[int, dict[int, bytes]] = {}
    for page in _pages(read, start, blocks, block):
        kind, span, flags = PAGE_HEADER.unpack_from(page)
        if kind in {FREE_ID, DELETED_ID} or flags & (_USED | _FINAL) or not flags & _DELETED:
            continue
        if kind & INDEX_FLAG:
            if span == 0 and not flags & _INDEX and flags & _INDEX_DELETED:
                size, _, name = INDEX_HEADER.unpack_from(page)[3:]
                heads[kind & ~INDEX_FLAG] = (name.partition(b"\0")[0].decode("latin-1"), size)
        elif flags & _INDEX:
            pieces.setdefault(kind, {})[span] = page[PAGE_HEADER.size :]
    return {name: _joined(pieces.get(kind, {}), size) for kind, (name, size) in heads.items() if size != UNKNOWN_SIZE}


def _pages(read: Callable[[int, int], bytes], start: int, blocks: int, block: int) -> Iterator[bytes]:
    for index in range(blocks):
        contents = read(start + index * block, block)
        for at in range(PAGE, block, PAGE):
            yield contents[at : at + PAGE]


def _joined(pieces: dict[int, bytes], size: int) -> bytes:
    """A file from its pieces; a missing one reads as erased flash."""
    length = PAGE - PAGE_HEADER.size
    blank = b"\xff" * length
    return b"".join(pieces.get(span, blank) for span in range(-(-size // length)))[:size]
