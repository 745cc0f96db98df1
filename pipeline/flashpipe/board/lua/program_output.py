"""What a Lua program prints between two marks of the console, while it comes: whole lines, and never all at once.

A program may print for hours, or for ever: what is kept has a bound, and what has been shown is not
looked through again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

KEPT: Final = 256 * 1024
"""Characters of what was printed last."""
_TAIL: Final = len("\n> ")
"""What may follow the end mark: a line end, and the prompt."""
BEHIND: Final = 4096
"""Characters kept of what was said behind the end."""
_PANIC: Final = re.compile(r"^PANIC: unprotected error in call to Lua API \((.*?)\)?\n", re.MULTILINE)
"""Lua gave up outside of every pcall: no end mark will come (the words of lua.c, `lua_atpanic`)."""


class ProgramOutput:
    """Feed it what the board says; `number` is that of the marks."""

    def __init__(self, number: int, show: Callable[[str], None] = lambda _: None) -> None:
        self._begin, self._mark = f"=#{number}:\n", f"=#{number}"
        self._end = re.compile(rf"=#{number}([+-])(.*?)#=\n?(?:> ?)?", re.DOTALL)
        self._show = show
        self._kept = ""
        self._open = ""
        """What is not shown yet: a line that has not ended, and the end mark with what follows."""
        self._cut = False
        self.begun = False
        self.before = ""
        """What was said before the program began."""
        self.ended = False
        self.error = ""
        """Lua's error, empty if there was none. With a panic the program has not `ended` by itself."""
        self.behind = ""
        """What was said last, behind the end and its prompt."""

    @property
    def whole(self) -> bool:
        """Whether the line end and the prompt behind the end have come, which are none of the output."""
        return self._cut

    @property
    def text(self) -> str:
        """What was printed, the last 256 KB of it."""
        return _last(self._kept + self._end.sub("", self._open))

    def add(self, data: str) -> None:
        """The board has said this."""
        if not self.begun:
            before, begun, data = (self.before + data).partition(self._begin)
            self.before, self.begun = before[-KEPT:], bool(begun)
        if not self.begun:
            return
        self._open += data
        if self._cut:
            self.behind = (self.behind + data)[-BEHIND:]
        match = None if self._cut else self._end.search(self._open)
        if match:
            self.ended, self.error = True, match[2] if match[1] == "-" else ""
            if len(self._open) - match.end(2) >= len("#=") + _TAIL:
                self._open, self._cut = self._open[: match.start()] + self._open[match.end() :], True
                self.behind = self._open[match.start() :][-BEHIND:]
        elif panic := _PANIC.search(self._open):
            self.error = panic[1] or "PANIC"
        self._release()

    def close(self) -> None:
        """Show what is left."""
        rest, self._open = self._end.sub("", self._open), ""
        self._put(rest)

    def _release(self) -> None:
        """Show the whole lines before the end mark, or before what may become one."""
        at = -1 if self._cut else self._open.find(self._mark)
        end = self._open.rfind("\n", 0, at if at >= 0 else len(self._open)) + 1
        if len(self._open) - end > KEPT:  # neither a line nor a mark is that long
            end = len(self._open)
        shown, self._open = self._open[:end], self._open[end:]
        self._put(shown)

    def _put(self, text: str) -> None:
        if text:
            self._kept = _last(self._kept + text)
            self._show(text)


def _last(text: str) -> str:
    """What is kept of a text: whole lines, for half a line would be read as another one."""
    if len(text) <= KEPT:
        return text
    return text[text.find("\n", len(text) - KEPT - 1) + 1 :][-KEPT:]
