"""Colours where a terminal has them (no-color.org; `color=` has the last word)."""

from __future__ import annotations

import os
from typing import Final, TextIO

from flashpipe.terminal import coloured
from flashpipe.text.look import look

GREEN: Final = "32"
RED: Final = "31"


def paint(word: str, colour: str, stream: TextIO) -> str:
    """The word, in a colour where whoever reads the stream wants that."""
    return coloured(word, colour) if _coloured(stream) else word


def _coloured(stream: TextIO) -> bool:
    if look.colour != "auto":
        return look.colour == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
