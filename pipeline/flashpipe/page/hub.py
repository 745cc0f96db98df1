"""What is told to every browser that looks: one stream of server-sent events for all boards.

Workers tell from their threads, each browser reads from the server's event loop. A browser that cannot follow is cut
off: it connects again by itself, and is then told all that is to be seen anew.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Final

LARGEST: Final = 4000
"""Messages that wait for one browser, before it is cut off."""
KEEP_ALIVE_S: Final = 15.0
"""Without a word for that long, a browser or a tunnel may think that nobody is there."""


class Subscriber:
    """One open page."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self.lost = False

    def tell(self, text: str) -> None:
        """Hand a message over; from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str) -> None:
        if self._queue.qsize() >= LARGEST:
            self.lost = True
        else:
            self._queue.put_nowait(text)

    async def messages(self) -> AsyncIterator[str]:
        """The messages as an event stream, until the browser goes or cannot follow."""
        while not self.lost:
            try:
                text = await asyncio.wait_for(self._queue.get(), KEEP_ALIVE_S)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            yield f"data: {text}\n\n"


class Hub:
    """All open pages."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._subscribers = set[Subscriber]()

    def join(self) -> Subscriber:
        """Another page looks; inside the server's event loop."""
        subscriber = Subscriber()
        with self._guard:
            self._subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """It looks no more."""
        with self._guard:
            self._subscribers.discard(subscriber)

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self._subscribers)

    def tell(self, message: Mapping[str, object]) -> None:
        """Tell all of them; from any thread."""
        with self._guard:
            subscribers = list(self._subscribers)
        if subscribers:
            text = encoded(message)
            for subscriber in subscribers:
                subscriber.tell(text)


def encoded(message: Mapping[str, object]) -> str:
    """A message in one line, as an event stream needs it."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":"))
