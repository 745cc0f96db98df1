"""Memory that flashes have used, given back to the system.

The C library of Linux keeps what was freed, in an arena for each of a few threads: after sixteen flashes at once that
is 40 MB of which nothing is in use. Other systems' need no asking.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

ARENAS: Final = 2
"""Whoever holds Python's lock allocates; more arenas than that hold memory and save no time."""
SOON_S: Final = 1.0
"""After the end of all work: somebody may click again at once."""
_M_ARENA_MAX: Final = -8
"""`man 3 mallopt`."""
_guard: Final = threading.Lock()
_works = 0
"""Pieces of work that are under way, on all boards."""


@lru_cache(maxsize=1)
def _library() -> Any:
    import ctypes  # noqa: PLC0415  6 ms, which the first page does not wait for

    return ctypes.CDLL(None)


def limit_arenas() -> None:
    """Let threads share what they allocate from; called before there are many."""
    with suppress(AttributeError, ImportError, OSError, TypeError):  # another system, or another C library
        _library().mallopt(_M_ARENA_MAX, ARENAS)


@contextmanager
def at_work() -> Iterator[None]:
    """Something is done on a board; a moment after the last of them, what they have used is given back."""
    _count(1)
    try:
        yield
    finally:
        if not _count(-1):
            timer = threading.Timer(SOON_S, _give_back)
            timer.daemon = True
            timer.start()


def _count(more: int) -> int:
    global _works  # noqa: PLW0603  the memory is that of the whole process
    with _guard:
        _works += more
        return _works


def _give_back() -> None:
    if _count(0):  # it would hold them up for a tenth of a second; their end comes
        return
    gc.collect()  # a run and its board know each other
    with suppress(AttributeError, ImportError, OSError, TypeError):
        _library().malloc_trim(0)
