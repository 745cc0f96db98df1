"""Bytes of a serial line to text that people can read: what a UART made of the wrong baud rate never shows.

A wrong rate is told by its bytes. Of boot logs read at the wrong one of the rates 9600 to 460800, more than half of the
bytes are not printable, and no run of printable ones is longer than seven (computed by sampling the waveform, see
tests/board/session/test_text.py); text has none, or a single one where a reset cut a byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    rb"(?P<colour>\x1b\[[0-9;]*[A-Za-z])"
    rb"|(?P<utf8>[\xc2-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}|\xe0[\xa0-\xbf][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2})"
    rb"|(?P<bad>[^\x20-\x7e\r\n\t])"
)
_TORN: Final = re.compile(
    rb"""(?x) \A (?: [^\S\n]* [\w.\-]* ["']? [^\S\n]* (?: -?> | :?= | : ) | [^\S\n]* [\w.\-]* )? [^\S\n]*
    (?: \\{0,8} " [^"\n]* "? | ' [^'\n]* '? | [^\s,;)}\]"'] [^,;)}\]"'\n]* )"""
)
"""The end of a name and its value, or words as far as they reach: `Basic secret`, `is secret`, a name of two words."""
_TORN_CALL: Final = re.compile(rb"\A[^\S\n]*(?:[\w.:\-]*[^\S\n]*\([^)\n]*|[^()\n]*(?=\)))")
"""A call whose name is lost or torn, up to where it is closed: what it is given may be a network and its password."""
_LEADING: Final = re.compile(rb"\A[^\x20-\x7e\r\n]+")
"""A single one is no garbage by itself, but goes on with what was before."""
_NEAR: Final = 10
"""Unprintable bytes nearer than this belong to one stretch of garbage: runs between them are chance (see above)."""
_EDGE: Final = 4
"""Printable bytes beside garbage that are garbage too."""


def readable(data: bytes) -> str:
    """The text in `data`, without garbage, colour codes and carriage returns; UTF-8 letters stay."""
    return _plain(b"".join(text for text, _ in stretches(data)))


def untorn(data: bytes, *, torn: bool = False) -> str:
    r"""As `readable`, for what is kept: without what the first word behind garbage is given, or is followed by.

    Garbage takes letters beside it along, and with them the name that tells that a password follows. `torn`: there was
    garbage right before all of it.

    >>> untorn(b"\x05\xb3\x8bpwd=\"hunter2\" ok\nload 0x40100000\n")
    ' ok\nload 0x40100000\n'
    """
    first, *others = (text for text, _ in stretches(data))
    return _plain(b"".join([_without_value(_LEADING.sub(b"", first)) if torn else first, *map(_without_value, others)]))


def ends_in_garbage(data: bytes) -> bool:
    """Whether garbage reaches to the end: what comes next may have lost its name to it."""
    *_, (text, _count) = stretches(data)
    return not text and bool(data)


def _without_value(text: bytes) -> bytes:
    line, end, more = text.partition(b"\n")
    for quote in (b'"', b"'"):
        if line.count(quote) % 2:  # it began in the garbage
            line = line.partition(quote)[2]
    return _TORN.sub(b"", _TORN_CALL.sub(b"", line, count=1), count=1) + end + more


def readable_stretches(data: bytes) -> list[tuple[str, int]]:
    """The same piece by piece: text, and how many bytes of garbage follow it."""
    return [(_plain(text), count) for text, count in stretches(data)]


def stretches(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Text and garbage by turns: the bytes of a text, and how many bytes of garbage follow it."""
    at = 0
    for start, end in garbage(data):
        yield data[at:start], end - start
        at = end
    yield data[at:], 0


def _plain(data: bytes) -> str:
    text = _TOKEN.sub(lambda token: token[0] if token["utf8"] else b"", data).decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\n" not in text else text.replace("\r", "")


def garbage(data: bytes) -> Iterator[tuple[int, int]]:
    """The stretches of `data` (start, end) that no text can be made of."""
    end = 0
    for first, last in _clusters(data):
        before = data.rfind(b"\n", end, first) + 1
        after = data.find(b"\r\n", last + 1, last + 1 + _EDGE)
        start = max(end, before, first - _EDGE)
        end = last + 1 + _EDGE if after < 0 else after
        tail = data[end:]
        if after < 0 and len(tail) < _NEAR - _EDGE:
            end = len(data)  # too short to tell whether it is text; more bytes will
        yield start, min(end, len(data))


def garbage_bytes(data: bytes) -> int:
    """How many bytes of `data` belong to stretches of garbage."""
    return sum(end - start for start, end in garbage(data))


def _clusters(data: bytes) -> Iterator[tuple[int, int]]:
    """First and last unprintable byte of each stretch that has at least two of them."""
    first = last = -1
    count = 0
    for token in _TOKEN.finditer(data):
        if token["bad"] is None:
            continue
        if count and token.start() - last > _NEAR:
            if count > 1:
                yield first, last
            count = 0
        if not count:
            first = token.start()
        last = token.start()
        count += 1
    if count > 1:
        yield first, last
