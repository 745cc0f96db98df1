"""Downloads as events: that the network is used, for what, and how far it is."""

from __future__ import annotations

import time

from flashpipe.events import Listener, Message, Progress, StepFinished, StepStarted


class DownloadProgress:
    """A listener of downloads (`flashpipe.sources.fetch.Access.progress`)."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._since: dict[str, float] = {}

    def __call__(self, source: str, done: int, total: int) -> None:
        """`done` of `total` bytes (0: not known) of a source have come."""
        if source not in self._since:
            self._since[source] = time.monotonic()
            self._listener(StepStarted("", "fetch", source) if total else Message("", f"fetch    {source}"))
        if total:
            self._listener(Progress("", "fetch", done, total))
        if total and done >= total:
            seconds = time.monotonic() - self._since[source]
            self._listener(StepFinished("", "fetch", seconds, f"{source}  {total:,} B"))
