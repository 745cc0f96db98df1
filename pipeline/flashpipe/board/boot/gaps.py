"""Where a boot log has gaps: bytes came there that make no text at the rate that was listened at.

A log holds what the board said and nothing else: it is judged, and a profile may look for words in it. The gaps are
beside it, as data. Only where people read the log do lines in it name them, lest it seem to be whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from flashpipe.values import dataclass

_MARK: Final = re.compile(r"^\[bytes left out that make no text at this rate: \d+\]\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that a log lacks.

    Its place is counted in lines, which stay where they are when secrets in a log are masked.
    """

    line: int
    """Lines of the log before it; one in which it is counts too."""
    size: int


class Unread:
    """Where bytes are left out of a log that is still growing, and how many."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def note(self, at: int, size: int) -> None:
        """So many more, if any, behind that many characters of the log."""
        if size > 0:
            self._sizes[at] = self._sizes.get(at, 0) + size

    def behind(self, at: int) -> bool:
        """Whether any were left out from there on."""
        return any(each >= at for each in self._sizes)

    def gaps(self, log: str) -> tuple[Gap, ...]:
        """What could not be read between two texts; before the first and behind the last, a log begins and ends."""
        sizes: dict[int, int] = {}
        for at, size in sorted(self._sizes.items()):
            before, behind = log[:at], log[at:]
            if before.strip() and behind.strip():
                line = before.count("\n") + (not before.endswith("\n"))
                sizes[line] = sizes.get(line, 0) + size
        return tuple(Gap(line, size) for line, size in sizes.items())


def with_gaps(log: str, gaps: Iterable[Gap]) -> str:
    r"""The log for people, in which a line stands for each gap.

    >>> with_gaps("csum 0x1c\nFormatting", [Gap(1, 228)])
    'csum 0x1c\n[bytes left out that make no text at this rate: 228]\nFormatting'
    """
    lines = re.split(r"(?<=\n)", log)
    for gap in sorted(gaps, key=lambda gap: gap.line, reverse=True):
        before = "".join(lines[: gap.line])
        torn = before and not before.endswith("\n")
        lines.insert(gap.line, "\n" * bool(torn) + f"[bytes left out that make no text at this rate: {gap.size}]\n")
    return "".join(lines)


def without_gaps(text: str) -> str:
    r"""What the board itself has said of a log that was copied from where people read it.

    >>> without_gaps(with_gaps("csum 0x1c\nFormatting", [Gap(1, 228)]))
    'csum 0x1c\nFormatting'
    """
    return _MARK.sub("", text) if "[bytes left out" in text else text
