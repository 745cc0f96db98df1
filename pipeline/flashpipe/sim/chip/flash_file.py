"""Where the cells of a virtual board's flash live: in memory, or in a file that is mapped.

A new file is written whole beside its place and renamed, so that it never exists half-filled; afterwards the mapping
is the file, and a killed process loses nothing that was programmed.
"""

from __future__ import annotations

import mmap
import os
import random
import tempfile
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.factory import factory_contents
from flashpipe.sim.chip.nor import Cells

FILLS: Final = "factory, ff, or random:SEED"
_in_use: set[Path] = set()


def contents(fill: str, size: int) -> bytes:
    """Initial contents of `size` bytes.

    Raises:
        BadValueError: an unknown fill.
    """
    word, _, seed = fill.partition(":")
    if word == "factory" and not seed:
        return factory_contents(size)
    if word == "ff" and not seed:
        return b"\xff" * size
    if word == "random" and seed:
        return random.Random(seed).randbytes(size)  # noqa: S311  test data, not a secret
    if word == "byte" and seed:
        return bytes((int(seed, 0) & 0xFF,)) * size
    raise BadValueError(f"fill={fill!r} is no flash content", f"use {FILLS}")


def check_size(path: Path, size: int) -> None:
    """Refuse a file that cannot be the flash of a board with `size` bytes.

    Raises:
        BadValueError: it has another size.
        OSError: there is none.
    """
    actual = path.stat().st_size
    if actual != size:
        raise BadValueError(
            f"flash={path} has {actual} bytes, this board's flash {size}", "name another file, or give size="
        )


class FlashInUseError(BadValueError):
    """A board in another process has the file."""


class FileCells:
    """A mapped file. Slices work as on a bytearray while it is open."""

    def __init__(self, path: Path, size: int, fill: str) -> None:
        self.path = path.resolve()
        self._size = size
        self._fill = fill
        self._map: mmap.mmap | None = None
        self._handle = -1
        self.open()

    def open(self) -> None:
        """Map the file, which is made if it is missing; nothing happens while it is open.

        Raises:
            BadValueError: in use, of the wrong size, or in a folder that cannot be written.
        """
        if self._map is not None:
            return
        if self.path in _in_use:
            raise BadValueError(f"flash={self.path}: another virtual board uses this file", "give each board its own")
        if not self.path.exists():
            _create(self.path, contents(self._fill, self._size))
        check_size(self.path, self._size)
        self._handle = _open_locked(self.path)
        self._map = mmap.mmap(self._handle, self._size)
        _in_use.add(self.path)

    def _mapped(self) -> mmap.mmap:
        assert self._map is not None, "the flash file is closed"
        return self._map

    def __getitem__(self, key: slice, /) -> bytes:
        return self._mapped()[key]

    def __setitem__(self, key: slice, value: bytes, /) -> None:
        self._mapped()[key] = value

    def __len__(self) -> int:
        return self._size

    def close(self) -> None:
        """Write everything to the disk and let go of the file."""
        if self._map is not None:
            self._map.flush()
            self._map.close()
            self._map = None
            os.close(self._handle)
            _in_use.discard(self.path)


def _create(path: Path, data: bytes) -> None:
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise BadValueError(
            f"flash={path}: cannot be made: {error.strerror or error}", "name a file in a folder you may write to"
        ) from error


def _open_locked(path: Path) -> int:
    """A descriptor of the file that keeps other processes off it, where the system can."""
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise BadValueError(f"flash={path}: {error.strerror}", "mend its rights, or name another file") from error
    try:
        import fcntl  # noqa: PLC0415  POSIX only

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError as error:
        os.close(handle)
        raise FlashInUseError(f"flash={path}: another process uses this file", "stop that board first") from error
    return handle


def open_cells(path: Path | None, size: int, fill: str) -> Cells:
    """Cells in memory, or in the file at `path`, which is made if it is missing.

    Raises:
        BadValueError: wrong size, in use, an unknown fill, or a folder that cannot be written.
    """
    if path is not None:
        return FileCells(path, size, fill)
    # A mapping of its own, so that the memory of one board among many is neither copied about nor kept after it.
    memory = mmap.mmap(-1, size)
    memory[:] = contents(fill, size)
    return memory
