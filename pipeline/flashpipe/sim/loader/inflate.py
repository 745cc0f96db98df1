"""The stubs' inflater: zlib in pieces, with the window flushed at 32 KB and the trailer checked only sometimes."""

from __future__ import annotations

import zlib
from typing import Final

from flashpipe.values import dataclass

TRAILER: Final = 4
"""Adler-32, big-endian, behind the deflate stream."""

_DEFLATE: Final = 8
_WINDOW_BITS: Final = 15


@dataclass(frozen=True, slots=True)
class InflatedPiece:
    """What one call of the inflater gave."""

    data: bytes
    used: int
    """Bytes of input consumed."""
    done: bool
    failed: bool


class Inflater:
    """One zlib stream. Header and trailer only exist for callers that ask for them, as in the stubs' library."""

    def __init__(self) -> None:
        # The stubs' window is a buffer that exists from the start: a distance that reaches back before the stream is
        # no error to them. zlib only forgives it where it was given a window first.
        self._inflate = zlib.decompressobj(-_WINDOW_BITS, zdict=bytes(1 << _WINDOW_BITS))
        self._header = b""
        self._trailer = b""
        self._adler = 1
        self._begun = self._ended = self._failed = False

    @property
    def done(self) -> bool:
        """Whether the end of the deflate stream has been met."""
        return self._ended

    def run(self, data: bytes, room: int, *, zlib_format: bool) -> InflatedPiece:
        """Inflate up to `room` bytes out of `data`.

        Args:
            data: the next bytes of the stream.
            room: bytes that fit into the output.
            zlib_format: parse the two header bytes at the start and check the Adler-32 at the end.
        """
        if self._failed:
            return InflatedPiece(b"", 0, done=False, failed=True)
        used = 0
        if not self._begun and zlib_format:
            take = data[: 2 - len(self._header)]
            self._header += take
            used = len(take)
            if len(self._header) < 2:  # noqa: PLR2004  a zlib header has two bytes
                return InflatedPiece(b"", used, done=False, failed=False)
            if not _header_is_good(self._header):
                return self._fail(used)
        self._begun = True
        out = b""
        if not self._ended:
            body = data[used:]
            try:
                out = self._inflate.decompress(body, room) if room else b""
            except zlib.error:
                return self._fail(used)
            self._adler = zlib.adler32(out, self._adler)
            self._ended = self._inflate.eof
            # At the end of the stream zlib names the same bytes twice, as unused and as unconsumed.
            left = self._inflate.unused_data if self._ended else self._inflate.unconsumed_tail
            used += len(body) - len(left)
        if self._ended and zlib_format:
            return self._check_trailer(out, data, used)
        return InflatedPiece(out, used, done=self._ended, failed=False)

    def _fail(self, used: int) -> InflatedPiece:
        self._failed = True
        return InflatedPiece(b"", used, done=False, failed=True)

    def _check_trailer(self, out: bytes, data: bytes, used: int) -> InflatedPiece:
        take = data[used : used + TRAILER - len(self._trailer)]
        self._trailer += take
        used += len(take)
        if len(self._trailer) < TRAILER:
            return InflatedPiece(out, used, done=False, failed=False)
        if int.from_bytes(self._trailer, "big") != self._adler:
            return InflatedPiece(out, used, done=False, failed=True)
        return InflatedPiece(out, used, done=True, failed=False)


def _header_is_good(header: bytes) -> bool:
    """Method 8, a window of up to 32 KB, no dictionary, and the check bits right (RFC 1950)."""
    return (
        header[0] & 0x0F == _DEFLATE
        and header[0] >> 4 <= _WINDOW_BITS - 8
        and int.from_bytes(header, "big") % 31 == 0
        and not header[1] & 0x20
    )
