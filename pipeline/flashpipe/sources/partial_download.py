"""A download that is ordered, and what of it is at hand: it survives its process. Knows no network.

It is continued only where the server vouches, by a validator and If-Range, that the file is the same; and because
servers are wrong about that too, the last bytes at hand are asked for again and must be equal (RFC 9110 §13.1.5, §14).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from flashpipe.errors import RecordError
from flashpipe.files import read_json, write_atomic
from flashpipe.firmware.content_type import on_one_line
from flashpipe.values import dataclass

Progress = Callable[[int, int], None]
"""Told the bytes at hand and those expected in all, 0 where the server does not say."""

OVERLAP: Final = 0x1000
"""Bytes that a continued download asks for again, to see that they are the same file's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a download is. Seconds and bytes."""

    connect_s: float = 10.0
    read_s: float = 12.0
    """Longest silence in the middle of an answer."""
    headers_s: float = 20.0
    """From a question to the end of the headers."""
    attempts: int = 5
    backoff_s: float = 0.5
    """Pause after the first failure; each further one doubles it."""
    pause_s: float = 30.0
    """Longest pause, also where the server asks for a longer one: then the download fails and says so."""
    redirects: int = 10
    size: int = 0x2000000
    """32 MB: twice the largest flash, for archives hold pairs."""
    drip_s: float = 12.0
    drip_bytes: int = 0x1000
    """A server that sends less than `drip_bytes` in `drip_s` has stalled."""
    stalls: int = 2
    """How often in a row it may be silent or stall; each costs seconds, which other failures do not."""


@dataclass(slots=True)
class Answer:
    """What a finished download is."""

    url: str
    """The address that gave it in the end; without credentials and query."""
    etag: str = ""
    modified: str = ""
    unchanged: bool = False
    """The server says that the content known by its validators is still the one: nothing was sent."""
    counted: bool = True
    """The server has told how much it sends, or where that ends; else its end may be a connection that broke off."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to download, where to, and how patiently."""

    url: str
    part: PartialDownload
    limits: Limits
    insecure: bool = False
    """Admit http://, for bytes whose digest is known; from https:// no redirect leads there even so."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Headers such as If-None-Match about a content already at hand."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Others; Authorization goes to the first host only."""
    progress: Progress | None = None


@dataclass
class PartialDownload:
    """The beginning of a download, and what the server said about the whole."""

    path: Path
    url: str
    etag: str = ""
    modified: str = ""
    total: int = 0
    """Bytes of the whole; 0 where the server did not say."""
    resumable: bool = False
    _about: Path = field(init=False)

    def __post_init__(self) -> None:
        self._about = self.path.with_suffix(".json")
        with suppress(OSError, ValueError, TypeError, KeyError):
            known = read_json(self._about)
            if known["source"] == self._source:
                self.etag, self.modified, self.total = str(known["etag"]), str(known["modified"]), int(known["total"])
                self.resumable = True

    @property
    def _source(self) -> str:
        """What tells this URL from others, and none of what is secret in it."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def size(self) -> int:
        """Bytes at hand."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @property
    def validator(self) -> str:
        """What If-Range may hold: a strong validator (RFC 9110 §13.1.5); a date is one here, the overlap backs it."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def start(self) -> int:
        """Where a continued download begins; 0 for a new one."""
        return max(0, self.size - OVERLAP) if self.resumable and self.validator else 0

    def restart(self, headers: Mapping[str, str]) -> None:
        """Begin anew, with what the server says about the whole this time."""
        self.discard()
        self.etag, self.modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
        # What is packed for the way only can neither be continued in the middle nor counted.
        self.resumable = headers.get("Content-Encoding", "identity").lower() == "identity"
        self.total = number(headers.get("Content-Length", "")) if self.resumable else 0
        if self.resumable:
            about = {"source": self._source, "etag": self.etag, "modified": self.modified, "total": self.total}
            write_atomic(self._about, json.dumps(about).encode())

    def discard(self) -> None:
        """Forget what is at hand."""
        self.resumable = False
        for path in (self._about, self.path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """The bytes are whole: what is known about the beginning is of no more use."""
        with suppress(OSError):
            self._about.unlink(missing_ok=True)


def plain_url(url: str) -> str:
    """The URL without credentials, query and fragment: fit to be shown and kept."""
    parts = urlsplit(url)
    return on_one_line(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")))[:1000]


def unwritable(path: Path, error: OSError) -> RecordError:
    """What a part that cannot be written is told as."""
    return RecordError(
        f"{path}: cannot be written: {error.strerror or error}", "free disk space or fix the permissions of the folder"
    )


def record_step(write: Callable[[], object], path: Path) -> None:
    """Do something to the disk.

    Raises:
        RecordError: it is full or cannot be written.
    """
    try:
        write()
    except OSError as error:
        raise unwritable(path, error) from error


def number(text: str) -> int:
    """The number in a header; 0 where it is none."""
    return int(text) if text.isdigit() and len(text) <= 20 else 0  # noqa: PLR2004  Python refuses thousands of digits
