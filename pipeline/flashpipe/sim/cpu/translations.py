"""What the Python core has translated, kept in the cache between runs: compiling takes most of a first start.

One file for each Python and each version of the translator. A translation is known by where it begins and by every byte
that it was made of, so that it can never be the wrong one; comparing these is some thirty times faster than decoding
them again. Nobody has to clean up: the file is bounded, and what was not used for longest goes first.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import marshal
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple

from flashpipe.errors import RecordError
from flashpipe.files import write_atomic
from flashpipe.sim.cpu.execution import WORD
from flashpipe.sim.cpu.private_folder import code_folder, is_ours_alone
from flashpipe.sim.cpu.translate import InstructionTrace

FOLDER: Final = "translations"
LARGEST: Final = 8 << 20
"""Bytes of code kept; a boot of NodeMCU needs about 1 MB."""
WORTH_SAVING: Final = 20
"""New translations; fewer are made again in a few milliseconds."""
SAVE_EVERY: Final = 500
"""New translations after which they are saved even though the process goes on."""
_DIGEST: Final = hashlib.sha256
_SOURCES: Final = ("translate.py", "semantics.py", "decode.py", "translations.py")
_SPAN: Final = struct.Struct("<II")


class TracedBytes(NamedTuple):
    """What a translation was made of. All of it as bytes: thousands are read at each start."""

    spans: bytes
    """Pairs of address and length."""
    contents: bytes
    """What lay there, one after the other."""

    def areas(self) -> Iterator[tuple[int, int]]:
        """Address and length of each span."""
        return _SPAN.iter_unpack(self.spans)


Read = Callable[[int, int], bytes | bytearray]
"""Bytes of code: address and length."""


def traced_bytes(trace: InstructionTrace, read: Read) -> TracedBytes:
    """The instructions and literals of a trace."""
    pieces = [(line.pc, line.instruction.length) for line in trace.lines]
    pieces += [(line.instruction.imm, WORD) for line in trace.lines if line.literal is not None]
    spans = list(_joined(pieces))
    return TracedBytes(b"".join(_SPAN.pack(*span) for span in spans), b"".join(read(*span) for span in spans))


def _joined(pieces: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those that touch or overlap as one, in order of address."""
    start = end = 0
    for address, length in sorted(pieces):
        if address > end:
            if end:
                yield start, end - start
            start = end = address
        end = max(end, address + length)
    yield start, end - start


class Translations:
    """Code of translated traces by their first address and their origin, in memory and in a file."""

    def __init__(self, path: Path | None) -> None:
        """Read what is there; without a path nothing is kept."""
        self._path = path
        self._packed = _read(path)
        self._code: dict[tuple[int, TracedBytes], CodeType] = {}
        """What this process has used."""
        self._new = 0

    def __len__(self) -> int:
        return sum(map(len, self._packed.values()))

    def find(self, start: int, read: Read) -> tuple[TracedBytes, CodeType] | None:
        """The translation of what lies at `start` now, if it is known."""
        for spans, contents in self._packed.get(start, ()):
            origin = TracedBytes(spans, contents)
            at = 0
            for address, length in origin.areas():
                if read(address, length) != contents[at : at + length]:
                    break
                at += length
            else:
                return origin, self._unpack(start, origin)
        return None

    def _unpack(self, start: int, origin: TracedBytes) -> CodeType:
        code = self._code.get((start, origin))
        if code is None:
            code = self._code[start, origin] = marshal.loads(self._packed[start][origin])  # noqa: S302  see _read
        return code

    def put(self, start: int, origin: TracedBytes, code: CodeType) -> None:
        """Keep a translation."""
        self._code[start, origin] = code
        self._packed.setdefault(start, {})[origin] = marshal.dumps(code)
        self._new += 1
        if self._new >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write what is worth it; a cache that cannot be written costs time, nothing else."""
        if self._path is None or self._new < WORTH_SAVING:
            return
        self._new = 0
        known = {**_flat(_read(self._path)), **_flat(self._packed)}  # with what another process has saved meanwhile
        kept = {key: packed for key, packed in known.items() if key not in self._code}
        kept |= {key: known[key] for key in self._code}
        size = sum(_size(key, packed) for key, packed in kept.items())
        for key in list(kept):
            if size <= LARGEST:
                break
            size -= _size(key, kept.pop(key))
        body = marshal.dumps(_by_start(kept))
        try:
            write_atomic(self._path, _DIGEST(body).digest() + body)
        except RecordError:
            self._path = None


_Packed = dict[int, dict[tuple[bytes, bytes], bytes]]


def _flat(packed: _Packed) -> dict[tuple[int, TracedBytes], bytes]:
    return {(start, TracedBytes(*origin)): code for start, codes in packed.items() for origin, code in codes.items()}


def _by_start(flat: dict[tuple[int, TracedBytes], bytes]) -> _Packed:
    packed: _Packed = {}
    for (start, origin), code in flat.items():
        packed.setdefault(start, {})[tuple(origin)] = code  # type: ignore[index]
    return packed


def _size(key: tuple[int, TracedBytes], code: bytes) -> int:
    return len(key[1].spans) + len(key[1].contents) + len(code)


def _read(path: Path | None) -> _Packed:
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
    kept: _Packed = marshal.loads(body)  # noqa: S302  ours alone, and undamaged
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
