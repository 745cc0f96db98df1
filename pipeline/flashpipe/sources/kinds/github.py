"""Files of GitHub releases: `github:OWNER/REPO@TAG/PATTERN`, or `@latest/`.

By the documented REST interface (docs.github.com, "Get a release by tag name", "Get the latest release"): an asset has
a `name`, a `browser_download_url` and, since 2025, a `digest` such as `sha256:…`.
"""

from __future__ import annotations

import fnmatch
import os
import re
from typing import Any, Final
from urllib.parse import quote

from flashpipe.errors import FetchContentError, FetchStatusError, ImageAmbiguousError, ReleaseMissingError, SourceError
from flashpipe.files import read_json
from flashpipe.firmware.content_type import printable
from flashpipe.locks import exclusive
from flashpipe.sources.fetch import Access, Address, cached, parse_url
from flashpipe.sources.kinds.web import download_file, pinned_content, unpacked
from flashpipe.sources.partial_download import Order, PartialDownload
from flashpipe.sources.registry import Resolved, SourceKind, SourceRequest, register
from flashpipe.values import dataclass

PREFIX: Final = "github:"
API_VARIABLE: Final = "FLASHPIPE_GITHUB_API"
"""Environment variable with the base of another interface: GitHub Enterprise's https://HOST/api/v3."""
TOKEN_VARIABLE: Final = "GITHUB_TOKEN"  # noqa: S105  the name, not a token
"""Environment variable that raises GitHub's limit of 60 questions an hour from one address; sent to the API only."""
_SOURCE: Final = re.compile(r"github:(?!\.)([\w.-]+)/(?!\.+@)([\w.-]+)@(.+)/([^/]+)")
_NOT_FOUND: Final = 404
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Release:
    """Which file of which release."""

    owner: str
    repo: str
    tag: str
    """A tag, or `latest`."""
    pattern: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.owner}/{self.repo}@{self.tag}/{self.pattern}"


def parse_release(text: str) -> Release:
    """A source text of a release asset.

    Raises:
        SourceError: not of that form.
    """
    match = _SOURCE.fullmatch(text.strip())
    if match is None:
        raise SourceError(f"{text}: not a release asset", "write github:OWNER/REPO@TAG/PATTERN")
    return Release(*match.groups())


def canonical(text: str) -> str:
    """The source's one text.

    Raises:
        SourceError: it is no release asset.
    """
    return str(parse_release(text))


def load_asset(request: SourceRequest) -> Resolved:
    """The file of a release.

    Raises:
        ReleaseMissingError: no such release or asset.
        FetchError: a download failed, in one of many ways.
        SourceError: what came cannot be used.
    """
    release = parse_release(request.outer)
    text = str(release)
    known = pinned_content(request, text)
    if known is not None:
        return known
    if request.access.offline:
        return unpacked(request, text, cached(text, request.access, request.kind))
    return download_file(request, find_asset(release, request.access), text)


def find_asset(release: Release, access: Access) -> Address:
    """Where the asset lies, and its digest where GitHub names one; asks the API.

    Raises:
        ReleaseMissingError: no such release or asset.
        ImageAmbiguousError: the pattern fits several.
        FetchError: the API does not answer as documented.
    """
    assets = {
        str(asset["name"]): asset
        for asset in _ask(release, access).get("assets", [])
        if isinstance(asset, dict) and asset.get("name") and asset.get("browser_download_url")
    }
    fitting = [name for name in sorted(assets) if fnmatch.fnmatchcase(name, release.pattern)]
    assets_found = [release.pattern] if release.pattern in assets else fitting
    if not assets_found:
        names = printable(", ".join(sorted(assets)[:_LISTED])) or "no files at all"
        raise ReleaseMissingError(f"{release}: the release has no such file; it has {names}", "name one of its files")
    if len(assets_found) > 1:
        raise ImageAmbiguousError(
            f"{release}: {len(assets_found)} files fit: {printable(', '.join(assets_found[:_LISTED]))}",
            "name one of them",
        )
    asset = assets[assets_found[0]]
    address = parse_url(str(asset["browser_download_url"]))
    digest = str(asset.get("digest") or "")
    pinned = digest.removeprefix("sha256:") if re.fullmatch("sha256:[0-9a-f]{64}", digest) else ""
    return Address(address.url, address.text, pinned)


def _ask(release: Release, access: Access) -> dict[str, Any]:
    from flashpipe.sources.download import download  # noqa: PLC0415  140 ms of requests, where the cache does not do

    base = os.environ.get(API_VARIABLE, "").rstrip("/") or "https://api.github.com"
    which = "latest" if release.tag == "latest" else f"tags/{quote(release.tag, safe='')}"
    url = f"{base}/repos/{release.owner}/{release.repo}/releases/{which}"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with exclusive(access.cache.lock_path(url), str(release), access.busy_s):
        part = PartialDownload(access.cache.part_path(url), url)
        part.discard()  # an answer is never continued
        try:
            download(Order(url, part, access.limits, headers=headers))
            answer = read_json(part.path)
        except FetchStatusError as error:
            if error.http_status != _NOT_FOUND:
                raise
            raise ReleaseMissingError(
                f"{release}: GitHub knows no such release", "check owner, name and tag"
            ) from error
        except ValueError as error:
            raise FetchContentError(f"{release}: {base} does not answer in JSON", f"check {API_VARIABLE}") from error
        finally:
            part.discard()
    if not isinstance(answer, dict):
        raise FetchContentError(f"{release}: {base} answers something else than a release", f"check {API_VARIABLE}")
    return answer


register(SourceKind((PREFIX,), canonical, load_asset))
