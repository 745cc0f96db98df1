"""A lock between processes that is a file: whoever dies with it lets go of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from flashpipe import files
from flashpipe.errors import FetchBusyError

_POLL_S: Final = 0.05


@contextmanager
def exclusive(path: Path, what: str, wait_s: float, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Keep other processes and threads out while the body runs; gives whether somebody had to be waited for.

    The file stays: to remove it would let two processes lock two files of one name.

    Raises:
        FetchBusyError: somebody else has had it for `wait_s` seconds.
        RecordError: the file cannot be made.
    """
    with files.open_lock(path) as stream:
        waited = _wait(stream, what, wait_s, on_wait)
        try:
            yield waited
        finally:
            files.unlock(stream)


def _wait(stream: IO[bytes], what: str, wait_s: float, on_wait: Callable[[], None] | None) -> bool:
    deadline = time.monotonic() + wait_s
    waited = False
    while not files.try_lock(stream):
        if time.monotonic() >= deadline:
            raise FetchBusyError(
                f"{what}: another flashpipe has been at it for more than {wait_s:g} s", "wait for it, or stop it"
            )
        if not waited and on_wait is not None:
            on_wait()
        waited = True
        time.sleep(_POLL_S)
    return waited
