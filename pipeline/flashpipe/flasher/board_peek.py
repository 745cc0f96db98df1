"""The flash of a board as the survey reads it: as little as possible, and nothing twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from flashpipe.board.loader.writer import FlashPiece, matches
from flashpipe.board.session.session import Session
from flashpipe.firmware.survey import BoardContents, survey
from flashpipe.flash import SECTOR_SIZE, Region

_WORD: Final = 4
"""The flash controller reads whole words (facts: esp8266-protocol §3)."""


class BoardPeek:
    """The flash behind a session; the same place is not read twice, nor what a digest can tell.

    Most boards that are written hold nearly what the plan says: a digest of a sector takes 6 ms, reading it 90.
    """

    def __init__(self, session: Session, planned: Sequence[FlashPiece] = ()) -> None:
        self._session = session
        self._planned = planned
        self._read: dict[Region, bytes] = {}

    def read(self, region: Region) -> bytes:
        """The bytes of a region."""
        words = Region(region.start // _WORD * _WORD, -(-region.end // _WORD) * _WORD)
        if words not in self._read:
            self._session.check_stop()
            self._read[words] = self._expected(words) or self._session.link.read(words, lambda _done: None)
        return self._read[words][region.start - words.start :][: region.size]

    def _expected(self, region: Region) -> bytes:
        """The plan's bytes, if that is what the board holds."""
        if region.size < SECTOR_SIZE:
            return b""
        piece = next((piece for piece in self._planned if piece.region.contains(region)), None)
        return piece.cut(region) if piece and matches(self._session.link, piece, region) else b""

    def matches(self, piece: FlashPiece, region: Region) -> bool:
        """Whether the board has the piece's bytes there."""
        return matches(self._session.link, piece, region)

    def is_blank(self, region: Region) -> bool:
        """Whether every byte of it is FF."""
        self._session.check_stop()
        blank = hashlib.md5(b"\xff" * region.size, usedforsecurity=False).digest()
        return self._session.link.md5(region) == blank


def look_at_contents(session: Session, flash_size: int) -> BoardContents:
    """What the board holds, where nothing is known of it; reads only.

    Raises:
        WireError: it could not be read.
    """
    with session.step("contents", "what is on the board") as result:
        contents = survey(BoardPeek(session), flash_size)
        result.append(contents.title or "no firmware")
    return contents
