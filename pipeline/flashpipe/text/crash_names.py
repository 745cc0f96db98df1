"""Names for the addresses that a crash prints, as the text comes."""

from __future__ import annotations

from collections.abc import Callable


class CrashAnnotator:
    """Text of the board as it comes, with the names of its addresses after each line that has some."""

    def __init__(self, explain: Callable[[str], list[str]]) -> None:
        self._explain = explain
        self._line = ""

    def show(self, text: str) -> str:
        """The text, with what is known of it."""
        out = ""
        for piece in text.splitlines(keepends=True):
            out += piece
            self._line += piece
            if self._line.endswith("\n"):
                out += "".join(f"{place}\n" for place in self._explain(self._line.rstrip()))
                self._line = ""
        return out
