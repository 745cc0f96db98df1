"""From a URL to bytes that can be trusted as far as the server can: cache, digest, content, one process at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from flashpipe.errors import (
    FetchContentError,
    FetchError,
    FetchMismatchError,
    OfflineError,
    RecordError,
    SourceError,
)
from flashpipe.files import read_regular
from flashpipe.firmware.content_type import excerpt, foreign_content, in_words
from flashpipe.lazy import lazy_pattern
from flashpipe.lender import Lender
from flashpipe.locks import exclusive
from flashpipe.masking import mask_urls, without_query
from flashpipe.next_steps import Advice, name_file, repeat, setting
from flashpipe.sources.cache import LARGEST, Cache, CacheRecord
from flashpipe.sources.partial_download import Answer, Limits, Order, PartialDownload, plain_url
from flashpipe.values import dataclass

Kind = Literal["firmware", "archive", "gzip", "hex"]
"""What a file must be before it is kept."""
Progress = Callable[[str, int, int], None]
"""Told a source, the bytes at hand and those expected in all (0: not known)."""

BUSY_S: Final = 300.0
"""Longest wait for another process that downloads the same thing: 32 MB at 1 Mbit/s."""
_ARCHIVES: Final = ("ZIP archive", "tar archive", "gzip", "bzip2 archive", "xz archive")
_HEX: Final = "Intel HEX file"
_DIGEST: Final = lazy_pattern("[0-9a-fA-F]{64}")
_PORTS: Final = {"http": 80, "https": 443}


def _unwatched(source: str, done: int, total: int) -> None:
    """Nobody looks on."""
    del source, done, total


@dataclass(frozen=True, slots=True)
class Access:
    """How sources outside this machine may be reached."""

    offline: bool = False
    """Use the cache only."""
    progress: Progress = _unwatched
    limits: Limits = field(default_factory=Limits)
    cache: Cache = field(default_factory=Cache)
    busy_s: float = BUSY_S
    """Longest wait for another process that downloads the same."""
    lender: Lender | None = None
    """Whose profile names them, where it is not the user's own: what of this machine it may name."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as its server sent it."""

    data: bytes = field(repr=False)
    sha256: str
    url: str
    """Where it came from, after redirects; without credentials and query."""
    cached: bool
    """Nothing was downloaded for it."""
    counted: bool = True
    """Whether the server has told how much it sends."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as a profile names it: what to ask for, what to call it, what it must be."""

    url: str
    """With credentials and query, without the fragment."""
    text: str
    """Canonical: scheme and host in lower case, no default port, no credentials, a digest in place of the query, which
    may be a signature; the digest of the file stays."""
    sha256: str
    """From `#sha256=…`; empty where none is given."""


def parse_url(text: str) -> Address:
    """A URL of a source.

    Raises:
        SourceError: no host, another scheme, or a fragment that is no digest.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise SourceError(f"{mask_urls(text)}: not a URL: {error}", "correct it") from error
    if parts.scheme.lower() not in _PORTS or not host:
        raise SourceError(f"{mask_urls(text)}: cannot be fetched", "write https://HOST/FILE")
    name, _, digest = parts.fragment.partition("=")
    if name == "sha256" and not _DIGEST.fullmatch(digest):
        raise SourceError(f"{mask_urls(text)}: #sha256= wants 64 hexadecimal digits", "`sha256sum FILE` prints them")
    scheme = parts.scheme.lower()
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in {None, _PORTS[scheme]} else f"{shown}:{port}"
    pinned = digest.lower() if name == "sha256" else ""
    canonical = urlunsplit((scheme, place, parts.path or "/", parts.query, f"sha256={pinned}" if pinned else ""))
    url = urlunsplit((scheme, parts.netloc, parts.path or "/", parts.query, ""))
    return Address(url, without_query(canonical), pinned)


def fetch(
    address: Address, access: Access, *, kind: Kind = "firmware", pinned_sha256: str = "", key: str = ""
) -> Fetched:
    """The file at `address`, from the cache where that is certain or all there is.

    A digest that is known makes the cache certain. Otherwise the server is asked whether its file is still the one.
    `key` is the text of a source whose address may change, such as a release asset; by default the address's own.

    Raises:
        FetchError: and its kinds; `FetchMismatchError` for other bytes than those pinned.
        RecordError: the cache cannot be written.
    """
    pinned = (pinned_sha256 or address.sha256).lower()
    order = _Wanted(address, access, key or address.text, kind, pinned)
    known = access.cache.content(pinned) if pinned else None
    if known is not None:
        return Fetched(known, pinned, plain_url(address.url), cached=True)
    if access.offline:
        return _expect(cached(order.key, access, kind), order)
    started = time.time()
    shown = _shown(order.key)
    waiting = exclusive(access.cache.lock_path(order.key), shown, access.busy_s, lambda: access.progress(shown, 0, 0))
    with waiting as waited:
        record = access.cache.record(order.key)
        if waited and record is not None and record.fetched >= started:
            return _expect(cached(order.key, access, kind), order)  # the other process has just fetched it
        return _expect(_ask(order, record), order)


def cached(key: str, access: Access, kind: Kind = "firmware") -> Fetched:
    """What the cache holds of a source.

    Raises:
        OfflineError: nothing, or not any more.
    """
    record = access.cache.record(key)
    data = access.cache.content(record.sha256) if record else None
    if record is None or data is None:
        raise OfflineError(
            f"{_shown(key)}: is not in the cache ({access.cache.folder}), and offline=1 forbids the network",
            "run it once without offline=1",
        )
    _check_content(data, kind, key)  # it may have been asked for as something else before
    return Fetched(data, record.sha256, record.url, cached=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be had, and how."""

    address: Address
    access: Access
    key: str
    kind: Kind
    pinned: str


def _ask(wanted: _Wanted, record: CacheRecord | None) -> Fetched:
    """Let the server say what the file is; for one process at a time."""
    from flashpipe.sources.download import download  # noqa: PLC0415  140 ms of requests, where the cache does not do

    access = wanted.access
    known = access.cache.content(record.sha256) if record else None
    conditions = {}
    if record is not None and known is not None:
        conditions = {"If-None-Match": record.etag, "If-Modified-Since": "" if record.etag else record.modified}
    part = PartialDownload(access.cache.part_path(wanted.key), wanted.address.url)
    order = Order(
        wanted.address.url,
        part,
        access.limits,
        insecure=bool(wanted.pinned),
        conditions={name: value for name, value in conditions.items() if value},
        progress=lambda done, total: access.progress(_shown(wanted.key), done, total),
    )
    try:
        answer = download(order)
    except FetchError as error:
        if type(error) is FetchError and record is not None and known is not None:
            when = time.strftime("%Y-%m-%d", time.localtime(record.fetched))
            raise FetchError(error.message, Advice(setting(offline="1"), f" uses what came on {when}")) from error
        raise
    if answer.unchanged and record is not None and known is not None:
        _check_content(known, wanted.kind, wanted.key)
        access.cache.note(record)
        return Fetched(known, record.sha256, answer.url, cached=True)
    fetched = _keep(part, answer, wanted)
    if wanted.pinned in {"", fetched.sha256} or answer.counted:
        return fetched
    return replace(_keep(part, download(order), wanted), counted=False)  # the first may have broken off


def _keep(part: PartialDownload, answer: Answer, wanted: _Wanted) -> Fetched:
    """Look at what has come, and only then make it a content of the cache."""
    try:
        data = read_regular(part.path, LARGEST)
    except OSError as error:
        raise RecordError(f"{part.path}: cannot be read: {error.strerror}", "fix its permissions") from error
    fetched = Fetched(data, hashlib.sha256(data).hexdigest(), answer.url, cached=False)
    try:
        _check_content(data, wanted.kind, wanted.key)
    except FetchContentError:
        part.discard()
        raise
    if wanted.pinned and fetched.sha256 != wanted.pinned:
        part.discard()
        return fetched
    part.finish()
    wanted.access.cache.adopt(part.path, fetched.sha256)
    wanted.access.cache.note(
        CacheRecord(wanted.key, fetched.sha256, len(data), answer.url, answer.etag, answer.modified)
    )
    return fetched


def _expect(fetched: Fetched, wanted: _Wanted) -> Fetched:
    if not wanted.pinned or fetched.sha256 == wanted.pinned:
        return fetched
    changed = f"{_shown(wanted.key)}: has sha256 {fetched.sha256}, not {wanted.pinned} as pinned"
    if fetched.counted:
        error = FetchMismatchError(changed, "find out why it changed before you change the digest")
    else:
        error = FetchMismatchError(
            f"{changed}; {len(fetched.data):,} bytes came, and the server told no length: they may be cut off",
            Advice(repeat("run it again"), "; if as many come, find out why it changed before you change the digest"),
        )
    error.actual = fetched
    raise error


def _check_content(data: bytes, kind: Kind, key: str) -> None:
    named = foreign_content(data) if data else "empty file"
    # Some servers unpack a .gz on the way, by the header Content-Encoding.
    if named in {"firmware": (None,), "archive": _ARCHIVES, "gzip": ("gzip", None), "hex": (_HEX, None)}[kind]:
        return
    title = excerpt(data) if named and ("HTML" in named or "JSON" in named or "text" in named) else ""
    what = f"{in_words(named or 'unknown data')}{f' ({title!r})' if title else ''}"
    want = {"archive": "an archive", "gzip": "gzip", "hex": _HEX}.get(kind, "firmware for an ESP8266")
    inside = Advice(name_file("the file in it", f": {_shown(key)}!MEMBER"))
    next_ = inside if named in _ARCHIVES else "open the URL in a browser"
    raise FetchContentError(f"{_shown(key)}: what came is {what}, not {want}; it was not kept", next_)


def _shown(key: str) -> str:
    """A source in a message: queries of signed addresses are long, and secret."""
    return plain_url(key) if key.startswith(("http://", "https://")) else key


def file_name(url: str) -> str:
    """The name that a URL's path ends with, for people."""
    return Path(urlsplit(url).path).name or urlsplit(url).netloc.rpartition("@")[2]
