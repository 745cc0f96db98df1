"""What the page is made of: the boards, what was dropped, who looks, and how changes reach them."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse, Response

from flashpipe.page import memory
from flashpipe.page.board import BoardOnPage
from flashpipe.page.boards import Boards, virtual_kinds
from flashpipe.page.choice import Choice, Folders
from flashpipe.page.hub import Hub
from flashpipe.page.render import Renderer
from flashpipe.page.station import StationWatch
from flashpipe.page.teller import Teller
from flashpipe.page.uploads import Uploads
from flashpipe.profile.search import profile_names
from flashpipe.records.project_folder import records_folder

NEEDED: Final = ("page.firmware", "jobs.board_job", "jobs.build", "flasher.first_boot", "flasher.explain_failure")
"""What a flash loads, 14 MB in all; the first page does not wait for it."""

NO_BOARD: Final = "That board is not on the page."


def _load() -> None:
    memory.limit_arenas()
    for name in NEEDED:
        import_module(f"flashpipe.{name}")


class Site:
    """One running page."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.hub = Hub()
        self.renderer = Renderer()
        self.uploads = Uploads()
        self._warm = False
        self.teller = Teller(self.hub, self.renderer, self._all)
        self.station_watch = StationWatch(records_folder(folders[0], caller=folders[1]), self.hub, self.renderer)
        self.boards = Boards(folders, self.teller.mark)

    def _all(self) -> list[BoardOnPage]:
        return self.boards.all()

    def warm_up(self) -> None:
        """Load what the first click needs, while somebody looks: sixteen boards would wait for it at once."""
        if not self._warm:
            self._warm = True
            threading.Thread(target=_load, name="warm up", daemon=True).start()

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.folders[0]

    def profiles(self) -> list[str]:
        """Names of the profiles that can be chosen."""
        return profile_names(self.project)

    def kinds(self) -> list[str]:
        """Kinds of virtual boards."""
        return virtual_kinds()

    def missing(self, what: str, back: tuple[str, str] = ("/", "To the boards")) -> Response:
        """The page that stands where nothing is: what is missing, in a sentence, and the way back."""
        return HTMLResponse(self.renderer.page("missing", site=self, what=what, back=back), 404)

    def choose(self, board: BoardOnPage, choice: Choice) -> None:
        """Choose something else for a board; files that were dropped for what was chosen before go, unless needed."""
        before, board.choice = board.choice.folder, choice
        board.changed("choice")
        others = {one.choice.folder for one in self.boards.all()}
        if before is not None and before not in others and not board.busy:
            self.uploads.forget(before)
