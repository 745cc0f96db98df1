"""A lock between processes that is a file: the system takes it from whoever dies."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from flashpipe.errors import FetchBusyError, RecordError
from flashpipe.files import make_parents, next_step, private_opener

_POLL_S: Final = 0.05
_NAMES: Final = 4
"""Names that are tried where a folder, a pipe or a link stands in the place of a lock."""


@contextmanager
def exclusive(path: Path, what: str, wait_s: float, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Keep other processes and threads out while the body runs; gives whether somebody had to be waited for.

    The file stays: to remove it would let two processes lock two files of one name.

    Raises:
        FetchBusyError: somebody else has had it for `wait_s` seconds.
        RecordError: the file cannot be made.
    """
    with open_lock(path) as stream:
        waited = _wait(stream, what, wait_s, on_wait)
        try:
            yield waited
        finally:
            unlock(stream)


def _wait(stream: IO[bytes], what: str, wait_s: float, on_wait: Callable[[], None] | None) -> bool:
    deadline = time.monotonic() + wait_s
    waited = False
    while not try_lock(stream):
        if time.monotonic() >= deadline:
            raise FetchBusyError(
                f"{what}: another flashpipe has been at it for more than {wait_s:g} s", "wait for it, or stop it"
            )
        if not waited and on_wait is not None:
            on_wait()
        waited = True
        time.sleep(_POLL_S)
    return waited


def open_lock(path: Path) -> IO[bytes]:
    """A file to lock, made where it is missing.

    Raises:
        RecordError: it cannot be made.
    """
    try:
        make_parents(path)
        return open(_regular(path), "a+b", opener=private_opener)
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened: {error.strerror}", next_step(path)) from error


def _regular(path: Path) -> Path:
    """The name, or the first one behind it that nothing else than a file has: all processes come to the same one."""
    for number in range(_NAMES):
        other = path.with_name(f"{path.name}.{number}") if number else path
        try:
            if stat.S_ISREG(other.lstat().st_mode):
                return other
        except FileNotFoundError:
            return other
    return path


if sys.platform == "win32":
    import msvcrt

    def try_lock(stream: IO[bytes], at: int = 0) -> bool:
        """Whether the open file could be locked for this process; `at`: the byte that stands for it on Windows.

        The system lets go of the lock when the file is closed or its process dies.
        """
        try:
            stream.seek(at)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(stream: IO[bytes], at: int = 0) -> None:
        """Let go of what `try_lock` took; Windows refuses to close a locked file cleanly."""
        with suppress(OSError):
            stream.seek(at)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)

else:
    with suppress(ImportError):  # a test takes away what only POSIX has, and plans all the same
        import fcntl

    def try_lock(stream: IO[bytes], at: int = 0) -> bool:  # noqa: ARG001  one signature on all systems
        """Whether the open file could be locked for this process; `at`: the byte that stands for it on Windows.

        The system lets go of the lock when the file is closed or its process dies.
        """
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def unlock(stream: IO[bytes], at: int = 0) -> None:  # noqa: ARG001  one signature on all systems
        """Let go of what `try_lock` took."""
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_UN)
