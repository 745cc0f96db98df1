"""Files behind a URL, and what all downloads share: bytes that are pinned and at hand need no network."""

from __future__ import annotations

from flashpipe.errors import FetchMismatchError
from flashpipe.sources.archive_names import is_gzip_name
from flashpipe.sources.fetch import Address, Fetched, fetch, file_name, parse_url
from flashpipe.sources.registry import Resolved, SourceKind, SourceRequest, register


def canonical(text: str) -> str:
    """The URL as the lock file has it: without credentials.

    Raises:
        SourceError: it cannot be fetched.
    """
    return parse_url(text).text


def load_url(request: SourceRequest) -> Resolved:
    """The file behind a URL.

    Raises:
        FetchError: in one of many ways.
        SourceError: what came cannot be used.
    """
    address = parse_url(request.outer)
    return pinned_content(request, address.text) or download_file(request, address, address.text)


def pinned_content(request: SourceRequest, text: str) -> Resolved | None:
    """What the cache holds of the digest that is pinned: there is nothing to ask anybody. `text` is canonical."""
    data = request.access.cache.content(request.pinned) if request.pinned else None
    if data is None:
        return None
    record = request.access.cache.record(text)
    name = request.member or (file_name(text) if "://" in text else text.rpartition("/")[2])
    name = name.replace("\\", "/").rpartition("/")[2]
    name = name[:-3] if is_gzip_name(name) else name
    return Resolved(request.named(text), name, data, record.url if record else "", remote=True, cached=True)


def download_file(request: SourceRequest, address: Address, text: str) -> Resolved:
    """The file at an address, for the source whose canonical text is `text`.

    Raises:
        FetchError: in one of many ways; a FetchMismatchError has what came, as a `Resolved`.
        ArchiveError: no such member, or an archive that is not to be trusted.
    """
    pinned = "" if request.packed else request.pinned
    try:
        fetched = fetch(address, request.access, kind=request.kind, pinned_sha256=pinned, key=text)
    except FetchMismatchError as error:
        if isinstance(error.actual, Fetched):
            name, actual = file_name(address.url), error.actual
            error.actual = Resolved(request.named(text), name, actual.data, actual.url, remote=True)
        raise
    return unpacked(request, text, fetched)


def unpacked(request: SourceRequest, text: str, fetched: Fetched) -> Resolved:
    """The image in what was fetched.

    Raises:
        ArchiveError: no such member, or an archive that is not to be trusted.
    """
    name, data, begins = request.unpack(file_name(fetched.url), fetched.data)
    if request.packed:
        request.access.cache.keep(data)  # a lock pins what is flashed: found again without the archive
    return Resolved(request.named(text), name, data, fetched.url, remote=True, cached=fetched.cached, begins=begins)


register(SourceKind(("https://", "http://"), canonical, load_url))
