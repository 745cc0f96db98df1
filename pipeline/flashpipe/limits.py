"""What the system refuses whatever is being done: memory, open files, threads, space, names of any length, folders.

Such an error can come out of any line. It is no defect, and what it came out of says nothing about it: at the edges,
where a failure is told, it becomes a foreseen one that names the limit.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import SystemLimitError
from flashpipe.files import next_step, unsayable

_MEMORY: Final = "there is not enough memory", "raise `ulimit -v`, or end other programs"
_FILES: Final = "too many files are open", "raise `ulimit -n`; a hundred is plenty"
_THREADS: Final = (
    "no more threads or processes can be started",
    "raise `ulimit -u` or `ulimit -v`, or end other programs",
)
_SPACE: Final = "the disk is full", "free disk space"
_BY_NUMBER: Final = {
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: ("the system has no more open files to give", "end other programs"),
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: ("the quota of disk space is used up", "free disk space"),
    errno.EFBIG: ("a file may not become so large", "raise `ulimit -f`"),
    errno.ENAMETOOLONG: ("a name is too long for this system", "give a shorter one"),
}
"""Not EAGAIN: a port that somebody else has locked gives it, too."""
_BY_TEXT: Final = (
    (re.compile("(?i)too many open files"), _FILES),
    (re.compile("(?i)failed to map|cannot allocate|cannot create shared object"), _MEMORY),
    (
        re.compile("could not get source code|unknown encoding: (idna|utf)"),
        (
            "Python cannot read its own files: too few may be open, or there is too little memory",
            "raise `ulimit -n` and `ulimit -v`",
        ),
    ),
    (re.compile("start new thread"), _THREADS),
)
"""What the loader of libraries says, and Python where it cannot read its own files: errors without a number."""
_RAISED: Final = (ImportError, LookupError, MemoryError, OSError, RuntimeError, UnicodeEncodeError)


_ARENAS: Final = "MALLOC_ARENA_MAX"
"""Variable of glibc, for the processes that we start."""
_M_ARENA_MAX: Final = -8
"""The same for this process (glibc 2.36, malloc.h)."""
STACK: Final = 2 * 1024 * 1024
"""Bytes of address space that a thread gets where that is limited, in place of eight million."""


def prepare_for_little_memory() -> None:
    """Be sparing with address space where it is limited, and load now what is needed at the end.

    Each thread of glibc takes 64 or 128 MB of address space for memory of its own: under `ulimit -v 200000` the second
    or third cannot be had, and what then fails, or waits for ever for a thread that has never begun, is anything. One
    for all is enough, and a flash that needed 220 MB needs 90. And a thread that is still there when Python ends is
    ended by glibc, which loads libgcc for that and aborts the process where it cannot: a run that had succeeded would
    end with status 134.
    """
    with suppress(AttributeError, ImportError, OSError, ValueError, RuntimeError):
        import resource  # noqa: PLC0415  Windows has none

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            os.environ.setdefault(_ARENAS, "1")
            threading.stack_size(STACK)
            import ctypes  # noqa: PLC0415  5 ms, and only here

            ctypes.CDLL("libgcc_s.so.1")
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


@contextmanager
def limits_told() -> Iterator[None]:
    """While the body runs.

    Raises:
        SystemLimitError: the body has reached a limit of the system, or a place where this user may not go.
    """
    try:
        yield
    except _RAISED as error:
        reached = limit_reached(error) or _denied(error) or _removed(error) or _unsayable(error)
        if reached is None:
            raise
        raise reached from error


def limit_reached(error: BaseException) -> SystemLimitError | None:
    """The foreseen failure that an error is, or that it came from; None where it is something else."""
    while True:
        reason = _told(error)
        if reason is not None:
            what, remedy = reason
            name = getattr(error, "filename", None)
            return SystemLimitError(f"{name}: {what}" if isinstance(name, str) else what, remedy)
        if error.__cause__ is None:
            return None
        error = error.__cause__


def _denied(error: BaseException) -> SystemLimitError | None:
    """A file or folder that this user may not use: even whether it is there cannot be asked, at any line."""
    if not isinstance(error, PermissionError) or not isinstance(error.filename, str):
        return None
    step = next_step(Path(error.filename))  # which variable moves it, where it is one of our own folders
    remedy = step if " set " in step else "fix its permissions, or name another place"
    return SystemLimitError(f"{error.filename}: permission denied", remedy)


def _removed(error: BaseException) -> SystemLimitError | None:
    """The current folder, removed or unmounted while a shell stands in it: whatever asks for it fails, at any line."""
    if not isinstance(error, FileNotFoundError) or error.filename is not None:
        return None
    try:
        os.getcwd()  # noqa: PTH109  as pathlib asks for it
    except OSError:
        return SystemLimitError("the current folder is not there any more", "cd to one that is")
    return None


def _unsayable(error: BaseException) -> SystemLimitError | None:
    """A name out of a profile that no file can have here: no line that opens one can help that."""
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        return unsayable(error)
    return None


def _told(error: BaseException) -> tuple[str, str] | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno]
    if not isinstance(error, _RAISED):
        return None
    return next((reason for pattern, reason in _BY_TEXT if pattern.search(str(error))), None)
