"""Names for the addresses that a crash prints, where the profile names the firmware's ELF."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flashpipe.errors import PipelineError

if TYPE_CHECKING:
    from flashpipe.jobs.request import Request

Explain = Callable[[str], list[str]]
"""Lines to show after a line of the board's."""


def annotator(request: Request, say: Callable[[str], None]) -> Explain:
    """What names the addresses in a line; an ELF that cannot be read is said once, and then nothing is named."""
    path = request.profile().elf if request.profile_name else None
    if path is None:
        return lambda _line: []
    from flashpipe.firmware.elf import read_elf  # noqa: PLC0415  only where a profile names one

    try:
        return read_elf(path).explain
    except PipelineError as error:
        say(f"places of crashes are not named: {error.message}")
        return lambda _line: []


class CrashAnnotator:
    """Text of the board as it comes, with the names of its addresses after each line that has some."""

    def __init__(self, explain: Explain) -> None:
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
