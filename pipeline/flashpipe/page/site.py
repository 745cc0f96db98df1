"""What the page is made of: the boards, what was dropped, who looks, and how changes reach them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashpipe.page.board import BoardOnPage
from flashpipe.page.boards import Boards
from flashpipe.page.choice import MORE, Choice, Folders
from flashpipe.page.hub import Hub
from flashpipe.page.render import PARTS, Renderer
from flashpipe.page.uploads import Uploads
from flashpipe.profile.search import profile_names, shipped_folder
from flashpipe.terminal import visible

BAR_S: Final = 0.1
"""Between two messages about one bar; a step that ends tells of itself."""
QUARTERS: Final = 4
"""How often a screen reader is told of a long step."""


class Site:
    """One running page."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.hub = Hub()
        self.renderer = Renderer()
        self.uploads = Uploads()
        self.boards = Boards(folders, self._tell)
        self._bars: dict[str, float] = {}
        self._said: dict[str, tuple[str, int]] = {}

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folders[0]

    def profiles(self) -> list[str]:
        """Names of the profiles that can be chosen."""
        return profile_names(self.project)

    def kinds(self) -> list[str]:
        """Kinds of virtual boards: each shipped profile has one."""
        return sorted(path.stem for path in shipped_folder().glob("*.yaml"))

    def choose(self, board: BoardOnPage, choice: Choice) -> None:
        """Choose something else for a board; files that were dropped for what was chosen before go, unless needed."""
        before, board.choice = board.choice.folder, choice
        board.changed("choice")
        others = {one.choice.folder for one in self.boards.all()}
        if before is not None and before not in others and not board.busy:
            self.uploads.forget(before)

    # --- what browsers are told --------------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[dict[str, object]]:
        """All that changes by itself, as it is now: whoever has missed something is told it so."""
        yield self._order()
        for board in self.boards.all():
            for part in PARTS:
                yield self._part(board, part)
            yield self._choice(board)
            yield {"kind": "text", "board": board.slug, "text": board.console.text, "all": True}

    def _order(self) -> dict[str, object]:
        return {
            "kind": "boards",
            "order": [[board.slug, visible(board.shown_port), board.likely] for board in self.boards.all()],
        }

    def _choice(self, board: BoardOnPage) -> dict[str, object]:
        given = dict(board.choice.more)
        fields = {"profile": board.choice.profile, **{name: given.get(name, "") for name in MORE}}
        return {"kind": "choice", "board": board.slug, "fields": fields}

    def _tell(self, board: BoardOnPage, part: str, text: str) -> None:
        """Pass a change of a board on; called by any thread."""
        if not self.hub.watched:
            return
        if part == "said":
            self.hub.tell({"kind": "text", "board": board.slug, "text": text})
        elif part == "choice":
            self.hub.tell(self._choice(board))
        elif part == "bar":
            self._tell_bar(board)
        elif part == "boards":
            self.hub.tell(self._order())
            self._tell_parts(board, ("card", "device"))
        elif part == "fetched":
            self.hub.tell({"kind": "fetched", "board": board.slug, "names": list(board.fetched)})
        elif part == "work":
            self._tell_parts(board, ("card", "now", "work"))
            if board.log is not None and board.log.ended:
                self.hub.tell(self._order())
            self._say(board)
        elif part == "console":
            self._tell_parts(board, (part,))
            self.hub.tell({"kind": "text", "board": board.slug, "text": board.console.text, "all": True})
        else:
            self._tell_parts(board, (part,))

    def _tell_parts(self, board: BoardOnPage, parts: tuple[str, ...]) -> None:
        with board.telling:  # whoever tells last has looked last
            for part in parts:
                self.hub.tell(self._part(board, part))

    def _part(self, board: BoardOnPage, part: str) -> dict[str, object]:
        return {"kind": "part", "board": board.slug, "part": part, "html": self.renderer.part(part, board)}

    def _tell_bar(self, board: BoardOnPage) -> None:
        bar = board.log.progress_facts() if board.log is not None else None
        now = time.monotonic()
        if bar is None or (now - self._bars.get(board.slug, 0.0) < BAR_S and bar["done"] < bar["total"]):
            return
        self._bars[board.slug] = now
        quarter = QUARTERS * bar["done"] // bar["total"]
        known = self._said.get(board.slug)
        if bar["unit"] == "B" and known is not None and known[0] == bar["step"] and quarter > known[1]:
            bar["say"] = f"{board.shown_port}: {bar['step']} {100 * quarter // QUARTERS} %"
        self._said[board.slug] = (bar["step"], quarter)
        self.hub.tell({"kind": "bar", "board": board.slug, **bar})

    def _say(self, board: BoardOnPage) -> None:
        """Tell a screen reader what has come: a question, a request, the end; steps by their names."""
        log = board.log
        if log is None:
            return
        text = log.question or log.request
        if log.ended:
            text = f"{log.label}: {log.told or 'done'}"
        elif not text:
            text = f"{log.label}: {log.step}" if log.step else ""
        said, loud = f"{board.slug} says", bool(log.question)
        if text and self._said.get(said) != (text, loud):
            self._said[said] = (text, loud)
            self.hub.tell({"kind": "say", "board": board.slug, "text": text, "loud": loud})
