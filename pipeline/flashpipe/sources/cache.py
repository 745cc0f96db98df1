"""The cache of what was fetched: contents by their sha256, and a record of what each source gave last.

    sha256/ab/abcd…   a content; its name is its digest, which is checked whenever it is read
    records/KEY.json  what a source text gave: digest, size, validators, when
    parts/KEY.part    the beginning of a download that broke off, with KEY.json about it
    locks/KEY.lock    who downloads a source, or builds in a folder, at this moment

KEY is the beginning of the sha256 of the source's text. Any of it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import cache_folder, make_parents, read_json, read_regular, sync_folder, write_atomic
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

GROWING_S: Final = 600.0
"""A download that has got nothing for so long has ended."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a content: more than any archive of images has."""
_DIGEST: Final = lazy_pattern("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """What a source gave when it was last asked."""

    text: str
    """The source's canonical text."""
    sha256: str
    size: int
    """Bytes."""
    url: str = ""
    """Where the bytes came from, after redirects; without credentials and query."""
    etag: str = ""
    modified: str = ""
    """The server's Last-Modified, as it came."""
    fetched: float = 0.0
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A line of the cache's listing."""

    record: CacheRecord
    present: bool
    """Whether the content is still there."""
    used: float
    """When the content was last used, seconds since the epoch."""


def source_key(text: str) -> str:
    """The name of a source's files."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Cache:
    """The cache in `folder`, by default the user's."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where it lies; made by whoever writes there."""
        return self._folder or cache_folder()

    def lock_path(self, text: str) -> Path:
        """The lock file of a source, or of anything else that has a name."""
        return self.folder / "locks" / f"{source_key(text)}.lock"

    def part_path(self, text: str) -> Path:
        """Where the download of a source grows."""
        return self.folder / "parts" / f"{source_key(text)}.part"

    def content(self, sha256: str) -> bytes | None:
        """The content of that digest; None where it is not there, or is no longer itself and was removed."""
        if not _DIGEST.fullmatch(sha256):
            return None
        path = self._content_path(sha256)
        try:
            data = read_regular(path, LARGEST)
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # `clean --unused` goes by it
        return data

    def record(self, text: str) -> CacheRecord | None:
        """What is known of a source; None where nothing is, or the record cannot be read."""
        return _read_record(self._record_path(text))

    def keep(self, data: bytes) -> str:
        """Put a content there; gives its digest.

        Raises:
            RecordError: the folder cannot be written or the disk is full.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self.content(sha256) is None:
            write_atomic(self._content_path(sha256), data)
        return sha256

    def contents(self) -> Iterator[bytes]:
        """Every content, the latest used first."""
        paths = sorted(self._files("sha256", "*/*"), key=_used, reverse=True)
        yield from (data for path in paths if (data := self.content(path.name)) is not None)

    def adopt(self, part: Path, sha256: str) -> None:
        """Make a finished download, whose digest is known and which is on the disk, a content.

        Raises:
            RecordError: the folder cannot be written.
        """
        path = self._content_path(sha256)
        try:
            make_parents(path)
            part.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise RecordError(f"{path}: cannot be written: {error.strerror or error}", "fix its permissions") from error

    def note(self, record: CacheRecord) -> CacheRecord:
        """Remember what a source gave, now.

        Raises:
            RecordError: the folder cannot be written or the disk is full.
        """
        record = replace(record, fetched=time.time())
        write_atomic(self._record_path(record.text), json.dumps(asdict(record), indent=1).encode())
        return record

    def entries(self) -> list[CacheEntry]:
        """All that is recorded, the latest first."""
        records = [record for path in self._files("records", "*.json") if (record := _read_record(path))]
        return [self._entry(record) for record in sorted(records, key=lambda record: -record.fetched)]

    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(_size, self._files("", "**/*")))

    def clean(self, unused_s: float = 0.0) -> int:
        """Remove what was not used for `unused_s` seconds, and beginnings of downloads; gives the bytes freed."""
        now = time.time()
        # A part that grew just now belongs to a download which is going on.
        freed = _remove_older(self._files("parts", "*"), now - max(unused_s, GROWING_S))
        freed += _remove_older(self._files("sha256", "*/*"), now - unused_s)
        return freed + sum(
            _remove(self._record_path(entry.record.text)) for entry in self.entries() if not entry.present
        )

    def _entry(self, record: CacheRecord) -> CacheEntry:
        try:
            return CacheEntry(record, present=True, used=self._content_path(record.sha256).stat().st_mtime)
        except OSError:
            return CacheEntry(record, present=False, used=record.fetched)

    def _files(self, folder: str, pattern: str) -> Iterator[Path]:
        # A list, for it is walked while files go away.
        yield from [path for path in sorted((self.folder / folder).glob(pattern)) if path.is_file()]

    def _content_path(self, sha256: str) -> Path:
        return self.folder / "sha256" / sha256[:2] / sha256

    def _record_path(self, text: str) -> Path:
        return self.folder / "records" / f"{source_key(text)}.json"


def _read_record(path: Path) -> CacheRecord | None:
    try:
        record = CacheRecord(**read_json(path))
    except (OSError, ValueError, TypeError):
        return None
    texts = (record.text, record.sha256, record.url, record.etag, record.modified)
    good = all(isinstance(text, str) for text in texts) and isinstance(record.size, int)
    return record if good and isinstance(record.fetched, int | float) else None


def _remove_older(paths: Iterator[Path], limit: float) -> int:
    return sum(_remove(path) for path in paths if _used(path) <= limit)


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):  # gone meanwhile
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):  # gone meanwhile
        return path.stat().st_size
    return 0


def _remove(path: Path) -> int:
    """The bytes that are free now; none where another run was first, or, on Windows, somebody is reading it."""
    size = _size(path)
    with contextlib.suppress(OSError):
        path.unlink()
        return size
    return 0
