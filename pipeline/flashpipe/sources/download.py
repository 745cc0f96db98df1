"""One file from a web server, whatever the server does wrong.

A download grows in a `.part` file (`partial_download`). This module imports requests,
140 ms: load it where a download is due.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3  # reading as bytes come means reading below requests, which wraps nothing there

from flashpipe.errors import (
    FetchCertificateError,
    FetchContentError,
    FetchError,
    FetchInsecureError,
    FetchRedirectError,
    FetchSizeError,
    FetchStatusError,
)
from flashpipe.files import make_parents, private_opener
from flashpipe.firmware.content_type import printable
from flashpipe.next_steps import Advice, name_file, repeat
from flashpipe.sources.partial_download import (
    Answer,
    Limits,
    Order,
    PartialDownload,
    number,
    plain_url,
    record_step,
    unwritable,
)
from flashpipe.sources.patient_adapter import PatientAdapter
from flashpipe.units import format_size

_CHUNK: Final = 0x10000
_GRACE_S: Final = 1.0
"""For what looks at the clock itself."""
_MANY: Final = 20
"""Attempts in all; a connection that breaks after some progress does not count against `Limits.attempts`."""
_OK, _PARTIAL, _NOT_MODIFIED, _OUT_OF_RANGE = 200, 206, 304, 416
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may cure (RFC 9110 §15; 425: RFC 8470, 429: RFC 6585)."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DENIED: Final = frozenset({401, 403, 407})
_GONE: Final = frozenset({404, 410})


class _TryAgainError(Exception):
    """Something that another attempt may cure."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.message, self.wait_s = message, wait_s


class _StalledError(_TryAgainError):
    """The server is silent, or nearly so."""


def download(order: Order) -> Answer:
    """Fetch a file into its part, which is on the disk, whole as far as the server says, when this returns.

    Raises:
        FetchError: and its kinds, one for each way to fail.
        RecordError: the disk is full or the cache cannot be written.
    """
    part, shown = order.part, plain_url(order.url)
    record_step(lambda: make_parents(part.path), part.path.parent)
    failures, stalls, last = 0, 0, _TryAgainError("")
    with requests.Session() as session:
        # Redirects are followed below, one by one: requests reads the whole body of each, however long it is.
        session.get_redirect_target = lambda _response: None  # type: ignore[assignment,method-assign]
        adapter = PatientAdapter(order.limits.headers_s)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        for _ in range(_MANY):
            before = part.size
            try:
                return _uncut(_attempt(session, order, adapter), part, adapter)
            except _TryAgainError as error:
                if adapter.expired:
                    raise FetchError(
                        f"{shown}: the server has not said within {order.limits.headers_s:g} s what it sends",
                        "check the URL in a browser; later it may be better",
                    ) from error
                more = part.size >= before + _CHUNK
                failures = 1 if more else failures + 1
                stalls = isinstance(error, _StalledError) * (1 if more else stalls + 1)
                last = error
            if failures >= order.limits.attempts or stalls >= order.limits.stalls:
                break
            _pause(shown, last, failures, order.limits)
    raise FetchError(
        f"{shown}: {last.message}; gave up after several attempts",
        Advice("check network and proxy, then ", repeat("run it again"), ": it continues where it stopped"),
    )


def _uncut(answer: Answer, part: PartialDownload, adapter: PatientAdapter) -> Answer:
    """Go on with an answer whose headers came to an end: one that was cut off there seems to have no content."""
    if adapter.expired:
        part.discard()
        raise _TryAgainError("cut off")
    return answer


def _pause(shown: str, error: _TryAgainError, failures: int, limits: Limits) -> None:
    if error.wait_s > limits.pause_s:
        raise FetchStatusError(
            f"{shown}: {error.message}, and asks to wait {error.wait_s:.0f} s",
            Advice(repeat("run it again"), " after that"),
        )
    time.sleep(error.wait_s or min(limits.pause_s, limits.backoff_s * 2 ** (failures - 1)))


def _attempt(session: requests.Session, order: Order, adapter: PatientAdapter) -> Answer:
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
            _check_size(order, number(headers.get("Content-Length", "")))
            part.restart(headers)
        else:
            _refuse(plain_url(order.url), response)
        _receive(order, response, start, adapter)
        counted = status != _OK or "Content-Length" in headers or "Transfer-Encoding" in headers
        validators = headers.get("ETag", part.etag), headers.get("Last-Modified", part.modified)
        return Answer(url, *validators, counted=counted)


@contextmanager
def _open(session: requests.Session, order: Order, headers: dict[str, str]) -> Iterator[requests.Response]:
    """The answer at the end of the redirects."""
    limits, current, shown = order.limits, order.url, plain_url(order.url)
    urls = set()
    for _ in range(limits.redirects + 1):
        _check_scheme(order, current)
        urls.add(current)
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
        if current in urls:
            raise FetchRedirectError(f"{shown}: redirects in a circle, again to {plain_url(current)}")
    raise FetchRedirectError(f"{shown}: more than {limits.redirects} redirects")


def _joined(shown: str, current: str, location: str) -> str:
    try:
        # Servers write UTF-8 where the header is Latin-1.
        target = urljoin(current, location.encode("latin-1", "replace").decode("utf-8", "replace"))
        _ = urlsplit(target).port  # refuses what only looks like a number
    except ValueError as error:
        raise FetchRedirectError(f"{shown}: redirects to {printable(location)!r}, which is no address") from error
    return target


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


def _receive(order: Order, response: requests.Response, start: int, adapter: PatientAdapter) -> None:
    part = order.part
    try:
        with open(part.path, "r+b" if start else "w+b", opener=private_opener) as stream:
            stream.seek(start)
            known = stream.read()
            stream.seek(start)
            for chunk in _chunks(response, order.limits, adapter, packed=not part.resumable):
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
            raise unwritable(part.path, error) from error
        raise
    if known:
        part.discard()
        raise _TryAgainError("the server continued with bytes of another file")
    if part.total and at != part.total:
        raise _TryAgainError(f"the connection broke after {at:,} of {part.total:,} bytes")


def _chunks(response: requests.Response, limits: Limits, adapter: PatientAdapter, *, packed: bool) -> Iterator[bytes]:
    """The body as it comes; raises where it hardly comes at all."""
    raw = response.raw
    read = getattr(raw, "read1", None)  # urllib3 1 has none: there a small amount keeps the clock running
    while True:
        begun, got = time.monotonic(), 0
        clock = adapter.watch(limits.drip_s + _GRACE_S)  # lengths of chunks are read on and on, without giving any
        try:
            while time.monotonic() - begun < limits.drip_s:
                chunk = read(_CHUNK, decode_content=packed) if read else raw.read(0x200, decode_content=packed)
                if not chunk and not adapter.stalled:
                    return
                yield chunk
                got += len(chunk)
        except (OSError, urllib3.exceptions.HTTPError):
            if not adapter.stalled:
                raise
        finally:
            clock.cancel()
        if got < limits.drip_bytes or adapter.stalled:
            raise _StalledError(f"stalled: {got} bytes in {time.monotonic() - begun:.0f} s")


def _check_size(order: Order, size: int) -> None:
    limit = order.limits.size
    if size > limit:
        order.part.discard()
        raise FetchSizeError(
            f"{plain_url(order.url)}: {size:,} bytes or more; the limit is {format_size(limit)}",
            Advice(name_file("the firmware file itself")),
        )


def _refuse(shown: str, response: requests.Response) -> None:
    status, headers = response.status_code, response.headers
    answer = f"the server answers {status} {printable(response.reason or '', 60)}".rstrip()
    spent = headers.get("X-RateLimit-Remaining") == "0"  # GitHub's 403 and 429 (docs.github.com, "Rate limits")
    if status in _BUSY and not spent:
        raise _TryAgainError(answer, _retry_after(headers.get("Retry-After", "")))
    if status < 300:  # noqa: PLR2004  the class of successes
        raise FetchContentError(f"{shown}: {answer}, which is not a whole file", "check the URL in a browser")
    hint = "check the URL in a browser"
    if spent:
        answer, hint = f"{answer}: its limit for this hour is used up", "set GITHUB_TOKEN, or wait an hour"
    elif status in _GONE:
        hint = "links of build services expire after days; check the URL in a browser"
    elif status in _DENIED:
        hint = "it wants a login: download the file yourself and name it"
    error = FetchStatusError(f"{shown}: {answer}", hint)
    error.http_status = status
    raise error


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After, which is a number or a date (RFC 9110 §10.2.3); 0 where it is neither."""
    if text.strip().isdigit():
        return float(text.strip()[:9])
    with suppress(ValueError, TypeError, IndexError):
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds())
    return 0.0


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Foreign exceptions become ours, or a reason to try again."""
    shown = plain_url(url)
    try:
        yield
    except requests.exceptions.SSLError as error:
        if "certificate" not in str(error).lower():
            raise _TryAgainError("the encrypted connection broke") from error
        if "NO_CERTIFICATE_OR_CRL" in str(error):
            bundle = (
                os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or "the file of certificates"
            )
            raise FetchCertificateError(
                f"{shown}: {printable(bundle)} holds no certificates",
                "REQUESTS_CA_BUNDLE has to name a file of CA certificates, in PEM",
            ) from error
        raise FetchCertificateError(f"{shown}: {_reason(error)}", FetchCertificateError.remedy) from error
    except ValueError as error:  # requests' InvalidURL and the like are such
        if "SOCKS" in str(error):
            raise FetchError(
                f"{shown}: the proxy that the environment names is SOCKS, which takes a package more",
                "`pip install pysocks`, or let HTTPS_PROXY name an HTTP proxy",
            ) from error
        raise FetchStatusError(f"{shown}: is no address: {_reason(error)}", "correct the URL") from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _StalledError(_reason(error)) from error
    except requests.exceptions.ProxyError as error:
        raise _TryAgainError(f"the proxy cannot be reached: {_reason(error)}") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TryAgainError(_reason(error)) from error
    except OSError as error:  # a CA file that is not there, mostly: requests says so in words
        raise FetchError(f"{shown}: {error}", "check REQUESTS_CA_BUNDLE and the proxy variables") from error


_CONNECTION: Final = re.compile(r"^\w+\(host='([^']*)', port=(\d+)\): ")
"""How urllib3 names what could not connect."""


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
    words = _CONNECTION.sub(r"\1:\2: ", str(inner).rpartition(">: ")[2])
    return printable(words, 160) or type(inner).__name__


def _is_ours(error: OSError) -> bool:
    """Whether it is about the disk: what comes from the network is a kind of its own, or has no file."""
    return not isinstance(error, (requests.exceptions.RequestException, TimeoutError, ConnectionError))
