"""The sockets of a station: where boards can be plugged in, and which of them have one now.

USB ports come and go with their boards. A device that is named is there or not. A URL, and a port of a fixture whose
adapter stays plugged in, does not tell: there a key says that the next board lies in it.
"""

from __future__ import annotations

import glob
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Final, Protocol

from flashpipe.board.ports import discovery
from flashpipe.board.ports.choice import PortPattern, fits
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.lab_client import find_client
from flashpipe.board.ports.names import canonical, is_url
from flashpipe.board.ports.places import is_place
from flashpipe.errors import BadValueError
from flashpipe.jobs.port_choice import ONCE, check_virtual, places_meant, port_words
from flashpipe.masking import without_login
from flashpipe.values import dataclass

ALL: Final = frozenset({"", "all", "auto"})
"""What `port=` says for every USB port."""
POLL_S: Final = 0.3
"""How often is looked; also where the system tells of plugging: it tells of no link and no pty, or of nothing."""
_PATTERN: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Socket:
    """A place for a board, with a port in it."""

    place: str
    """Its name: stays the same from board to board."""
    port: str
    """Device or URL."""
    device: tuple[int, int] | None = None
    """Which node of the system the device is now; None where that cannot be told."""

    def is_other(self, later: Socket) -> bool:
        """Whether something else is plugged in there by now, although the place was never seen empty."""
        swapped = None not in {self.device, later.device} and self.device != later.device
        return swapped or self.port != later.port


class SocketSource(Protocol):
    """Where boards come from."""

    @property
    def observable(self) -> bool:
        """Whether any socket tells that a board was plugged in."""

    def tells(self, socket: Socket) -> bool:
        """Whether this one tells that its board was taken out."""

    def present(self) -> dict[str, Socket]:
        """The sockets in which something is plugged now, by place."""


class Sockets:
    """Where the boards of a station come from, by what `port=` says."""

    def __init__(
        self,
        words: Sequence[str],
        scan: Callable[[], Iterable[PortInfo]] = discovery.list_ports,
        match: PortPattern | None = None,
    ) -> None:
        self._every, self._match = not words, match
        self._urls = _places([word for word in words if is_url(word)])
        self._names = [word for word in words if not is_url(word)]
        self._scan = scan

    @property
    def observable(self) -> bool:
        """Whether any of them tells that a board was plugged in."""
        return self._every or bool(self._names)

    def tells(self, socket: Socket) -> bool:
        """Whether this one tells that its board was taken out."""
        return socket.place not in self._urls

    def present(self) -> dict[str, Socket]:
        """The sockets in which something is plugged now, by place."""
        sockets = dict[str, Socket]()
        for place, url in self._urls.items():
            sockets[place] = Socket(place, url)
        scanned = list(self._scan()) if self._every or any(map(_is_scanned, self._names)) else []
        if self._every:
            for info in scanned:
                if info.vid is not None and (self._match is None or fits(info, self._match)):
                    place = info.location or info.device
                    sockets[place] = _socket(place, info.device)
        for name in self._names:
            for device in _devices(name, scanned):
                place = PurePath(device).name or device
                taken = sockets.get(place)
                place = device if taken is not None and taken.port != device else place
                sockets[place] = _socket(place, device)
        return sockets


def _socket(place: str, device: str) -> Socket:
    """A place with the device that is in it; one that was plugged in anew is another node, also under its old name."""
    try:
        status = os.stat(device)  # noqa: PTH116  a name, and on Windows no path
    except (OSError, ValueError):
        return Socket(place, device)
    return Socket(place, device, (status.st_rdev, status.st_ino))


def sockets_of(text: str, match: PortPattern | None = None) -> Sockets:
    """The sockets that `port=` means: `all` USB ports (as where it says nothing), names, patterns, URLs.

    Args:
        text: What it says.
        match: Which USB ports are meant where it names none; None: all.

    Raises:
        BadValueError: a port that is there twice, `all` beside others, or a virtual board that none can be.
        LabError: places of a lab are named, and there is no client for them, or none fits a pattern.
    """
    words = list[str]()
    for word in port_words(text):
        if is_place(word):
            find_client()  # before the first board: later it would fail each of them
        check_virtual(word)  # likewise
        words += places_meant(word) if is_place(word) else [word]
    if not words or (len(words) == 1 and words[0] in ALL):
        return Sockets([], match=match)
    first = dict[str, str]()
    for word in words:
        if word in ALL:
            raise BadValueError(f"port={text}: {word} means every USB port already", "leave out the others")
        known = first.setdefault(word if _is_pattern(word) else canonical(word), word)
        if known is not word:
            same = "" if known == word else f" ({known})"
            raise BadValueError(f"port={text}: {word} is there twice{same}", ONCE)
    return Sockets(words)


def _places(urls: Iterable[str]) -> dict[str, str]:
    """Short names of ports that are URLs, each once."""
    places = dict[str, str]()
    for url in urls:
        scheme, _, rest = without_login(url).partition("://")
        short = re.split(r"[/?#]", rest)[0] or scheme
        number = 2
        place = short
        while place in places:
            place, number = f"{short} {number}", number + 1
        places[place] = url
    return places


def _is_pattern(name: str) -> bool:
    return bool(set(name) & _PATTERN) and not is_url(name)


def _is_scanned(name: str) -> bool:
    """Whether the system has to be asked for it: what it means, or, on Windows, whether it is there."""
    return _is_pattern(name) or name.upper().startswith("COM")


def _devices(name: str, scanned: Iterable[PortInfo]) -> list[str]:
    if not _is_pattern(name):
        there = Path(name).exists() or any(info.device.upper() == name.upper() for info in scanned)
        return [name] if there else []
    matching = {info.device for info in scanned if PurePath(info.device).match(name)}
    return sorted(matching | set(glob.glob(name)))  # noqa: PTH207  links below /dev, and they may be absolute


class Plugging:
    """Wakes whoever waits when something is plugged in or out, as soon as the system says so, if pyudev is there."""

    def __init__(self, wake: threading.Event) -> None:
        self._observer: Any = None
        with suppress(ImportError, OSError):
            self._observer = _observer(wake)

    def close(self) -> None:
        """Look no more."""
        if self._observer is not None:
            self._observer.send_stop()


def _observer(wake: threading.Event) -> Any:
    import pyudev  # noqa: PLC0415  an extra, and only on Linux

    monitor = pyudev.Monitor.from_netlink(pyudev.Context())
    monitor.filter_by("tty")
    observer = pyudev.MonitorObserver(monitor, callback=lambda _device: wake.set(), name="plugging")
    observer.daemon = True
    observer.start()
    return observer
