"""One file from a web server, whatever the server does wrong.

A download grows in a `.part` file and survives its process. It is continued only where the server vouches, by a
validator and If-Range, that the file is the same; and because servers are wrong about that too, the last bytes at hand
are asked for again and must be equal (RFC 9110 §13.1.5, §14).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from flashpipe.errors import (
    FetchCertificateError,
    FetchContentError,
    FetchError,
    FetchInsecureError,
    FetchRedirectError,
    FetchSizeError,
    FetchStatusError,
    RecordError,
)
from flashpipe.firmware.content_type import printable
from flashpipe.units import format_size
from flashpipe.values import dataclass

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int], None]
"""Told the bytes at hand and those expected in all, 0 where the server does not say."""

OVERLAP: Final = 0x1000
"""Bytes that a continued download asks for again, to see that they are the same file's."""
_CHUNK: Final = 0x10000
_MANY: Final = 20
"""Attempts in all; a connection that breaks after some progress does not count against `Limits.attempts`."""
_OK, _PARTIAL, _NOT_MODIFIED, _OUT_OF_RANGE = 200, 206, 304, 416
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may cure (RFC 9110 §15; 425: RFC 8470, 429: RFC 6585)."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DENIED: Final = frozenset({401, 403, 407})
_GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a download is. Seconds and bytes."""

    connect_s: float = 10.0
    read_s: float = 30.0
    """Longest silence in the middle of an answer."""
    attempts: int = 5
    backoff_s: float = 0.5
    """Pause after the first failure; each further one doubles it."""
    pause_s: float = 30.0
    """Longest pause, also where the server asks for a longer one: then the download fails and says so."""
    redirects: int = 10
    size: int = 0x2000000
    """32 MB: twice the largest flash, for archives hold pairs."""
    drip_s: float = 30.0
    drip_bytes: int = 0x1000
    """A server that sends less than `drip_bytes` in `drip_s` has stalled."""


@dataclass(slots=True)
class Answer:
    """What a finished download is."""

    url: str
    """The address that gave it in the end; without credentials and query."""
    etag: str = ""
    modified: str = ""
    unchanged: bool = False
    """The server says that the content known by its validators is still the one: nothing was sent."""


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


class _TryAgainError(Exception):
    """Something that another attempt may cure."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.message, self.wait_s = message, wait_s


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
            known = json.loads(self._about.read_bytes())
            if known["url"] == self.url:
                self.etag, self.modified, self.total = str(known["etag"]), str(known["modified"]), int(known["total"])
                self.resumable = True

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
        self.total = _number(headers.get("Content-Length", "")) if self.resumable else 0
        if self.resumable:
            about = {"url": self.url, "etag": self.etag, "modified": self.modified, "total": self.total}
            _record(lambda: self._about.write_bytes(json.dumps(about).encode()), self._about)

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
    return printable(urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")), 1000)


def download(order: Order) -> Answer:
    """Fetch a file into its part, which is on the disk, whole as far as the server says, when this returns.

    Raises:
        FetchError: and its kinds, one for each way to fail.
        RecordError: the disk is full or the cache cannot be written.
    """
    import requests  # noqa: PLC0415  140 ms that nothing else needs

    part, shown = order.part, plain_url(order.url)
    _record(lambda: part.path.parent.mkdir(parents=True, exist_ok=True), part.path.parent)
    failures, last = 0, _TryAgainError("")
    with requests.Session() as session:
        # Redirects are followed below, one by one: requests reads the whole body of each, however long it is.
        session.get_redirect_target = lambda _response: None  # type: ignore[assignment,method-assign]
        for _ in range(_MANY):
            before = part.size
            try:
                return _attempt(session, order)
            except _TryAgainError as error:
                failures = 1 if part.size >= before + _CHUNK else failures + 1
                last = error
            if failures >= order.limits.attempts:
                break
            _pause(shown, last, failures, order.limits)
    raise FetchError(
        f"{shown}: {last.message}; gave up after several attempts",
        "check network and proxy, then run it again: it continues where it stopped",
    )


def _pause(shown: str, error: _TryAgainError, failures: int, limits: Limits) -> None:
    if error.wait_s > limits.pause_s:
        raise FetchStatusError(
            f"{shown}: {error.message}, and asks to wait {error.wait_s:.0f} s", "run it again after that"
        )
    time.sleep(error.wait_s or min(limits.pause_s, limits.backoff_s * 2 ** (failures - 1)))


def _attempt(session: requests.Session, order: Order) -> Answer:
    part, start = order.part, order.part.start()
    sent = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "flashpipe", **order.headers}
    # Conditions of both kinds at once would contradict each other.
    sent |= {"Range": f"bytes={start}-", "If-Range": part.validator} if start else order.conditions
    with _translated(order.url), _open(session, order, sent) as response:
        url, headers, status = plain_url(response.url), response.headers, response.status_code
        if status == _NOT_MODIFIED and order.conditions and not start:
            return Answer(url, unchanged=True)
        if start and status in {_PARTIAL, _OUT_OF_RANGE}:
            _check_part(response, part, start)
        elif status == _OK:
            start = 0
            _check_size(order, _number(headers.get("Content-Length", "")))
            part.restart(headers)
        else:
            _refuse(plain_url(order.url), response)
        _receive(order, response, start)
        return Answer(url, headers.get("ETag", part.etag), headers.get("Last-Modified", part.modified))


@contextmanager
def _open(session: requests.Session, order: Order, headers: dict[str, str]) -> Iterator[requests.Response]:
    """The answer at the end of the redirects."""
    limits, current, shown = order.limits, order.url, plain_url(order.url)
    seen = set()
    for _ in range(limits.redirects + 1):
        _check_scheme(order, current)
        seen.add(current)
        patience = (limits.connect_s, limits.read_s)
        response = session.get(current, headers=headers, stream=True, allow_redirects=False, timeout=patience)
        if response.status_code not in _REDIRECTS:
            with response:
                yield response
            return
        location = response.headers.get("Location", "")
        response.close()
        if not location:
            raise FetchRedirectError(f"{shown}: a redirect ({response.status_code}) that names no address")
        previous, current = current, _joined(shown, current, location)
        if urlsplit(previous).scheme == "https" and urlsplit(current).scheme == "http":
            raise FetchInsecureError(
                f"{shown}: redirects from https to {plain_url(current)}, where anybody could change the bytes"
            )
        if urlsplit(previous).netloc != urlsplit(current).netloc:
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
        if current in seen:
            raise FetchRedirectError(f"{shown}: redirects in a circle, again to {plain_url(current)}")
    raise FetchRedirectError(f"{shown}: more than {limits.redirects} redirects")


def _joined(shown: str, current: str, location: str) -> str:
    try:
        # Servers write UTF-8 where the header is Latin-1.
        found = urljoin(current, location.encode("latin-1", "replace").decode("utf-8", "replace"))
        _ = urlsplit(found).port  # refuses what only looks like a number
    except ValueError as error:
        raise FetchRedirectError(f"{shown}: redirects to {printable(location)!r}, which is no address") from error
    return found


def _check_scheme(order: Order, url: str) -> None:
    scheme, shown = urlsplit(url).scheme, plain_url(order.url)
    if scheme == "https" or (scheme == "http" and order.insecure):
        return
    if scheme == "http":
        raise FetchInsecureError(
            f"{shown}: is not https, and no digest says what the bytes should be",
            "use https://, or add #sha256=DIGEST to the URL",
        )
    raise FetchRedirectError(f"{shown}: leads to {plain_url(url)}, which is not on the web")


def _check_part(response: requests.Response, part: PartialDownload, start: int) -> None:
    """Whether a 206 continues what is at hand; if not, the next attempt begins anew."""
    range_, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    same = (
        response.status_code == _PARTIAL
        and range_.startswith(f"{start}-")
        and (not part.total or total in {str(part.total), "*"})
        and response.headers.get("ETag", part.etag) == part.etag
        and response.headers.get("Content-Encoding", "identity").lower() == "identity"
    )
    if not same:
        part.discard()
        raise _TryAgainError("the server cannot continue the download where it stopped")


def _receive(order: Order, response: requests.Response, start: int) -> None:
    part = order.part
    try:
        with part.path.open("r+b" if start else "w+b") as stream:
            stream.seek(start)
            known = stream.read()
            stream.seek(start)
            for chunk in _chunks(response, order.limits, packed=not part.resumable):
                if not chunk.startswith(known[: len(chunk)]):
                    break
                known = known[len(chunk) :]
                stream.write(chunk)
                _check_size(order, stream.tell())
                if order.progress is not None:
                    order.progress(stream.tell(), part.total)
            stream.flush()
            os.fsync(stream.fileno())
            at = stream.tell()
    except OSError as error:
        if _is_ours(error):
            raise _unwritable(part.path, error) from error
        raise
    if known:
        part.discard()
        raise _TryAgainError("the server continued with bytes of another file")
    if part.total and at != part.total:
        raise _TryAgainError(f"the connection broke after {at:,} of {part.total:,} bytes")


def _chunks(response: requests.Response, limits: Limits, *, packed: bool) -> Iterator[bytes]:
    """The body as it comes; raises where it hardly comes at all."""
    raw = response.raw
    read = getattr(raw, "read1", None)  # urllib3 1 has none: there a small amount keeps the clock running
    since, got = time.monotonic(), 0
    while True:
        chunk = read(_CHUNK, decode_content=packed) if read else raw.read(0x200, decode_content=packed)
        if not chunk:
            return
        yield chunk
        got += len(chunk)
        now = time.monotonic()
        if now - since >= limits.drip_s:
            if got < limits.drip_bytes:
                raise _TryAgainError(f"stalled: {got} bytes in {now - since:.0f} s")
            since, got = now, 0


def _check_size(order: Order, size: int) -> None:
    limit = order.limits.size
    if size > limit:
        order.part.discard()
        raise FetchSizeError(
            f"{plain_url(order.url)}: {size:,} bytes or more; the limit is {format_size(limit)}",
            "name the firmware file itself",
        )


def _refuse(shown: str, response: requests.Response) -> None:
    status, headers = response.status_code, response.headers
    said = f"the server answers {status} {printable(response.reason or '', 60)}".rstrip()
    spent = headers.get("X-RateLimit-Remaining") == "0"  # GitHub's 403 and 429 (docs.github.com, "Rate limits")
    if status in _BUSY and not spent:
        raise _TryAgainError(said, _retry_after(headers.get("Retry-After", "")))
    if status < 300:  # noqa: PLR2004  the class of successes
        raise FetchContentError(f"{shown}: {said}, which is not a whole file", "check the URL in a browser")
    hint = "check the URL in a browser"
    if spent:
        said, hint = f"{said}: its limit for this hour is used up", "set GITHUB_TOKEN, or wait an hour"
    elif status in _GONE:
        hint = "links of build services expire after days; check the URL in a browser"
    elif status in _DENIED:
        hint = "it wants a login: download the file yourself and name it"
    error = FetchStatusError(f"{shown}: {said}", hint)
    error.http_status = status
    raise error


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After, which is a number or a date (RFC 9110 §10.2.3); 0 where it is neither."""
    if text.strip().isdigit():
        return float(text.strip()[:9])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to import, and seldom needed

    with suppress(ValueError, TypeError, IndexError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds())
    return 0.0


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Foreign exceptions become ours, or a reason to try again."""
    import requests  # noqa: PLC0415
    import urllib3  # noqa: PLC0415  reading as bytes come means reading below requests, which wraps nothing there

    shown = plain_url(url)
    try:
        yield
    except requests.exceptions.SSLError as error:
        if "certificate" not in str(error).lower():
            raise _TryAgainError("the encrypted connection broke") from error
        raise FetchCertificateError(f"{shown}: {_reason(error)}", FetchCertificateError.remedy) from error
    except ValueError as error:  # requests' InvalidURL and the like are such
        raise FetchStatusError(f"{shown}: is no address: {_reason(error)}", "correct the URL") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TryAgainError(_reason(error)) from error
    except OSError as error:  # a CA file that is not there, mostly: requests says so in words
        raise FetchError(f"{shown}: {error}", "check REQUESTS_CA_BUNDLE and the proxy variables") from error


def _reason(error: BaseException) -> str:
    """The innermost words of a chain of exceptions that quote each other."""
    inner: BaseException = error
    while True:
        cause = getattr(inner, "reason", None)
        if not isinstance(cause, BaseException):
            cause = next((part for part in inner.args if isinstance(part, BaseException)), None)
        if cause is None:
            break
        inner = cause
    return printable(str(inner).rpartition(">: ")[2], 160) or type(inner).__name__


def _is_ours(error: OSError) -> bool:
    """Whether it is about the disk: what comes from the network is a kind of its own, or has no file."""
    import requests  # noqa: PLC0415

    return not isinstance(error, (requests.exceptions.RequestException, TimeoutError, ConnectionError))


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"{path}: cannot be written: {error.strerror or error}", "free disk space or mend the rights of the folder"
    )


def _record(write: Callable[[], object], path: Path) -> None:
    try:
        write()
    except OSError as error:
        raise _unwritable(path, error) from error


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) <= 20 else 0  # noqa: PLR2004  Python refuses thousands of digits
