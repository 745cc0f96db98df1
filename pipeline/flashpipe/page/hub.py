"""What is told to every browser that looks: one stream of server-sent events for all boards.

Workers tell from their threads, each browser reads from the server's event loop. A browser that cannot follow is cut
off: it connects again by itself, and is then told all that is to be seen anew.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

LARGEST: Final = 0x1000000
"""Characters that wait for one browser, before it is cut off."""
KEEP_ALIVE_S: Final = 15.0
"""Without a word for that long, a browser or a tunnel may think that nobody is there."""


class Subscriber:
    """One open page."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._guard = threading.Lock()
        self._waiting = list[str]()
        self._size = 0

    def tell(self, text: str) -> None:
        """Hand messages over; from any thread. The event loop is woken once for all that it has not taken yet."""
        with self._guard:
            first = not self._waiting
            self._waiting.append(text)
            self._size += len(text)
        if first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._more.set)

    def _taken(self) -> str:
        with self._guard:
            text, self._size = "".join(self._waiting), 0
            self._waiting.clear()
            self._more.clear()
        return text

    async def messages(self) -> AsyncIterator[str]:
        """The messages as an event stream, until the browser goes or cannot follow.

        What waits goes out in one piece: a connection that is lost is noticed between two pieces.
        """
        while self._size <= LARGEST:
            try:
                await asyncio.wait_for(self._more.wait(), KEEP_ALIVE_S)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            yield self._taken()


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

    def tell(self, messages: Iterable[Mapping[str, object]]) -> None:
        """Tell all of them; from any thread."""
        with self._guard:
            subscribers = list(self._subscribers)
        text = encoded(messages) if subscribers else ""
        if text:
            for subscriber in subscribers:
                subscriber.tell(text)


def encoded(messages: Iterable[Mapping[str, object]]) -> str:
    """Messages as an event stream has them, each in one line."""
    return "".join(f"data: {json.dumps(message, ensure_ascii=True, separators=(',', ':'))}\n\n" for message in messages)
