"""Release assets, asked of a server that answers as GitHub documents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import (
    FetchContentError,
    FetchMismatchError,
    FetchStatusError,
    ImageAmbiguousError,
    OfflineError,
    ReleaseMissingError,
    SourceError,
)
from flashpipe.sources.cache import Cache
from flashpipe.sources.fetch import Access
from flashpipe.sources.kinds.github import Release, parse_release
from flashpipe.sources.partial_download import Limits
from flashpipe.sources.resolve import resolve_source

from tests.webserver import Reply, Server, digest, document, redirect

DATA = b"\xe9" + bytes(range(200))
API = "/repos/nodemcu/nodemcu-firmware/releases"
SOURCE = "github:nodemcu/nodemcu-firmware@0.9.6/nodemcu_float*.bin"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(limits=Limits(attempts=2, backoff_s=0.01), cache=Cache(tmp_path / "cache"))


@pytest.fixture
def hub(web: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("FLASHPIPE_GITHUB_API", web.url("/"))
    names = ("nodemcu_float_1.bin", "nodemcu_integer_1.bin", "nodemcu_integer_2.bin")
    web.routes[f"{API}/tags/0.9.6"] = release(web, *names)
    web.routes |= {f"/download/{name}": redirect(f"/storage/{name}?token=1") for name in names}
    web.routes |= {f"/storage/{name}": document(DATA + name.encode()) for name in names}
    return web


def release(web: Server, *names: str, **more: Any) -> Reply:
    assets = [{"name": name, "browser_download_url": web.url(f"/download/{name}"), **more} for name in names]
    return Reply(json.dumps({"tag_name": "0.9.6", "assets": assets}).encode())


def test_an_asset_by_tag_and_pattern(hub: Server, access: Access) -> None:
    found = resolve_source(SOURCE, Path(), access)
    assert found.data == DATA + b"nodemcu_float_1.bin"
    assert (found.text, found.name, found.url) == (
        SOURCE,
        "nodemcu_float_1.bin",
        hub.url("/storage/nodemcu_float_1.bin"),
    )
    assert found.remote
    assert resolve_source(SOURCE, Path(), replace(access, offline=True)).data == found.data
    asked = len(hub.asked)
    assert resolve_source(SOURCE, Path(), access, pinned_sha256=found.sha256).cached
    assert len(hub.asked) == asked


def test_the_latest_release_is_asked_for_each_time(hub: Server, access: Access) -> None:
    hub.routes[f"{API}/latest"] = release(hub, "nodemcu_float_1.bin")
    latest = SOURCE.replace("0.9.6", "latest")
    assert resolve_source(latest, Path(), access).data == DATA + b"nodemcu_float_1.bin"
    hub.routes[f"{API}/latest"] = release(hub, "nodemcu_integer_1.bin")
    assert resolve_source(latest.replace("float", "*"), Path(), access).data == DATA + b"nodemcu_integer_1.bin"


def test_the_digest_that_github_names_is_held(hub: Server, access: Access) -> None:
    hub.routes[f"{API}/tags/0.9.6"] = release(hub, "nodemcu_float_1.bin", digest=f"sha256:{digest(DATA)}")
    with pytest.raises(FetchMismatchError):
        resolve_source(SOURCE, Path(), access)


def test_a_tag_may_have_slashes(hub: Server, access: Access) -> None:
    hub.routes[f"{API}/tags/release%2F1"] = release(hub, "nodemcu_float_1.bin")
    assert resolve_source(SOURCE.replace("0.9.6", "release/1"), Path(), access).name == "nodemcu_float_1.bin"


def test_no_release_no_file_or_several(hub: Server, access: Access) -> None:
    with pytest.raises(ReleaseMissingError, match="no such release"):
        resolve_source(SOURCE.replace("0.9.6", "7"), Path(), access)
    with pytest.raises(ReleaseMissingError, match=r"it has nodemcu_float_1\.bin"):
        resolve_source("github:nodemcu/nodemcu-firmware@0.9.6/fw.bin", Path(), access)
    with pytest.raises(ImageAmbiguousError, match="2 files fit"):
        resolve_source("github:nodemcu/nodemcu-firmware@0.9.6/*integer*", Path(), access)
    with pytest.raises(OfflineError):
        resolve_source(SOURCE, Path(), replace(access, offline=True))
    del hub


def test_a_token_goes_to_the_interface_only(hub: Server, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "topsecret")
    resolve_source(SOURCE, Path(), access)
    assert [asked.headers.get("Authorization") for asked in hub.asked] == ["Bearer topsecret", None, None]


def test_a_used_up_limit_is_named(hub: Server, access: Access) -> None:
    hub.routes[f"{API}/tags/0.9.6"] = Reply(b"{}", 403, {"X-RateLimit-Remaining": "0"})
    with pytest.raises(FetchStatusError, match="used up") as caught:
        resolve_source(SOURCE, Path(), access)
    assert "GITHUB_TOKEN" in caught.value.hint


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff\xfe"])
def test_an_interface_that_is_none(hub: Server, access: Access, body: bytes) -> None:
    hub.routes[f"{API}/tags/0.9.6"] = Reply(body)
    with pytest.raises(FetchContentError, match=r"answer"):
        resolve_source(SOURCE, Path(), access)


@pytest.mark.parametrize("body", [b"{}", b'{"assets": [1, {"name": "a"}]}'])
def test_a_release_without_files(hub: Server, access: Access, body: bytes) -> None:
    hub.routes[f"{API}/tags/0.9.6"] = Reply(body)
    with pytest.raises(ReleaseMissingError, match="no files at all"):
        resolve_source(SOURCE, Path(), access)


def test_how_an_asset_is_written() -> None:
    assert parse_release("github:o/r.x@v1/rc/a-*.bin") == Release("o", "r.x", "v1/rc", "a-*.bin")
    strange = ("github:o/../r@1/a", "github:../r@1/a", "github:o/..@1/a")
    for wrong in (*strange, "github:o/r", "github:o@1/a", "github:o/r@1", "github:o/r@1/"):
        with pytest.raises(SourceError, match="not a release asset"):
            parse_release(wrong)
