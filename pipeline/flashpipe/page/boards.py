"""All boards of the page: the ports of this machine as they come and go, and those that were added by hand."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from flashpipe import terminal
from flashpipe.board.ports import discovery
from flashpipe.board.ports.memory import PortMemory
from flashpipe.board.ports.names import canonical, is_virtual, port_slug
from flashpipe.errors import BadValueError
from flashpipe.limits import limit_reached
from flashpipe.page.board import BoardOnPage, Tell
from flashpipe.page.choice import Folders
from flashpipe.profile.search import shipped_folder

LOOK_S: Final = 1.0
"""Between two looks at the ports of this machine."""
MOST: Final = 64
SIM: Final = "sim://"
DEMO: Final = "demo"
"""The virtual board that keeps its flash in a file, as `flashpipe flash profile=demo` knows it."""


def virtual_kinds() -> list[str]:
    """Kinds of virtual boards: each shipped profile has one."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def _kind(port: str) -> str | None:
    """Of a virtual board; None for other ports."""
    return port[len(SIM) :].partition("?")[0].rstrip("/").lower() if port.lower().startswith(SIM) else None


class Boards:
    """The boards, by a name that may stand in an address."""

    def __init__(self, folders: Folders, tell: Tell) -> None:
        self._folders = folders
        self._tell = tell
        self._boards: dict[str, BoardOnPage] = {}
        self._guard = threading.Lock()
        self._virtual = 0

    def all(self) -> list[BoardOnPage]:
        """All of them: where something failed first, then in the order in which they came."""
        with self._guard:
            boards = list(self._boards.values())
        return sorted(boards, key=lambda board: board.log is None or board.log.outcome != "failed")

    def find(self, slug: str) -> BoardOnPage | None:
        """The board of that name."""
        return self._boards.get(slug)

    def add(self, port: str, about: Mapping[str, object] | None = None) -> BoardOnPage:
        """The board behind a port; it is known from now on.

        Raises:
            BadValueError: that is no name of a port, no board can be as its URL says, or there are too many.
        """
        port = port.strip()
        if not port or not port.isprintable() or len(port) > 1000:  # noqa: PLR2004  no port has such a name
            raise BadValueError("that is no name of a port", "such as /dev/ttyUSB0, COM3 or rfc2217://host:4000")
        if about is None:
            import_module("flashpipe.jobs.port_choice").check_one(port)
        slug = port_slug(canonical(port) if about is None else port)
        with self._guard:
            board = self._boards.get(slug)
            if board is None and len(self._boards) >= MOST:
                raise BadValueError(f"{MOST} boards are on the page already", "remove one first")
            if board is None:
                board = self._boards[slug] = BoardOnPage(self._lasting(port), slug, self._folders, self._tell)
                board.about = about or {"virtual": is_virtual(port)}
                if port == f"sim://{DEMO}":
                    board.choose_demo()
        self._tell(board, "boards")
        return board

    def _lasting(self, port: str) -> str:
        """The port; of a virtual board that would be a new one each time, with a name by which it stays the same."""
        url = urlsplit(port)
        if _kind(port) in {None, DEMO} or {"board", "flash"} & parse_qs(url.query).keys():
            return port
        self._virtual += 1
        own = [] if "mac" in parse_qs(url.query) else [f"mac={_fresh_mac()}"]
        return f"{port}{'&' if '?' in port else '?'}{'&'.join((*own, f'board=page-{self._virtual}'))}"

    def add_virtual(self, kind: str) -> BoardOnPage:
        """A virtual board of a kind; all but the demo's are new, and forget their flash when the page ends.

        Raises:
            BadValueError: that is no name of a kind.
        """
        if kind == DEMO:
            return self.add(f"sim://{DEMO}")
        return self.add(f"sim://{kind}?mac={_fresh_mac()}")

    def remove(self, slug: str) -> None:
        """Take a board off the page that is not at work; a port that is still there comes back with its next look."""
        with self._guard:
            board = self._boards.get(slug)
            if board is None or board.busy:
                raise BadValueError("that board is at work", "stop it first")
            del self._boards[slug]
        board.leave()
        self._tell(board, "boards")

    # --- the ports of this machine -----------------------------------------------------------------------------------

    def watch(self) -> None:
        """Look for ports from now on, in a thread of its own."""
        threading.Thread(target=self._watch, name="ports", daemon=True).start()

    def _watch(self) -> None:
        failed = ""
        while True:
            try:
                self.look()
            except (OSError, RuntimeError) as error:  # too few files or threads: it may be better in a moment
                reached = limit_reached(error)
                if reached is None:
                    raise
                if failed != reached.message:
                    failed = reached.message
                    terminal.note(f"new boards are not seen: {failed}; {reached.hint}")
            time.sleep(LOOK_S)

    def look(self) -> None:
        """Which ports are there now: new ones come, and those that were pulled out are said to be gone."""
        ports = {info.device: info for info in discovery.list_ports()}
        memory = PortMemory()
        for device, info in ports.items():
            board = self._boards.get(port_slug(device))
            if board is None:
                self.add(device, _about(info, memory))
            elif not board.present:
                board.present, board.about = True, _about(info, memory)
                board.device = {}
                self._tell(board, "boards")
        for board in list(self._boards.values()):
            if board.about.get("local") and board.present and board.port not in ports:
                board.present = False
                self._tell(board, "boards")
            elif _is_device(board) and board.present != Path(board.port).exists():
                board.present = not board.present
                self._tell(board, "boards")


def _fresh_mac() -> str:
    """That of no board before: an earlier page's is in records, and its flash is gone."""
    number = secrets.randbelow(1 << 20)
    return f"5c:cf:7f:b{number >> 16:x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def _is_device(board: BoardOnPage) -> bool:
    """Whether a port that was added by its name is a file of the system, which is there or not."""
    return not board.about.get("local") and board.port.startswith("/dev/")


def _about(info: discovery.PortInfo, memory: PortMemory) -> dict[str, object]:
    return {
        "local": True,
        "virtual": is_virtual(info.device),
        "adapter": info.adapter(),
        "usb": info.usb(),
        "location": info.location,
        "description": info.description,
        "seen": memory.describe(info.key()),
    }
