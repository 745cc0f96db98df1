"""One open session per port for the whole run, and what happens when somebody asks to stop.

doit's workers are daemon threads, so no safety rests on a `finally` in an action: the signal handler raises a flag,
waits a bounded time for the workers to leave their board in a known state, closes the ports and ends the process.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.board.session import Session

JOIN_S: Final = 6.0
"""Longest wait for workers after a stop: one command's time-out and some."""

_sessions: dict[str, Session] = {}
_guard = threading.Lock()
_busy: dict[int, str] = {}
"""Threads inside an action on a board, and its port."""
stop: Final = threading.Event()
gentle = threading.Event()
"""Set while a task ends by itself, and well, when asked to stop (the monitor)."""
_installed = False


def session(port: str, make: Callable[[], Session]) -> Session:
    """The session of a port; made at first use."""
    install_handlers()
    with _guard:
        if port not in _sessions:
            _sessions[port] = make()
        return _sessions[port]


def close(port: str) -> None:
    """Close the session of a port, if any."""
    with _guard:
        found = _sessions.pop(port, None)
    if found is not None:
        found.close()


def close_all() -> None:
    """Close every session."""
    for port in list(_sessions):
        close(port)


class Working:
    """Context of an action on a board: the stop handler waits for those inside."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __enter__(self) -> None:
        _busy[threading.get_ident()] = self._port

    def __exit__(self, *_: object) -> None:
        _busy.pop(threading.get_ident(), None)


def install_handlers() -> None:
    """SIGINT and SIGTERM: stop flag, bounded wait, one line, status 130 or 143. Also under plain doit."""
    global _installed  # noqa: PLW0603  signal handlers are process-wide, so is this
    if _installed or threading.current_thread() is not threading.main_thread():
        return
    _installed = True
    signal.signal(signal.SIGINT, _on_signal)
    signal.signal(signal.SIGTERM, _on_signal)
    atexit.register(close_all)


def _on_signal(number: int, _frame: Any) -> None:
    if gentle.is_set() and not stop.is_set():
        stop.set()
        return
    again = stop.is_set()
    stop.set()
    if not again and threading.get_ident() not in _busy:  # else the worker is this very thread, underneath us
        deadline = time.monotonic() + JOIN_S
        while _busy and time.monotonic() < deadline:
            time.sleep(0.02)
    ports = ", ".join(sorted(set(_busy.values()) | set(_sessions)))
    sys.stdout.flush()
    sys.stderr.write(f"\nstopped{' at ' + ports if ports else ''}: {_state()}\n")
    sys.stderr.flush()
    close_all()
    # doit would go on to dispatch tasks, or print forty lines: its threads are daemons and end with the process.
    os._exit(128 + number)


def _state() -> str:
    states = [state for found in list(_sessions.values()) if (state := _named(found))]
    return "; ".join(states) or "nothing was being written"


def _named(found: Session) -> str:
    from pipeline import journal  # noqa: PLC0415  only needed here

    if found.device is None or journal.read(found.device.mac).state != "writing":
        return ""
    return f"board {found.device.mac} holds an incomplete image; run the same command again, it continues"
