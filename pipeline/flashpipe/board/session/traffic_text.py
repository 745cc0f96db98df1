"""A traffic log as lines for people: what was said, not what was in it.

Contents stay out: register values hold the MAC, blocks and reads hold flash, and flash holds Wi-Fi passwords. What a
firmware printed is shown without its secrets. Reads cut a text anywhere, and requests, frames and changes of the rate
come between, so all that a board said is looked through as one text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from flashpipe.board.session.text import ends_in_garbage, garbage_bytes, untorn
from flashpipe.board.session.traffic import FROM_HOST, KEPT, Chunk
from flashpipe.masking import mask_pieces

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
"""Readable letters that make a text of it, garbage or not."""
_BEFORE: Final = 8192
"""Characters of what was shown before that are remembered: a private key is that long."""
_GOES_ON: Final = "0@</"
"""What may follow, and would make a login, or the inside of an element, of a text that ends here, and no word of it."""


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


def lines(chunks: Sequence[Chunk], before: str = "", *, cut: bool | None = None, torn: bool = False) -> Iterator[str]:
    """One line for each transfer: seconds, direction, baud, bytes, meaning.

    Args:
        chunks: The transfers, in order.
        before: What the board had said, which may tell that what follows is a secret.
        cut: Whether some of that is not known; None: where so many are given that there were others.
        torn: Whether right before them there was garbage.
    """
    said = _texts(chunks, cut=len(chunks) >= KEPT if cut is None else cut, torn=torn)
    texts = mask_pieces([before, *said, _GOES_ON])[1:-1]
    for chunk, text in zip(chunks, texts, strict=True):
        meaning = "; ".join(_request(chunk) if chunk.way == FROM_HOST else _answer(chunk, text))
        yield f"{chunk.at_s:9.3f} {chunk.way} {chunk.baud:>7} {chunk.count:>6}  {meaning}".rstrip()


def _texts(chunks: Sequence[Chunk], *, cut: bool = False, torn: bool = False) -> Iterator[str]:
    """What the board said in each transfer, between its frames; nothing for those to it.

    Behind a gap, which is there from the beginning where `cut`, a text begins with its first whole line: what stood
    before may have told that the rest is a secret. `torn`: right before there was garbage.
    """
    for chunk in chunks:
        if chunk.way == FROM_HOST:
            yield ""
            continue
        said = _said(chunk)
        text = untorn(said, torn=torn)
        torn = ends_in_garbage(said) or (torn and not text)
        if cut:
            _, end, text = text.partition("\n")
            cut, text = not end, end + text
        cut = cut or chunk.count > len(chunk.data)
        yield text


def _said(chunk: Chunk) -> bytes:
    return b"".join(part for part in chunk.data.split(b"\xc0") if not _is_answer(part))


class LiveLines:
    """Transfers to lines while they happen: what comes in pieces, one way, is one line."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._waiting: list[Chunk] = []
        self._before = ""
        """The end of what the board has said."""
        self._cut = False
        """Whether the last of it is not known."""
        self._torn = False
        """Whether it ends in garbage."""

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
            for line in lines([whole], self._before, cut=self._cut, torn=self._torn):
                self._show(line.strip())
            if first.way != FROM_HOST:
                (text,) = _texts([whole], cut=self._cut, torn=self._torn)
                self._torn = ends_in_garbage(_said(whole)) or (self._torn and not text)
                self._before = (self._before + text)[-_BEFORE:]
                self._cut = whole.count > len(data) or (self._cut and not text)


def _request(chunk: Chunk) -> Iterator[str]:
    frames = [frame for frame in chunk.data.split(b"\xc0") if len(frame) >= _HEADER and frame[0] == 0]
    for frame in frames:
        yield OPCODES.get(frame[1], f"opcode {frame[1]:#04x}")
    if not frames:
        yield "typed text" if any(chunk.data.split()) and not garbage_bytes(chunk.data) else _head(chunk)


def _answer(chunk: Chunk, text: str) -> Iterator[str]:
    """The meaning of a transfer from the board, in which it said the text."""
    frames = [frame for frame in chunk.data.split(b"\xc0") if _is_answer(frame)]
    if not frames and (sum(map(str.isalnum, text)) >= _WORDS or (text.strip() and not garbage_bytes(chunk.data))):
        yield from (f'"{line.strip()}"' for line in text.splitlines() if line.strip())
        return
    for frame in frames:
        status = " ".join(f"{byte:02x}" for byte in frame[-2:])
        yield f"answer to {OPCODES[frame[1]]}, status {status}"
    if not frames:
        # The head only: flash contents come in frames without any header.
        yield f"{_head(chunk)} …" if chunk.count <= _SHOWN * 4 else "data"


def _head(chunk: Chunk) -> str:
    """The first bytes of what is neither text nor a frame; letters in it may be those of a secret."""
    return " ".join(
        ".." if chr(byte).isascii() and chr(byte).isprintable() else f"{byte:02x}" for byte in chunk.data[:_SHOWN]
    )
