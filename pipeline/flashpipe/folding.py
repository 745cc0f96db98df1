"""Lines that are no longer than the terminal is wide: what goes on stands below its own text, not at the margin."""

from __future__ import annotations

import os
from typing import Final, TextIO

from flashpipe.lazy import lazy_pattern

HEAD: Final = lazy_pattern(r"\s*next: |[A-Za-z#|.]\S* +|\s+")
"""The name in front of a line, or the space there; what follows is what goes on below."""
DEEPEST: Final = 24
"""Columns at which a line goes on at most."""
WHOLE: Final = lazy_pattern(r"\s*next: (?:flashpipe|doit|pip|uv|/\S+) [^`;]*")
"""A command that is to be copied."""
_ARGUMENT: Final = lazy_pattern(r"\s*(?:'[^']*'|\S)+")
"""One word of it, as a shell takes it."""
_GOES_ON: Final = " \\"
_INDENT: Final = "  "
_PIECE: Final = lazy_pattern(r"\s*(?:\S*`[^`]*`\S*|\[code: \S+|\S+)")
"""A word; a command within backquotes is one, and so is a code."""
_COLOUR: Final = lazy_pattern(r"\x1b[0-9a-f]*\[\d+m")


def width_of(stream: TextIO) -> int:
    """Columns of the terminal behind a stream; 0 where it is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return 0


def folded(text: str, width: int) -> str:
    r"""The text in lines of no more than `width` columns; as it is where `width` is 0.

    A path that is longer than a line loses its beginning; a command goes on as the shell reads it.

    >>> print(folded("boot     the flash holds the image", 24))
    boot     the flash holds
             the image
    >>> print(folded("next: flashpipe flash profile=kitchen", 24))
    next: flashpipe flash \
      profile=kitchen
    >>> print(folded("receipt  /a/long/folder/receipts/20261130.json", 32))
    receipt
      …/receipts/20261130.json
    >>> print(folded("  next: take it out; or say `a b c`", 24))
      next: take it out; or
            say `a b c`
    """
    if not width or len(text) <= width:
        return text
    return "\n".join(_one(line, width) for line in text.split("\n"))


def _one(line: str, width: int) -> str:
    if len(_COLOUR.sub("", line)) <= width:
        return line
    if WHOLE.fullmatch(line):
        return _command(line, width)
    head = HEAD.match(line)
    named = head[0] if head is not None and (not head[0].strip() or head[0].endswith(("  ", "next: "))) else _INDENT
    indent = " " * min(DEEPEST, len(named))
    lines = [""]
    for piece in _PIECE.findall(line):
        if lines[-1] and len(_COLOUR.sub("", lines[-1] + piece)) > width:
            word = piece.lstrip()
            lines[-1] = lines[-1].rstrip()
            lines.append((indent if len(indent + word) <= width else _INDENT) + _short_path(word, width - len(_INDENT)))
        else:
            lines[-1] += piece
    return "\n".join(lines)


def _command(line: str, width: int) -> str:
    """A command that can be copied in one piece: its lines end as those do that a shell reads on."""
    if os.name != "posix":
        return line
    lines = [""]
    for word in _ARGUMENT.findall(line):
        if lines[-1].strip() and len(lines[-1] + word) + len(_GOES_ON) > width:
            lines[-1] += _GOES_ON
            lines.append(_INDENT + word.lstrip())
        else:
            lines[-1] += word
    return "\n".join(lines)


def _short_path(word: str, width: int) -> str:
    """A path without its beginning, which is told by an ellipsis; other words, and what fits, as they are."""
    if len(word) <= width or "://" in word or "`" in word:
        return word
    at = word.find("/", len(word) - width + 1)
    return f"…{word[at:]}" if at >= 0 else word


def short_port(port: str, width: int) -> str:
    """The name of a port in `width` columns, in full where that is 0; its end tells ports from each other.

    >>> short_port("sim://esp12?mac=5c:cf:7f:00:00:01", 20), short_port("/dev/ttyUSB0", 20)
    ('...5c:cf:7f:00:00:01', '/dev/ttyUSB0')
    """
    return port if not width or len(port) <= width else f"...{port[3 - width :]}"
