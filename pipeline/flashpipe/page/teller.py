"""What browsers are told of the boards: workers mark what has changed, one thread looks at it and tells it.

What changes together is told together, and only as it is in the end: sixteen boards that work at once cost no more
words than browsers can show. No worker waits for a browser, or for a template.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from flashpipe.page.choice import MORE
from flashpipe.page.hub import Hub
from flashpipe.page.render import PARTS, Renderer
from flashpipe.terminal import visible

if TYPE_CHECKING:
    from flashpipe.page.board import BoardOnPage

PAUSE_S: Final = 1 / 60
"""Between two rounds: a screen shows no more pictures, and most of what comes together comes within it. After as long a
silence the first word goes out at once."""
BAR_S: Final = 0.1
"""Between two messages about one bar; a step that ends tells of itself."""
TEXT_S: Final = 0.1
"""Between two messages with what one console has said."""
MOST_TEXT: Final = 20_000
"""Characters of such a message: more than a line brings in a second; a virtual board says more than anybody reads."""
QUARTERS: Final = 4
"""How often a screen reader is told of a long step."""
MEANS: Final[Mapping[str, Sequence[str]]] = {
    "boards": ("order", "card", "device"),
    "work": ("card", "now", "work", "ended", "say"),
    "said": ("text",),
    "console": ("console", "whole text"),
}
"""What is told where something has changed; of whatever is not listed, the part of that name."""
_Message = Mapping[str, object]


class Teller:
    """Tells all browsers what has changed."""

    def __init__(self, hub: Hub, renderer: Renderer, boards: Callable[[], list[BoardOnPage]]) -> None:
        self._hub = hub
        self._renderer = renderer
        self._boards = boards
        self._marked = dict[tuple["BoardOnPage", str], None]()
        self._guard = threading.Condition()
        self._thread: threading.Thread | None = None
        self._bars: dict[str, float] = {}
        self._said: dict[str, tuple[str, int]] = {}
        self._heard: dict[str, int] = {}
        self._texts: dict[str, float] = {}
        self._later = set[tuple["BoardOnPage", str]]()
        self._kinds: dict[str, Callable[[BoardOnPage], _Message | None]] = {
            "order": lambda _board: self._order(),
            "ended": lambda board: self._order() if board.log is not None and board.log.ended else None,
            "choice": _choice,
            "bar": self._bar,
            "say": self._say,
            "text": self._text,
            "whole text": self._whole_text,
            "fetched": lambda board: {"kind": "fetched", "board": board.slug, "names": list(board.fetched)},
            "sent": lambda board: {"kind": "sent", "board": board.slug, "digests": board.sent},
        }

    def mark(self, board: BoardOnPage, part: str) -> None:
        """Something of a board has changed; called by any thread."""
        if not self._hub.watched:
            return
        with self._guard:
            for one in MEANS.get(part, (part,)):
                self._marked[board, one] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="teller", daemon=True)
                self._thread.start()
            self._guard.notify()

    def snapshot(self) -> Iterator[_Message]:
        """All that changes by itself, as it is now: whoever has missed something is told it so."""
        yield self._order()
        for board in self._boards():
            for part in PARTS:
                yield self._part(board, part)
            yield _choice(board)
            yield _text(board, 0)

    def _go(self) -> None:
        last = 0.0
        while True:
            with self._guard:
                while not self._marked:
                    self._guard.wait()
            time.sleep(max(0.0, last + PAUSE_S - time.monotonic()))
            with self._guard:
                marked, self._marked = self._marked, {}
            last = time.monotonic()
            try:
                self._tell(marked)
            except Exception:  # noqa: BLE001  a defect in one template shall not leave the page without news
                traceback.print_exc(file=sys.stderr)
            with self._guard:
                self._marked |= dict.fromkeys(self._later)
                self._later.clear()

    def _tell(self, marked: Iterable[tuple[BoardOnPage, str]]) -> None:
        messages = [
            self._kinds[part](board) if part in self._kinds else self._part(board, part) for board, part in marked
        ]
        self._hub.tell([message for message in messages if message is not None])

    # --- the messages ------------------------------------------------------------------------------------------------

    def _order(self) -> _Message:
        boards = [[board.slug, visible(board.name), board.likely] for board in self._boards()]
        return {"kind": "boards", "order": boards}

    def _part(self, board: BoardOnPage, part: str) -> _Message:
        return {"kind": "part", "board": board.slug, "part": part, "html": self._renderer.part(part, board)}

    def _text(self, board: BoardOnPage) -> _Message | None:
        now = time.monotonic()
        if now - self._texts.get(board.slug, 0.0) < TEXT_S:
            self._later.add((board, "text"))
            return None
        self._texts[board.slug] = now
        message = _text(board, self._heard.get(board.slug, 0))
        self._heard[board.slug] = message["to"]
        if not message["all"] and len(message["text"]) > MOST_TEXT:
            message["text"] = message["text"][-MOST_TEXT:]
            message["from"] = message["to"] - MOST_TEXT
        return message

    def _whole_text(self, board: BoardOnPage) -> _Message | None:
        self._heard[board.slug] = 0
        return self._text(board)

    def _bar(self, board: BoardOnPage) -> _Message | None:
        bar = board.log.progress_facts() if board.log is not None else None
        now = time.monotonic()
        if bar is None or (now - self._bars.get(board.slug, 0.0) < BAR_S and bar["done"] < bar["total"]):
            return None
        self._bars[board.slug] = now
        quarter = QUARTERS * bar["done"] // bar["total"]
        known = self._said.get(board.slug)
        if bar["unit"] == "B" and known is not None and known[0] == bar["step"] and quarter > known[1]:
            bar["say"] = f"{board.shown_port}: {bar['step']} {100 * quarter // QUARTERS} %"
        self._said[board.slug] = (bar["step"], quarter)
        return {"kind": "bar", "board": board.slug, **bar}

    def _say(self, board: BoardOnPage) -> _Message | None:
        """What a screen reader is told: a question, a request, the end; steps by their names."""
        log = board.log
        if log is None:
            return None
        text = log.question or log.request
        if log.ended:
            text = f"{log.label}: {log.told or 'done'}"
        elif not text:
            text = f"{log.label}: {log.step}" if log.step else ""
        said, loud = f"{board.slug} says", bool(log.question)
        if not text or self._said.get(said) == (text, loud):
            return None
        self._said[said] = (text, loud)
        return {"kind": "say", "board": board.slug, "text": text, "loud": loud}


def _choice(board: BoardOnPage) -> _Message:
    given = dict(board.choice.more)
    fields = {"profile": board.choice.profile, **{name: given.get(name, "") for name in MORE}}
    return {"kind": "choice", "board": board.slug, "fields": fields}


def _text(board: BoardOnPage, heard: int) -> dict[str, Any]:
    """What the console shows more than the `heard` characters; all that is kept of it, where `heard` is 0."""
    begins, ends, text = board.console.since(heard)
    return {"kind": "text", "board": board.slug, "from": begins, "to": ends, "text": text, "all": not heard}
