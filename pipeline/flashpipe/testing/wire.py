"""The line to a board in a test: it remembers what the board says, and knows its last words."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.session.session import Session

DIES: Final = re.compile(
    r"PANIC: unprotected error|^(?:> )*(?:Fatal exception|Lua error: )"
    r"|^(?:NodeMCU [^\n]*| ?(?:build [^\n]*)?)powered by Lua 5",
    re.MULTILINE,
)
"""The last words of a firmware that restarts, or the first of one that has."""
_KEPT: Final = 256 * 1024
_OURS: Final = re.compile(
    r"^(?:> )*(?:print\(\"=#|local o,v=pcall|local function p\(s\)).*\n"
    r"|^(?:> )*=#\d+(?:[+:-].*?#=|:.*)\n|^> (?=\n|-- )",
    re.MULTILINE,
)
"""What the log holds of the conversation that a test does not see: typed lines and marks of the console."""


class RecordedLine:
    """The line of a session, which remembers what the board says."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.port = session.port
        self.heard = ""
        """Readable text, the last of it, since the test began."""
        self.recent = ""
        """The same, since what Lua code was given to it last has ended."""
        self.silent = False
        """What passes is the contents of files, and not remembered."""

    def remember(self, text: str) -> None:
        """The board has said this."""
        text = text.replace("\r", "")
        self.heard, self.recent = (self.heard + text)[-_KEPT:], (self.recent + text)[-_KEPT:]

    def note(self, text: str) -> None:
        """Something that stands in the log between what the board says."""
        self.heard = (self.heard + text)[-_KEPT:]

    def tune(self, baud: int) -> None:
        """Listen and talk at `baud`."""
        self._session.tune(baud)

    def receive(self, limit_s: float) -> bytes:
        """What comes first within `limit_s`."""
        data = self._session.receive(limit_s)
        if not self.silent:
            self.remember(data.decode("latin-1"))
        return data

    def send(self, data: bytes) -> None:
        """Bytes to the board."""
        self._session.send(data)

    def clock(self) -> float:
        """Seconds in which limits count."""
        return self._session.clock()

    def own_time(self) -> float:
        """Seconds of a virtual board's own time."""
        return self._session.own_time()

    @property
    def log(self) -> str:
        """What was heard, without typed lines and marks of the console that a test does not see."""
        return re.sub(r"\n{3,}", "\n\n", _OURS.sub("", self.heard)).lstrip("\n")
