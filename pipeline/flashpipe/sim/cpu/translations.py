"""What the Python core has translated, kept in the cache between runs: compiling takes most of a first start.

One file for each Python and each version of the translator. A translation is known by everything it was made of, so
that it can never be the wrong one: addresses, instructions, literals. Nobody has to clean up: the file is bounded, and
what was not used for longest goes first.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import marshal
import sys
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import write_atomic
from flashpipe.sim.cpu.private_folder import code_folder, is_ours_alone
from flashpipe.sim.cpu.translate import Trace

FOLDER: Final = "translations"
LARGEST: Final = 8 << 20
"""Bytes of code kept; a boot of NodeMCU needs about 1 MB."""
WORTH_SAVING: Final = 20
"""New translations; fewer are made again in a few milliseconds."""
SAVE_EVERY: Final = 500
"""New translations after which they are saved even though the process goes on."""
_DIGEST: Final = hashlib.sha256
_SOURCES: Final = ("translate.py", "semantics.py", "decode.py")


def fingerprint(trace: Trace) -> bytes:
    """What a translation of this trace is known by."""
    made_of = [(line.pc, tuple(line.instruction), line.literal, line.to) for line in trace.lines]
    return hashlib.blake2b(repr((made_of, trace.end)).encode(), digest_size=16).digest()


class Translations:
    """Code of translated traces by fingerprint, in memory and in a file."""

    def __init__(self, path: Path | None) -> None:
        """Read what is there; without a path nothing is kept."""
        self._path = path
        self._packed = _read(path)
        self._code: dict[bytes, CodeType] = {}
        self._new = 0

    def __len__(self) -> int:
        return len(self._packed)

    def get(self, key: bytes) -> CodeType | None:
        """The code of a translation, if it is known."""
        code = self._code.get(key)
        if code is None and (packed := self._packed.get(key)) is not None:
            code = self._code[key] = marshal.loads(packed)  # noqa: S302  checked when the file was read
        return code

    def put(self, key: bytes, code: CodeType) -> None:
        """Keep a translation."""
        self._code[key] = code
        self._packed[key] = marshal.dumps(code)
        self._new += 1
        if self._new >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write what is worth it; a cache that cannot be written costs time, nothing else."""
        if self._path is None or self._new < WORTH_SAVING:
            return
        self._new = 0
        others = _read(self._path)  # what another process has saved meanwhile
        used = {key: self._packed[key] for key in self._code}
        kept = {key: packed for key, packed in {**others, **self._packed}.items() if key not in used} | used
        size = sum(map(len, kept.values()))
        for key in list(kept):
            if size <= LARGEST:
                break
            size -= len(kept.pop(key))
        body = marshal.dumps(kept)
        try:
            write_atomic(self._path, _DIGEST(body).digest() + body)
        except RecordError:
            self._path = None


def _read(path: Path | None) -> dict[bytes, bytes]:
    """The file's contents; nothing where it is missing, damaged, or can be written by others."""
    if path is None or not is_ours_alone(path):
        return {}
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    length = _DIGEST().digest_size
    digest, body = data[:length], data[length:]
    if _DIGEST(body).digest() != digest:
        return {}
    kept: dict[bytes, bytes] = marshal.loads(body)  # noqa: S302  ours alone, and undamaged
    return kept


_open: dict[Path | None, Translations] = {}
"""All cores of a process share what they translate."""


def open_translations() -> Translations:
    """The translations of this user's cache."""
    folder = code_folder(FOLDER)
    path = folder.resolve() / f"{version()}.bin" if folder is not None else None
    if path not in _open:
        _open[path] = Translations(path)
        atexit.register(_open[path].save)
    return _open[path]


@cache
def version() -> str:
    """What makes a translation useless: another Python, or another translator."""
    key = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for name in _SOURCES:
        key.update(Path(__file__).with_name(name).read_bytes())
    return f"{sys.implementation.cache_tag}-{key.hexdigest()[:16]}"
