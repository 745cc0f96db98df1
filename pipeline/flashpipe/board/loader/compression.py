"""Compressed flash contents: made once, as small as we can, and kept in the user's cache folder.

    packed/SHA256.METHOD   the zlib stream of the bytes of that sha256
    locks/packed-XX.lock   who makes one of those that begin with XX, at this moment

Any of it may be deleted at any time. What is read is inflated and compared before it is used, for the board would
write whatever a damaged file says.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import FetchBusyError, RecordError
from flashpipe.files import cache_folder, read_regular, write_atomic
from flashpipe.locks import exclusive

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Bound of the folder; the least recently used streams go first. About 90 images of 1 MiB."""
KEPT_FROM: Final = 0x8000
"""Smaller contents are compressed again: that takes 2 ms, as long as reading a file."""
PATIENCE_S: Final = 5.0
"""For another one that makes the same stream; 16 MiB take 4 s."""
QUICK_FROM: Final = 1_500_000
"""Baud from which on the flash, not the line, is what a write waits for (docs/speed.md): smaller streams save nothing.
"""
BEGUN: Final = 16
"""Streams that wait to be taken: of a board that turns out to hold its image nobody takes one."""
Method = tuple[str, Callable[[bytes], bytes]]


def pack(data: bytes, *, quick: bool = False) -> bytes:
    """A zlib stream of `data`; takes what `prepare` began. `quick`: with a third of the processor time, 1 % larger."""
    key = _key(data) if len(data) >= KEPT_FROM else ""
    with _guard:
        begun = _begun.pop(key, None)
    if begun is None:
        packed, keep = _pack(data, key, quick=quick)
        keep()
        return packed
    begun.made.wait()
    return begun.packed or _pack(data, key, quick=quick)[0]


def prepare(data: bytes, *, quick: bool = False) -> None:
    """Begin to pack `data` beside whatever else is done, so that `pack` gives it at once."""
    if len(data) < KEPT_FROM:
        return
    key = _key(data)
    with _guard:
        if key in _begun:
            return
        while len(_begun) >= BEGUN:
            del _begun[next(iter(_begun))]
        _begun[key] = begun = _Begun(data, key, quick=quick)
    begun.start()


class _Begun(threading.Thread):
    """Packing that goes on while the board is asked, and keeping it while the board is written."""

    def __init__(self, data: bytes, key: str, *, quick: bool) -> None:
        super().__init__(name="packing")
        self._data, self._key, self._quick = data, key, quick
        self.made = threading.Event()
        self.packed = b""

    def run(self) -> None:
        data, self._data = self._data, b""  # who takes the stream holds the bytes
        try:
            self.packed, keep = _pack(data, self._key, quick=self._quick)
        finally:
            self.made.set()
        del data
        keep()


def _pack(data: bytes, key: str, *, quick: bool) -> tuple[bytes, Callable[[], None]]:
    """The stream, and what keeps it for another time and has to be called."""
    name, compress = _method(quick=quick)
    if len(data) < KEPT_FROM:
        return compress(data), lambda: None
    for kept in dict.fromkeys((_method(quick=False)[0], name)):  # the smaller one, where it is there, does as well
        path = cache_folder() / "packed" / f"{key}.{kept}"
        stored = _read(path, data)
        if stored is not None:
            return stored, lambda: None
    with _alone(path) as turn:
        stored = _read(path, data)  # somebody else may have made it meanwhile
        packed = compress(data) if stored is None else stored
        last = turn.pop_all()

    def keep() -> None:
        with last:
            if stored is None:
                _keep(path, packed)

    return packed, keep


def _alone(path: Path) -> contextlib.ExitStack:
    """Keeps out whoever else makes this stream: another board's thread, or another machine that shares the folder."""
    turn = contextlib.ExitStack()
    lock = cache_folder() / "locks" / f"packed-{path.name[:2]}.lock"
    with contextlib.suppress(RecordError, FetchBusyError):  # then it is made twice, which does no harm
        turn.enter_context(exclusive(lock, path.name, PATIENCE_S))
    return turn


def streams() -> Iterator[tuple[Path, os.stat_result]]:
    """The files that are kept, the least recently used first."""
    files = []
    with contextlib.suppress(OSError):
        for path in (cache_folder() / "packed").iterdir():
            with contextlib.suppress(OSError):
                files.append((path, path.stat()))
    yield from sorted(files, key=lambda entry: entry[1].st_mtime)


def clean(unused_s: float = 0.0) -> int:
    """Remove what was not used for `unused_s` seconds; gives the bytes freed."""
    limit, freed = time.time() - unused_s, 0
    for path, status in streams():
        if status.st_mtime <= limit and _remove(path):
            freed += status.st_size
    return freed


_begun: dict[str, _Begun] = {}
_guard = threading.Lock()


def _key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _method(*, quick: bool) -> Method:
    """The best that is installed: libdeflate packs firmware 1.7 % smaller than zlib.

    Its level 12 takes 1.4 to 1.9 times the CPU time of level 10 and saves 0.03 % more (11 images, at most 174 bytes);
    level 9 is three times as fast and loses 1.2 %: 0.18 s of a MiB at 460800 baud, nothing where the flash is slower.
    """
    try:
        deflate = importlib.import_module("deflate")
    except ImportError:
        return "zlib9", _by_zlib
    level = 9 if quick else 10
    return f"deflate{level}", partial(_by_libdeflate, deflate, level)


def _by_zlib(data: bytes) -> bytes:
    return zlib.compress(data, 9)


def _by_libdeflate(deflate: Any, level: int, data: bytes) -> bytes:
    return bytes(deflate.zlib_compress(data, level))


def _read(path: Path, data: bytes) -> bytes | None:
    try:
        stored = read_regular(path)
        inflater = zlib.decompressobj()
        sound = inflater.decompress(stored, len(data) + 1) == data and inflater.eof and not inflater.unused_data
    except (OSError, zlib.error):
        return None
    if not sound:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the least recently used go first
    return stored


def _keep(path: Path, packed: bytes) -> None:
    with contextlib.suppress(RecordError):  # a full disk costs time, not the run
        write_atomic(path, packed)
        _shrink()


def _shrink() -> None:
    files = list(streams())
    over = sum(status.st_size for _, status in files) - KEPT_BYTES
    for path, status in files:
        if over <= 0:
            return
        if _remove(path):
            over -= status.st_size


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:  # somebody else was faster, or (on Windows) reads it
        return False
    return True
