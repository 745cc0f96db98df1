"""A page that is served in this process."""

from __future__ import annotations

import threading
from pathlib import Path

from flashpipe.page.board import BoardOnPage
from flashpipe.page.choice import Choice
from flashpipe.page.server import listen, make_server
from flashpipe.page.site import Site
from playwright.sync_api import FilePayload

TOKEN = "token-of-the-tests"
END_S = 60.0
"""Longer than a worker takes to leave its board, on a machine that is busy with other tests."""


class Served:
    """The page of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site((folder, folder))
        self._socket = listen(0)
        self._server = make_server(self.site, TOKEN)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    @property
    def start_url(self) -> str:
        """What is printed when it starts."""
        return f"{self.url}/start/{TOKEN}"

    def add(self, port: str, profile: str = "", image: Path | None = None, **more: str) -> BoardOnPage:
        """A board, and what is chosen for it."""
        board = self.site.boards.add(port)
        board.choice = Choice(
            profile, image.name if image else "", image.parent if image else None, tuple(more.items())
        )
        return board

    def address(self, board: BoardOnPage) -> str:
        """Of the page of a board."""
        return f"{self.url}/boards/{board.slug}"

    def end(self) -> None:
        """Leave boards and browsers."""
        boards = [board for board in self.site.boards.all() if board._thread is not None]
        for board in boards:
            board.console.end()
            board.stop()
        wait_until(lambda: not any(board.busy or board.console.open for board in boards))
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(END_S)
        self.site.uploads.clear()
        self._socket.close()


def payload(name: str, data: bytes) -> FilePayload:
    """A file as somebody drops it onto the page."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def wait_until(what: object, limit_s: float = END_S) -> None:
    """Wait for something that another thread does."""
    assert callable(what)
    pause = threading.Event()
    for _ in range(int(limit_s / 0.01)):
        if what():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come")
