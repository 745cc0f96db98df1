"""What of a flash differs from the pieces that it shall hold, with as few questions as that can be known by.

A digest costs the board 1.06 s a MiB (facts: stub-executed §6) and a round trip; a sector that need not be sent costs
ten times as much. Three things save questions:

- what the probe has asked already is not asked again;
- a block whose digest is that of what this board was given earlier holds just that, so the sectors that differ follow
  from stored digests. They are never believed without the board's own digest of the block;
- a board that holds something else altogether is known by a few sectors, and is then not compared any further, but for
  the blocks that shall be blank: to find one blank takes half as long as to erase it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

from flashpipe.board.loader.link import FlashLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.loader.writer import FlashPiece, OnProgress, matches
from flashpipe.digests import md5
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge
from flashpipe.values import dataclass

LOOKS: Final = 8
"""Sectors looked at, spread over all pieces, before a board of unknown content is compared: 6 ms each, where comparing
a MiB takes 1.1 s. If none of them is alike, the little that may be is not worth finding."""
LOOKS_IN_BLOCK: Final = 2
"""The same for a block, once the one before it had no sector alike."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first block that was found to differ, and the digest that the board gave of it."""

    block: Region
    digest: bytes
    foreign: bool = False
    """None of some sectors was alike: the board holds something else altogether."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of a board before it is compared."""

    known: Mapping[Region, bytes] = field(default_factory=dict)
    """Digests of blocks and sectors that it was given earlier; it may hold others now."""
    first: Difference | None = None
    """Where the probe stopped: everything before it is alike, unless all is foreign."""
    begun: bool = False
    """An earlier run began to write these very pieces: some of it is there, however little."""


def first_difference(
    loader: FlashLoader,
    pieces: Sequence[FlashPiece],
    ignored: Iterable[Region],
    on_progress: OnProgress,
    *,
    stranger: bool = False,
) -> Difference | None:
    """The first block of up to 64 KiB that differs outside `ignored`, None if the board holds every piece.

    Of a `stranger`, of which nothing is known, some sectors are looked at before.
    """
    blocks = _blocks(pieces, ignored)
    if stranger and (seen := _look(loader, blocks, LOOKS)):
        return seen
    total, done = sum(block.size for _, block in blocks), 0
    for piece, block in blocks:
        if isinstance(loader, RomLink):
            if not matches(loader, piece, block):
                return Difference(block, b"")
            continue
        digest = loader.md5(block)
        if digest != md5(piece.cut(block)):
            return Difference(block, digest)
        done += block.size
        on_progress(done, total)
    return None


def differences(
    loader: FlashLoader,
    pieces: Sequence[FlashPiece],
    ignored: Iterable[Region],
    on_progress: OnProgress,
    clues: Clues | None = None,
) -> list[Region]:
    """Sectors that differ outside `ignored`, merged; of a board that holds something else, all from there on."""
    clues = clues or Clues()
    blocks = _blocks(pieces, ignored)
    foreign = clues.first is not None and clues.first.foreign
    if isinstance(loader, RomLink) and not foreign:  # reads each byte, up to the first that is wrong in a sector
        return merge(
            part.sectors()
            for piece, block in blocks
            for part in block.split(SECTOR_SIZE)
            if not matches(loader, piece, part)
        )
    total, done = sum(block.size for _, block in blocks), 0
    if clues.first is not None and not foreign:
        places = [block for _, block in blocks]
        start = places.index(clues.first.block)
        done, blocks = sum(block.size for block in places[:start]), blocks[start:]
    if foreign or not (done or _may_hold(clues) or not _look(loader, blocks, LOOKS)):
        return merge(block.sectors() for block in _unlike(loader, blocks, on_progress))
    unlike: list[Region] = []
    for piece, block in blocks:
        if foreign and _look(loader, [(piece, block)], LOOKS_IN_BLOCK):
            parts = [block]
        else:
            parts = _differing(loader, piece, block, clues)
            foreign = block.size > SECTOR_SIZE and sum(part.size for part in parts) == block.size
        unlike += [part.sectors() for part in parts]
        done += block.size
        on_progress(done, total)
    return merge(unlike)


def _may_hold(clues: Clues) -> bool:
    """Whether the board is likely to hold some of the pieces, as far as that is known without a look."""
    first = clues.first
    return clues.begun or (bool(clues.known) and (first is None or clues.known.get(first.block) == first.digest))


def _unlike(
    loader: FlashLoader, blocks: Sequence[tuple[FlashPiece, Region]], on_progress: OnProgress
) -> Iterator[Region]:
    """All of a board that holds something else, but for blocks that are blank as they shall be."""
    total, done = sum(block.size for _, block in blocks), 0
    for piece, block in blocks:
        on_progress(done, total)  # a request to stop is heeded there
        done += block.size
        if not (_is_blank_block(piece, block) and _is_blank(loader, piece, block)):
            yield block


def _is_blank(loader: FlashLoader, piece: FlashPiece, block: Region) -> bool:
    """Whether a block is blank as it shall be; of one that is not, the first sector mostly tells."""
    if isinstance(loader, RomLink):
        return False  # it reads 1 KB a second: erasing is sooner done
    return all(matches(loader, piece, part) for part in (Region(block.start, block.start + SECTOR_SIZE), block))


def _is_blank_block(piece: FlashPiece, block: Region) -> bool:
    """Whether erasing at once gives what a block should hold."""
    return piece.blank_blocks(block) == [block]


def _differing(loader: FlashLoader, piece: FlashPiece, block: Region, clues: Clues) -> list[Region]:
    """The sectors of a block, or what of them the block covers, that differ."""
    is_known_block = clues.first is not None and clues.first.block == block
    digest = clues.first.digest if is_known_block and clues.first else loader.md5(block)
    if digest == md5(piece.cut(block)):
        return []
    if block.size <= SECTOR_SIZE:
        return [block]
    parts = list(block.split(SECTOR_SIZE))
    if digest == clues.known.get(block) and all(part in clues.known for part in parts):
        return [part for part in parts if clues.known[part] != md5(piece.cut(part))]
    if _is_blank_block(piece, block):
        return [block]  # all of it is erased sooner than its sectors are asked for
    return [part for part in parts if not matches(loader, piece, part)]


def _look(loader: FlashLoader, blocks: Sequence[tuple[FlashPiece, Region]], looks: int) -> Difference | None:
    """A difference if none of some sectors is alike.

    Blank ones prove nothing, nor does the header, which settings change. Where all of them would be asked for, that
    is no look but the comparison itself.
    """
    telling = [
        (piece, part)
        for piece, block in blocks
        for part in block.split(SECTOR_SIZE)
        if part.start and piece.cut(part).strip(b"\xff")
    ]
    first: Difference | None = None
    for number in range(looks if len(telling) > looks else 0):
        piece, part = telling[int((number + 0.5) * len(telling) / looks)]
        digest = loader.md5(part)
        if digest == md5(piece.cut(part)):
            return None
        first = first or Difference(part, digest, foreign=True)
    return first


def _blocks(pieces: Sequence[FlashPiece], ignored: Iterable[Region]) -> list[tuple[FlashPiece, Region]]:
    ignored = list(ignored)
    return [
        (piece, block) for piece in pieces for part in piece.region.without(ignored) for block in part.split(BLOCK_SIZE)
    ]
