"""Limits for the time until a server has said what it sends, and for each stretch of what it sends then.

The timeouts of requests are for one piece of data each: a server that sends one byte a second of its headers, of the
lengths between chunks, or `100 Continue` for ever, keeps them satisfied. Here a clock runs from the question to the end
of the headers, and another while a stretch of the body is read; when it is over the connection is cut.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
import requests.adapters


class PatientAdapter(requests.adapters.HTTPAdapter):
    """For one session, which asks one question at a time."""

    def __init__(self, headers_s: float) -> None:
        super().__init__()
        self.headers_s = headers_s
        self.expired = False
        """Whether the clock of the headers has cut a connection."""
        self.stalled = False
        """Whether that of the body has."""
        self.answer: _Answer | None = None
        """That of the last question."""

    def watch(self, seconds: float) -> threading.Timer:
        """Start a clock that cuts the connection of the last question unless it is cancelled before."""
        answer = self.answer
        self.stalled = False

        def cut() -> None:
            self.stalled = True
            if answer is not None:
                answer.cut()

        return _clock(seconds, cut)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """As requests 2.32 and later ask for it."""
        return self._watched(super().get_connection_with_tls_context(*args, **options))

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """As earlier ones do."""
        return self._watched(super().get_connection(*args, **options))

    def _watched(self, pool: Any) -> Any:
        plain: Any = pool.ConnectionCls
        watcher = self
        if not hasattr(plain, "watched"):

            class WatchedConnection(plain):  # type: ignore[misc]  # urllib3 has one for each scheme
                watched = True

                def response_class(self, sock: socket.socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
                    return _Answer(watcher, sock, *args, **options)

            pool.ConnectionCls = WatchedConnection
        return pool


class _Answer(http.client.HTTPResponse):
    """An answer whose beginning has a limit."""

    def __init__(self, watcher: PatientAdapter, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._watcher, self._sock = watcher, sock
        watcher.answer = self

    def begin(self) -> None:
        """Read status line and headers."""
        clock = _clock(self._watcher.headers_s, self._expire)
        try:
            super().begin()
        finally:
            clock.cancel()

    def _expire(self) -> None:
        self._watcher.expired = True
        self.cut()

    def cut(self) -> None:
        """End the connection, whoever reads from it."""
        with suppress(OSError):  # it is gone already
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # below any encryption, which is in use elsewhere


def _clock(seconds: float, over: Callable[[], None]) -> threading.Timer:
    clock = threading.Timer(seconds, over)
    clock.daemon = True
    clock.start()
    return clock
