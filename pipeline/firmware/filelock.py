"""A lock between processes that is a file: whoever dies with it lets go of it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pipeline.errors import FetchBusyError, RecordError

_POLL_S: Final = 0.05


@contextmanager
def exclusive(path: Path, what: str, wait_s: float, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Keep other processes and threads out while the body runs; gives whether somebody had to be waited for.

    The file stays: to remove it would let two processes lock two files of one name.

    Raises:
        FetchBusyError: somebody else has had it for `wait_s` seconds.
        RecordError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened: {error.strerror}", "mend the rights of the folder") from error
    with stream:
        waited = _wait(stream, what, wait_s, on_wait)
        try:
            yield waited
        finally:
            _unlock(stream)


def _wait(stream: IO[bytes], what: str, wait_s: float, on_wait: Callable[[], None] | None) -> bool:
    deadline = time.monotonic() + wait_s
    waited = False
    while not _try_lock(stream):
        if time.monotonic() >= deadline:
            raise FetchBusyError(
                f"{what}: another flashpipe has been at it for more than {wait_s:g} s", "wait for it, or stop it"
            )
        if not waited and on_wait is not None:
            on_wait()
        waited = True
        time.sleep(_POLL_S)
    return waited


if sys.platform == "win32":

    def _try_lock(stream: IO[bytes]) -> bool:
        import msvcrt  # noqa: PLC0415

        try:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(stream: IO[bytes]) -> None:
        import msvcrt  # noqa: PLC0415

        with contextlib.suppress(OSError):
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(stream: IO[bytes]) -> bool:
        import fcntl  # noqa: PLC0415

        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(stream: IO[bytes]) -> None:
        import fcntl  # noqa: PLC0415

        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_UN)
