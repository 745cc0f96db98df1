"""A traffic log as lines for people: what was said, not what was in it.

Contents stay out: register values hold the MAC, blocks and reads hold flash, and flash holds Wi-Fi passwords. What a
firmware printed is shown, for the caller to mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from flashpipe.board.session.text import readable
from flashpipe.board.session.traffic import FROM_HOST, Chunk

OPCODES: Final = {
    0x02: "FLASH_BEGIN", 0x03: "FLASH_DATA", 0x04: "FLASH_END", 0x05: "MEM_BEGIN", 0x06: "MEM_END", 0x07: "MEM_DATA",
    0x08: "SYNC", 0x09: "WRITE_REG", 0x0A: "READ_REG", 0x0B: "SPI_SET_PARAMS", 0x0D: "SPI_ATTACH", 0x0F: "CHANGE_BAUD",
    0x10: "FLASH_DEFL_BEGIN", 0x11: "FLASH_DEFL_DATA", 0x12: "FLASH_DEFL_END", 0x13: "SPI_FLASH_MD5",
    0x14: "GET_SECURITY_INFO", 0xD0: "ERASE_FLASH", 0xD1: "ERASE_REGION", 0xD2: "READ_FLASH", 0xD3: "RUN_USER_CODE",
}  # fmt: skip
"""Facts: esp8266-protocol §3.4."""
_HEADER: Final = 8
_SHOWN: Final = 16
"""Bytes shown of what is neither text nor a frame."""
_LIVE_BYTES: Final = 256
"""Bytes after which a line is shown though more of the same may come."""
_WORDS: Final = 8
"""Readable letters that make a text of it."""


def stray_bytes(chunks: Sequence[Chunk]) -> int:
    """Bytes that came since the last request and are no answer: noise, or somebody who speaks at another rate."""
    data = b""
    for chunk in reversed(chunks):
        if chunk.way == FROM_HOST:
            break
        data = chunk.data + data
    frames = [frame for frame in data.split(b"\xc0") if _is_answer(frame)]
    return max(0, len(data) - sum(len(frame) + 2 for frame in frames))


def _is_answer(frame: bytes) -> bool:
    return len(frame) >= _HEADER and frame[0] == 1 and frame[1] in OPCODES


def lines(chunks: Sequence[Chunk]) -> Iterator[str]:
    """One line for each transfer: seconds, direction, baud, bytes, meaning."""
    for chunk in chunks:
        meaning = "; ".join(_request(chunk) if chunk.way == FROM_HOST else _answer(chunk))
        yield f"{chunk.at_s:9.3f} {chunk.way} {chunk.baud:>7} {chunk.count:>6}  {meaning}".rstrip()


class LiveLines:
    """Transfers to lines while they happen: what comes in pieces, one way, is one line."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._waiting: list[Chunk] = []

    def __call__(self, chunk: Chunk) -> None:
        """Take a transfer; what came before it is shown where that is complete."""
        before = self._waiting
        if before and (before[0].way, before[0].baud) != (chunk.way, chunk.baud):
            self.flush()
        self._waiting.append(chunk)
        if sum(one.count for one in self._waiting) >= _LIVE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Show what is held back."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            first = waiting[0]
            data = b"".join(one.data for one in waiting)
            whole = Chunk(first.at_s, first.way, first.baud, sum(one.count for one in waiting), data)
            for line in lines([whole]):
                self._show(line.strip())


def _request(chunk: Chunk) -> Iterator[str]:
    frames = [frame for frame in chunk.data.split(b"\xc0") if len(frame) >= _HEADER and frame[0] == 0]
    for frame in frames:
        yield OPCODES.get(frame[1], f"opcode {frame[1]:#04x}")
    if not frames:
        yield "typed text" if chunk.data.isascii() and chunk.data.strip() else chunk.data[:_SHOWN].hex(" ")


def _answer(chunk: Chunk) -> Iterator[str]:
    text = readable(chunk.data)
    frames = [frame for frame in chunk.data.split(b"\xc0") if _is_answer(frame)]
    if not frames and sum(map(str.isalnum, text)) >= _WORDS:
        yield from (f'"{line.strip()}"' for line in text.splitlines() if line.strip())
        return
    for frame in frames:
        status = " ".join(f"{byte:02x}" for byte in frame[-2:])
        yield f"answer to {OPCODES[frame[1]]}, status {status}"
    if not frames:
        # The head only: flash contents come in frames without any header.
        yield f"{chunk.data[:_SHOWN].hex(' ')} …" if chunk.count <= _SHOWN * 4 else "data"
