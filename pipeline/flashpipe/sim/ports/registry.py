"""The boards of this process: which are open, which are kept, and which ports are not there any more."""

from __future__ import annotations

import errno
import threading
from typing import Final

from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import Setup, parse_url

_lock = threading.Lock()
_open: dict[tuple[str, str, str], HostLine] = {}
_gone_ports: dict[str, str] = {}
"""URLs whose port vanished in use, and how: such a port is not there again, or somebody else's."""
_kept: dict[tuple[str, str, str], HostLine] = {}
"""Boards that outlive their port object: those with `board=ID` or a flash file."""
_FAULTS_AFTER: Final = {"unplug": "absent", "stolen": "busy"}
_REFUSALS: Final = {
    "absent": (errno.ENOENT, "No such file or directory"),
    "busy": (errno.EBUSY, "Device or resource busy"),
    "denied": (errno.EACCES, "Permission denied"),
}


def boards() -> dict[str, HostLine]:
    """The boards with `board=ID` that this process keeps, by ID: tests look at their cells."""
    with _lock:
        return {identity[0]: line for identity, line in _kept.items()}


def forget_boards() -> None:
    """Throw away the kept boards."""
    with _lock:
        for line in _kept.values():
            line.close()
        _kept.clear()
        _gone_ports.clear()


def close_all() -> None:
    """Write out and release what the boards of this process have open."""
    with _lock:
        lines = [*_open.values(), *_kept.values()]
    for line in lines:
        line.close()


class Seat:
    """What one port object has: a board of its own from one opening to the next, or one that is kept for all."""

    def __init__(self) -> None:
        self.setup: Setup | None = None
        self._line: HostLine | None = None
        self._url = ""
        self._is_open = False

    @property
    def about(self) -> dict[str, str]:
        """What a port tells of its board: `usb`, `VID:PID` of its bridge; `forgets`, not empty if no file keeps it."""
        if self.setup is None:
            return {}
        return {"usb": self.setup.usb, "forgets": "" if self.setup.spec.flash else "yes"}

    def open(self, url: str) -> HostLine:
        """The board behind the URL; it can be open once.

        Raises:
            BadValueError: the URL names an unknown board or option, or a flash file that cannot be used.
            OSError: it is open already, or has a fault of ports; in the words of Linux.
        """
        setup = parse_url(url)
        _refuse(url, setup)
        with _lock:
            if setup.identity in _open:
                raise OSError(errno.EBUSY, f"Could not exclusively lock port {url}: [Errno 16] Device or resource busy")
            line = self._take(setup)
            _open[setup.identity] = line
        self._line, self.setup, self._url, self._is_open = line, setup, url, True
        return line

    def _take(self, setup: Setup) -> HostLine:
        keep = bool(setup.shared or setup.spec.flash)
        line = _kept.get(setup.identity) if keep else self._line
        if line is None:
            line = setup.build()
        else:
            line.board.reopen()
        if keep:
            _kept[setup.identity] = line
        return line

    def close(self) -> None:
        """Close the port; the board goes on running, its flash file is written out and released."""
        if self._is_open and self._line is not None and self.setup is not None:
            self._is_open = False  # from now on it may be somebody else's
            self._line.close()
            with _lock:
                _open.pop(self.setup.identity, None)

    def discard(self) -> None:
        """Throw the board away, whoever keeps it: nothing that it does can be trusted any more."""
        self.close()
        if self.setup is not None:
            with _lock:
                _kept.pop(self.setup.identity, None)
        self._line = None

    def lose(self, error: PortGoneError) -> None:
        """Remember that the port has vanished."""
        with _lock:
            _gone_ports[self._url] = error.fault


def _refuse(url: str, setup: Setup) -> None:
    """The errors of an operating system whose port cannot be opened."""
    with _lock:
        lost = _FAULTS_AFTER.get(_gone_ports.get(url, ""))
    names = {lost} if lost else set("+".join(setup.faults).split("+"))
    for name, (number, text) in _REFUSALS.items():
        if name in names:
            raise OSError(number, f"could not open port {url}: [Errno {number}] {text}")
