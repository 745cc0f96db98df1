"""A limit for the time until a server has said what it sends.

The timeouts of requests are for one piece of data each: a server that sends one byte a second of its headers, or
`100 Continue` for ever, keeps them satisfied. Here a clock runs from the question to the end of the headers, and then
the connection is cut.
"""

from __future__ import annotations

import http.client
import socket
import threading
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
        """Whether the clock has cut a connection."""

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

    def begin(self) -> None:
        """Read status line and headers."""
        clock = threading.Timer(self._watcher.headers_s, self._cut)
        clock.daemon = True
        clock.start()
        try:
            super().begin()
        finally:
            clock.cancel()

    def _cut(self) -> None:
        self._watcher.expired = True
        with suppress(OSError):  # it is gone already
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # below any encryption, which is in use elsewhere
