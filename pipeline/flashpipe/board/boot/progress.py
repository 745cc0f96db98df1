"""How long a boot check takes, and why: events for whoever waits for it."""

from __future__ import annotations

import time
from typing import Final

from flashpipe.board.boot.watcher import FORMAT_S, BootWatcher
from flashpipe.events import Listener, Message, Progress

PATIENCE_S: Final = 1.0
"""What takes no longer than this needs no bar."""


class BootProgress:
    """Tells a listener about one boot check."""

    def __init__(self, port: str, listener: Listener, timeout_s: float) -> None:
        self._port = port
        self._listener = listener
        self._timeout_s = timeout_s
        self._started_s = time.monotonic()
        self._formatting_s: float | None = None
        """Since when it is seen to format: people read this, and the watcher may count in another time."""
        self._explained = False

    def show(self, watcher: BootWatcher) -> None:
        """Say where the check stands; a file system that is being formatted has a bar, and a limit, of its own."""
        now = time.monotonic()
        if watcher.formatting_s is None:
            self._formatting_s = None
            if now - self._started_s > PATIENCE_S:
                self._listener(Progress(self._port, "boot", int(now - self._started_s), int(self._timeout_s)))
            return
        if self._formatting_s is None:
            self._formatting_s = now
        if now - self._formatting_s <= PATIENCE_S:
            return
        if not self._explained:
            self._explained = True
            text = "the firmware is formatting its file system, which takes up to a minute: do not reset it"
            self._listener(Message(self._port, text))
        self._listener(Progress(self._port, "format", int(now - self._formatting_s), int(FORMAT_S)))
