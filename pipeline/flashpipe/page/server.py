"""The server of the page: one for each user, on this machine only, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn

from flashpipe.errors import NoPageError, PageRunningError
from flashpipe.files import read_json, state_folder, write_atomic
from flashpipe.jobs import audience
from flashpipe.locks import open_lock, try_lock
from flashpipe.page.app import make_app
from flashpipe.page.guard import START
from flashpipe.page.site import Site

LOOPBACK: Final = "127.0.0.1"
SWITCH_S: Final = 0.0005
"""How soon one thread lets another go on. With Python's 5 ms, whoever looks at the page waits twice as long for the
slowest event while sixteen boards are flashed, 0.1 s; this costs 5 % more CPU time (tests/bench/bench_page.py)."""
LARGEST_HEADER: Final = 64 * 1024


class Server(uvicorn.Server):
    """uvicorn's, which leaves signals to whoever takes care of the boards (`jobs.sessions`)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def listen(port: int) -> socket.socket:
    """A socket on this machine's loopback; 0: any port that is free.

    Raises:
        NoPageError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # a page that was just ended may start again; on Windows it would mean something else
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise NoPageError(
            f"--listen {LOOPBACK}:{port}: {error.strerror}", "leave --listen out, and a free port is taken"
        ) from None
    return listener


def make_server(site: Site, token: str, once: str = "") -> Server:
    """The server, not yet running; `token` and `once` as in `make_app`."""
    config = uvicorn.Config(
        make_app(site, token, once),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=LARGEST_HEADER,
        limit_concurrency=200,
        timeout_graceful_shutdown=1,
    )
    sys.setswitchinterval(SWITCH_S)
    return Server(config)


@contextlib.contextmanager
def only_one(url: str) -> Iterator[None]:
    """While the body runs, this is the user's only page; where it is, is noted for others.

    Raises:
        PageRunningError: there is one, and where.
    """
    lock, record = state_folder() / "page.lock", state_folder() / "page.json"
    with open_lock(lock) as stream:
        if not try_lock(stream):
            raise PageRunningError(
                f"a page is running already: {_noted(record)}", "use that one, or end it with Ctrl-C"
            )
        write_atomic(record, f'{{"pid": {os.getpid()}, "url": "{url}"}}\n'.encode())
        audience.closers.append(lambda _status: record.unlink(missing_ok=True))  # Ctrl-C runs no `finally`
        yield


def _noted(record: Path) -> str:
    try:
        return str(read_json(record)["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said where yet"


def run(site: Site, server_socket: socket.socket, ready: Callable[[str, str], None]) -> None:
    """Serve until the process is ended; `ready` takes the address to print, and one to open that is good for one time.

    Whoever is on this machine can read the command line of a browser that is started: what stood there is used up.

    Raises:
        PageRunningError: there is a page already.
    """
    token, once = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    start = f"http://{LOOPBACK}:{server_socket.getsockname()[1]}{START}"
    with contextlib.closing(server_socket), only_one(start + token):
        server = make_server(site, token, once)
        threading.Thread(
            target=_when_started, args=(server, lambda: ready(start + token, start + once)), daemon=True
        ).start()
        site.uploads.clear()  # what a page has left here that was killed
        audience.closers.append(lambda _status: site.uploads.clear())
        site.boards.watch()
        server.run(sockets=[server_socket])


def _when_started(server: Any, ready: Callable[[], None]) -> None:
    while not server.started and not server.should_exit:
        threading.Event().wait(0.005)
    ready()
