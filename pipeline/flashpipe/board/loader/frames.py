"""Frames and blocks: the shape of what goes to and comes from a loader. No I/O."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

BLOCK: Final = 0x4000
"""Bytes of one DATA block for the stub (esptool 5.6 `StubMixin.FLASH_WRITE_SIZE`)."""
GROWTH: Final = 0x8000
"""Most bytes of flash that one compressed block may stand for. The stub writes 32 KiB at a time and can receive one
block meanwhile (facts: stub-executed §5): a block that grew to several times that would stop the line."""


def xor_checksum(data: bytes) -> int:
    """The checksum of a DATA block: 0xEF XOR all its bytes (facts: esp8266-protocol §3.1).

    >>> xor_checksum(b"")
    239
    >>> xor_checksum(bytes(range(7))) == 0xEF ^ 0 ^ 1 ^ 2 ^ 3 ^ 4 ^ 5 ^ 6
    True
    """
    width = 1 << max(3, (len(data) - 1).bit_length())
    value = int.from_bytes(data.ljust(width, b"\0"), "little")
    while width > 1:  # fold in halves: a Python loop over the bytes would cost more than the wire does
        width //= 2
        value = value >> width * 8 ^ value & (1 << width * 8) - 1
    return 0xEF ^ value


def blocks(
    wire: bytes, block_size: int = BLOCK, *, compressed: bool, in_step: bool = False
) -> Iterator[tuple[bytes, int]]:
    """Blocks of at most `block_size` bytes to send, and the bytes of flash each accounts for.

    Raw blocks are padded to full size; the stub trims the last one (facts: esp8266-protocol §3.4).

    in_step: cut the stream, too, where the stub has 32 KiB together and writes them. While it does, a full block is on
    the line; what is left of the next 32 KiB is then short. That takes half as many blocks again, and gains where the
    flash is slower than the line.
    """
    if not compressed:
        for at in range(0, len(wire), block_size):
            block = wire[at : at + block_size]
            yield block.ljust(block_size, b"\xff"), len(block)
        return
    inflater, at, done = zlib.decompressobj(), 0, 0
    while at < len(wire):
        block = wire[at : at + block_size]
        size = len(inflater.decompress(block, GROWTH - done % GROWTH if in_step else GROWTH))
        block = block[: len(block) - len(inflater.unconsumed_tail)]
        at, done = at + len(block), done + size
        yield block, size


def encode(packet: bytes) -> bytes:
    """A packet as a SLIP frame (facts: esp8266-protocol §3.1).

    >>> encode(bytes.fromhex("01c0db02")).hex()
    'c001dbdcdbdd02c0'
    """
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


MID_FRAME: Final = "the answer stopped in mid-frame"


class Frames:
    """Takes bytes as they come and gives whole frames; bytes before an opening C0 are noise and skipped.

    >>> frames = Frames()
    >>> frames.feed(bytes.fromhex("6f6f c0 01dbdc")); frames.take()
    >>> frames.feed(bytes.fromhex("dbdd c0 c0")); frames.take().hex()
    '01c0db'
    >>> frames.take()
    """

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Bytes from the line."""
        self._pending += data

    def take(self) -> bytes | None:
        """The next whole, non-empty frame, unescaped; None while there is none."""
        while (start := self._pending.find(b"\xc0")) >= 0:
            end = self._pending.find(b"\xc0", start + 1)
            if end < 0:
                return None
            if end > start + 1:
                packet, self._pending = self._pending[start + 1 : end], self._pending[end + 1 :]
                return packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            self._pending = self._pending[end:]  # two delimiters in a row: the second opens the frame
        return None

    def missing(self) -> str:
        """Why there is no frame, for people."""
        if b"\xc0" in self._pending:
            return MID_FRAME
        return "no answer, only noise" if self._pending else "no answer"
