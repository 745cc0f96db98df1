"""Downloads from a server that does everything servers do wrong."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from flashpipe.errors import (
    FetchBusyError,
    FetchCertificateError,
    FetchContentError,
    FetchError,
    FetchInsecureError,
    FetchMismatchError,
    FetchRedirectError,
    FetchSizeError,
    FetchStatusError,
    OfflineError,
    RecordError,
    SourceError,
)
from flashpipe.locks import exclusive
from flashpipe.sources.cache import Cache
from flashpipe.sources.fetch import Access, Fetched, fetch, parse_url
from flashpipe.sources.partial_download import Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.images import Builder
from tests.webserver import Asked, Reply, Server, digest, document, hung_up, in_turn, part, redirect

QUICK = Limits(connect_s=2, read_s=1, attempts=3, backoff_s=0.01, pause_s=0.3, redirects=4)
PATH = "/fw/nodemcu.bin"


@pytest.fixture(scope="module")
def image() -> bytes:
    builder = Builder()
    return builder.combine(builder.pair_3x())


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(limits=QUICK, cache=Cache(tmp_path / "cache"))


def get(web: Server, access: Access, path: str = PATH, *, pinned: str = "") -> Fetched:
    return fetch(parse_url(web.url(path)), access, pinned_sha256=pinned)


def ranges(web: Server, path: str = PATH) -> list[str]:
    return [asked.headers.get("Range", "") for asked in web.asked if asked.path == path]


# --- what goes well --------------------------------------------------------------------------------------------------


def test_a_file_comes_with_its_digest_and_stays(web: Server, access: Access, image: bytes) -> None:
    seen: list[tuple[int, int]] = []
    watched = replace(access, progress=lambda _source, done, total: seen.append((done, total)))
    web.routes[PATH] = document(image)
    found = get(web, watched)
    assert (found.data, found.sha256, found.url, found.cached) == (image, digest(image), web.url(PATH), False)
    assert seen[-1] == (len(image), len(image))
    assert get(web, replace(access, offline=True)) == replace(found, cached=True)
    assert get(web, access).cached  # 304
    assert web.times(PATH) == 2
    assert not list((access.cache.folder / "parts").iterdir())


def test_a_changed_file_is_fetched_anew(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    get(web, access)
    web.routes[PATH] = document(image + b"\x01", etag='"2"')
    assert get(web, access).data == image + b"\x01"
    assert get(web, replace(access, offline=True)).data == image + b"\x01"


def test_a_date_serves_where_there_is_no_etag(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image, etag="", modified=formatdate(1e9, usegmt=True), cuts=(100_000,))
    assert get(web, access).data == image
    assert ranges(web) == ["", f"bytes={100_000 - 4096}-"]
    assert get(web, access).cached


def test_a_pinned_and_cached_file_needs_no_server(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    get(web, access)
    assert get(web, access, pinned=digest(image)).cached
    assert get(web, access, "/elsewhere.bin", pinned=digest(image)).data == image
    assert web.times(PATH) == 1


def test_a_cached_file_that_rots_is_fetched_again(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    get(web, access)
    (path,) = (access.cache.folder / "sha256").glob("*/*")
    path.write_bytes(image[:0x20000] + bytes([image[0x20000] ^ 1]) + image[0x20001:])
    assert get(web, access, pinned=digest(image)).data == image
    path.write_bytes(b"rot")
    with pytest.raises(OfflineError):
        get(web, replace(access, offline=True))


def test_redirects_are_followed_and_the_end_is_named(web: Server, access: Access, image: bytes) -> None:
    web.routes |= {PATH: redirect("/a"), "/a": redirect(web.url("/b?token=secret"), 307), "/b": document(image)}
    found = get(web, access)
    assert (found.data, found.url) == (image, web.url("/b"))


def test_what_a_server_packs_for_the_way_is_unpacked(web: Server, access: Access, image: bytes) -> None:
    import gzip  # noqa: PLC0415

    web.routes[PATH] = Reply(gzip.compress(image), headers={"Content-Encoding": "gzip"})
    assert get(web, access).data == image


def test_a_length_that_is_not_told_is_no_obstacle(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = Reply(image, length=-1)
    assert get(web, access).data == image


def test_what_may_have_been_cut_off_is_asked_for_once_more(web: Server, access: Access, image: bytes) -> None:
    web.routes["/short"] = Reply(image[:2000], length=-1)
    with pytest.raises(FetchMismatchError, match=r"2,000 bytes came.*no length"):
        get(web, access, "/short", pinned=digest(image))
    web.routes["/other"] = document(image[:2000])
    with pytest.raises(FetchMismatchError) as changed:
        get(web, access, "/other", pinned=digest(image))
    assert "no length" not in changed.value.message
    assert [asked.times for asked in web.asked if asked.path == "/other"] == [0]
    web.routes[PATH] = lambda asked: Reply(image[: None if asked.times else 2000], length=-1)
    assert get(web, access, pinned=digest(image)).data == image


def test_unencrypted_only_with_a_digest(access: Access, image: bytes, web: Server) -> None:
    plain = Server()
    try:
        plain.routes[PATH] = document(image)
        with pytest.raises(FetchInsecureError) as caught:
            get(plain, access)
        assert "#sha256=" in caught.value.hint
        assert get(plain, access, pinned=digest(image)).data == image
        assert (
            get(plain, replace(access, cache=Cache(access.cache.folder / "2")), f"{PATH}#sha256={digest(image)}").data
            == image
        )
        plain.routes["/up"] = redirect(web.url(PATH))
        web.routes[PATH] = document(image)
        fresh = replace(access, cache=Cache(access.cache.folder / "3"))
        assert get(plain, fresh, "/up", pinned=digest(image)).url == web.url(PATH)
    finally:
        plain.close()


# --- broken connections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1, 4095, 4096, 4097, 65_536, 200_000])
def test_a_cut_download_is_continued(web: Server, access: Access, image: bytes, at: int) -> None:
    web.routes[PATH] = document(image, cuts=(at,))
    assert get(web, access).data == image
    assert ranges(web) == ["", f"bytes={at - 4096}-" if at > 4096 else ""]


def test_progress_forgives_failures_but_not_for_ever(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image, cuts=(70_000, 74_096, 74_096, 60_000))
    assert get(web, access).data == image
    web.routes["/stuck"] = document(image, cuts=(70_000, *[4096] * 30))
    with pytest.raises(FetchError, match="several attempts"):
        get(web, access, "/stuck")
    assert web.times("/stuck") == QUICK.attempts


def test_another_process_continues_where_the_first_one_stopped(web: Server, access: Access, image: bytes) -> None:
    once = replace(access, limits=replace(QUICK, attempts=1))
    web.routes[PATH] = document(image, cuts=(100_000,))
    with pytest.raises(FetchError, match=r"broke after|IncompleteRead|broken"):
        get(web, once)
    assert get(web, once).data == image
    assert ranges(web)[1] == f"bytes={100_000 - 4096}-"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 260_000), max_size=4), etag=st.sampled_from(['"1"', ""]))
def test_wherever_connections_break_the_bytes_are_the_files(
    web: Server, access: Access, image: bytes, cuts: list[int], etag: str
) -> None:
    folder = uuid.uuid4().hex
    patient = replace(access, limits=replace(QUICK, attempts=6), cache=Cache(access.cache.folder / folder))
    path = f"/{folder}"
    web.routes[path] = document(image, etag=etag, cuts=tuple(cuts))
    assert get(web, patient, path).data == image


def test_a_server_that_is_down_leaves_what_came_before(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    get(web, access)
    web.routes[PATH] = Reply(status=502)
    with pytest.raises(FetchError) as caught:
        get(web, access)
    assert "offline=1 uses what came on 20" in caught.value.hint


def test_nothing_that_a_server_says_reaches_the_terminal_as_a_command(web: Server, access: Access) -> None:
    web.routes |= {
        "/to": redirect("file:///a\x1b[31m"),
        PATH: redirect("https://\x1b[2J/a"),
        "/port": redirect("https://h:x/"),
    }
    web.routes |= {"/page": Reply(b"<html><title>\x1b[2J</title>")}
    for path in (PATH, "/to", "/port", "/page"):
        with pytest.raises(FetchError) as caught:
            get(web, access, path)
        assert "\x1b" not in str(caught.value)


def test_a_server_without_ranges_is_asked_for_the_whole(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = in_turn(
        Reply(image, headers={"ETag": '"1"'}, cut=100_000), Reply(image, headers={"ETag": '"1"'})
    )
    assert get(web, access).data == image


def test_without_a_strong_validator_nothing_is_continued(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image, etag='W/"1"', cuts=(100_000,))
    assert get(web, access).data == image
    assert ranges(web) == ["", ""]


def test_a_file_that_changes_between_two_parts_is_begun_anew(web: Server, access: Access, image: bytes) -> None:
    other = image[:50_000] + b"\x55" + image[50_001:]
    web.routes[PATH] = in_turn(document(image, cuts=(100_000,)), document(other, etag='"2"'))
    assert get(web, access).data == other


@pytest.mark.parametrize("lie", ["bytes", "etag", "start", "total", "range"])
def test_a_part_of_another_file_is_not_spliced(web: Server, access: Access, image: bytes, lie: str) -> None:
    other = bytes(byte ^ 0xFF for byte in image)

    def wrong(asked: Asked) -> Reply:
        start = int(asked.headers["Range"].removeprefix("bytes=").rstrip("-"))
        data = other if lie == "bytes" else image
        reply = part(data, start + (lie == "start"), {"ETag": '"9"' if lie == "etag" else '"1"'})
        changed = {"total": f"bytes {start}-{len(image)}/{len(image) + 1}", "range": ""}
        return Reply(reply.body, 206, {**reply.headers, **({"Content-Range": changed[lie]} if lie in changed else {})})

    web.routes[PATH] = in_turn(document(image, cuts=(100_000,)), wrong, document(image))
    assert get(web, access).data == image
    assert ranges(web)[2] == ""


def test_a_part_that_nobody_asked_for_is_refused(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = part(image, 1000, {})
    with pytest.raises(FetchContentError, match="206"):
        get(web, access)


def test_an_end_that_is_none_is_asked_for_again(web: Server, access: Access, image: bytes) -> None:
    nothing_more = Reply(status=416)
    web.routes[PATH] = in_turn(document(image, cuts=(100_000,)), nothing_more, document(image))
    assert get(web, access).data == image


@pytest.mark.parametrize("length", [300_000, 10_000_000])
def test_a_length_that_never_comes(web: Server, access: Access, image: bytes, length: int) -> None:
    web.routes[PATH] = Reply(image[:200_000], length=length)
    with pytest.raises(FetchError) as caught:
        get(web, access)
    assert type(caught.value) is FetchError
    assert web.times(PATH) == QUICK.attempts
    with pytest.raises(OfflineError):
        get(web, replace(access, offline=True))


def test_a_slow_drip_is_given_up(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = Reply(image, drip_s=0.02)
    slow = replace(access, limits=replace(QUICK, drip_s=0.3, attempts=9))
    with pytest.raises(FetchError, match="stalled"):
        get(web, slow)
    assert web.times(PATH) == QUICK.stalls


@pytest.mark.parametrize("body", [b"1;", b"1\r\nx\r\n0\r\nX: "])
def test_what_is_between_the_chunks_has_its_limit_as_well(web: Server, access: Access, body: bytes) -> None:
    """A length, or a header behind the last chunk, that comes byte by byte and has no end gives no byte of a file."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    web.routes[PATH] = Reply(endless=(head + body, b"a"))
    with pytest.raises(FetchError, match="stalled"):
        get(web, replace(access, limits=replace(QUICK, drip_s=0.1, attempts=9)))
    assert web.times(PATH) == QUICK.stalls


@pytest.mark.parametrize(
    "endless",
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"a"), (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n")],
)
def test_headers_without_an_end_are_given_up_at_once(web: Server, access: Access, endless: tuple[bytes, bytes]) -> None:
    web.routes[PATH] = Reply(endless=endless)
    with pytest.raises(FetchError) as caught:
        get(web, replace(access, limits=replace(QUICK, headers_s=0.3)))
    assert type(caught.value) is FetchError, "not one about the content, of which none came"
    assert web.times(PATH) == 1


def test_silence_is_given_up(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = Reply(image, drip_s=3)
    with pytest.raises(FetchError, match="timed out"):
        get(web, replace(access, limits=replace(QUICK, read_s=0.2, attempts=9)))
    assert web.times(PATH) == QUICK.stalls


# CPython's ssl leaves a socket to the collector when the peer has gone before the handshake.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("web")
def test_nobody_there_and_connections_reset(access: Access) -> None:
    def attempt(port: int) -> str:
        with pytest.raises(FetchError) as caught:
            fetch(parse_url(f"https://127.0.0.1:{port}/a.bin"), access)
        assert type(caught.value) is FetchError
        return caught.value.message

    ports: list[int] = []
    with hung_up(ports.append):
        messages = [attempt(ports[0])]
    messages.append(attempt(ports[0]))
    gc.collect()  # here, where the warning is forgiven
    for message in messages:
        assert "\n" not in message
        assert "gave up" in message


# --- servers that refuse ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(web: Server, access: Access, image: bytes, status: int) -> None:
    soon = formatdate(time.time() - 5, usegmt=True)
    busy = [Reply(status=status, headers={"Retry-After": text}) for text in ("0", soon)]
    web.routes[PATH] = in_turn(*busy, document(image))
    assert get(web, access).data == image


@pytest.mark.parametrize(
    ("after", "seconds"), [("3600", "3600"), ("Fri, 01 Jan 2100 00:00:00 GMT", r"[\d,]{8,}")], ids=["seconds", "date"]
)
def test_nobody_waits_an_hour(web: Server, access: Access, after: str, seconds: str) -> None:
    web.routes[PATH] = Reply(status=503, headers={"Retry-After": after})
    with pytest.raises(FetchStatusError, match=rf"asks to wait {seconds} s"):
        get(web, access)
    assert web.times(PATH) == 1


@pytest.mark.parametrize("after", ["", "soon", "9" * 4000])
def test_a_busy_server_that_says_nothing_useful(web: Server, access: Access, after: str) -> None:
    web.routes[PATH] = Reply(status=503, headers={"Retry-After": after})
    with pytest.raises(FetchError, match="503"):
        get(web, access)


@pytest.mark.parametrize(
    ("status", "hint"), [(404, "expire"), (410, "expire"), (403, "login"), (401, "login"), (418, "")]
)
def test_a_refusal_is_not_repeated(web: Server, access: Access, status: int, hint: str) -> None:
    web.routes[PATH] = Reply(b"<html>no</html>", status)
    with pytest.raises(FetchStatusError, match=str(status)) as caught:
        get(web, access)
    assert hint in caught.value.hint
    assert web.times(PATH) == 1


@pytest.mark.parametrize("status", [403, 503])
def test_what_a_server_repeats_of_a_login_is_not_told(web: Server, access: Access, status: int) -> None:
    web.routes[PATH] = Reply(status=status, reason="api_key=hunter22 of http://me:hunter22@host refused")
    with pytest.raises(FetchError, match="refused") as caught:
        get(web, access)
    assert "hunter22" not in caught.value.message


def test_redirects_that_lead_nowhere(web: Server, access: Access) -> None:
    web.routes |= {"/loop": redirect("/loop2"), "/loop2": redirect("/loop"), "/none": Reply(status=302)}
    web.routes |= {f"/{number}": redirect(f"/{number + 1}") for number in range(9)}
    web.routes |= {"/file": redirect("file:///etc/passwd"), "/down": redirect("http://127.0.0.1:9/a.bin")}
    for path, word in (("/loop", "circle"), ("/0", "more than 4"), ("/none", "names no"), ("/file", "not on the web")):
        with pytest.raises(FetchRedirectError, match=word):
            get(web, access, path)
    with pytest.raises(FetchInsecureError, match="from https to http://127"):
        get(web, access, "/down", pinned="0" * 64)


def test_the_body_of_a_redirect_is_not_waited_for(web: Server, access: Access, image: bytes) -> None:
    web.routes |= {
        PATH: Reply(image, 302, {"Location": "/b\xc3\xbc.bin"}, drip_s=0.01),
        "/b%C3%BC.bin": document(image),
    }
    started = time.monotonic()
    assert get(web, access).data == image
    assert time.monotonic() - started < 5


def test_an_unknown_certificate(web: Server, access: Access, image: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    web.routes[PATH] = document(image)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(FetchCertificateError, match="certificate verify failed") as caught:
        get(web, access)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(FetchError, match=r"/nowhere/ca\.pem"):
        get(web, access)


def test_what_is_wrong_with_a_proxy_or_a_file_of_certificates_is_said_of_them(
    web: Server, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(FetchError, match=r"the proxy cannot be reached: 127\.0\.0\.1:1: Failed to establish"):
        get(web, access)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://u:p@127.0.0.1:1")
    with pytest.raises(FetchError, match="is SOCKS") as socks:
        get(web, access)
    assert "pysocks" in socks.value.hint
    monkeypatch.delenv("HTTPS_PROXY")
    bundle = tmp_path / "empty.pem"
    bundle.write_text("nothing\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(FetchCertificateError, match=r"empty\.pem holds no certificates"):
        get(web, access)


def test_a_proxy_is_used(web: Server, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server()
    monkeypatch.setenv("HTTP_PROXY", proxy.url())
    monkeypatch.setenv("NO_PROXY", "")
    proxy.routes["http://example.invalid/a.bin"] = Reply(b"\xe9" + bytes(100))
    found = fetch(parse_url("http://example.invalid/a.bin"), access, pinned_sha256=digest(b"\xe9" + bytes(100)))
    assert found.data == b"\xe9" + bytes(100)
    proxy.close()
    del web


# --- what comes is not what was wanted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"<!DOCTYPE html><html><head><title>Log in</title></head></html>", "HTML page .'Log in'"),
        (b'{"message": "Not Found"}', "JSON"),
        (b"PK\x03\x04" + bytes(100), "ZIP archive"),
        (b"\x7fELF" + bytes(100), "ELF"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"Not found\n", "text .'Not found'"),
        (b"", "empty file"),
        (bytes(range(256)).replace(b"\n", b"\r\n") * 64, "CR-LF"),
        (Builder().newer_chip(5, 0x3C000020), "ESP32-C3"),
    ],
)
def test_what_is_no_firmware_is_not_kept(web: Server, access: Access, body: bytes, word: str) -> None:
    web.routes[PATH] = document(body)
    with pytest.raises(FetchContentError, match=word) as caught:
        get(web, access)
    assert "not kept" in caught.value.message
    assert "\n" not in caught.value.message
    assert not list((access.cache.folder / "parts").glob("*"))
    with pytest.raises(OfflineError):
        get(web, replace(access, offline=True))


def test_what_is_not_pinned_is_not_kept(web: Server, access: Access, image: bytes) -> None:
    flipped = image[:0x20000] + bytes([image[0x20000] ^ 1]) + image[0x20001:]
    web.routes[PATH] = document(flipped)
    with pytest.raises(FetchMismatchError) as caught:
        get(web, access, pinned=digest(image))
    assert digest(image) in caught.value.message
    assert digest(flipped) in caught.value.message
    assert caught.value.actual is not None
    assert caught.value.actual.data == flipped
    assert access.cache.content(digest(flipped)) is None


@pytest.mark.parametrize("length", [None, -1])
def test_nothing_is_fetched_that_fits_nowhere(web: Server, access: Access, length: int | None) -> None:
    web.routes[PATH] = Reply(bytes(300_000), length=length)
    with pytest.raises(FetchSizeError, match="bytes or more"):
        get(web, replace(access, limits=replace(QUICK, size=100_000)))


def test_a_disk_that_cannot_be_written(web: Server, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    web.routes[PATH] = document(image)
    with pytest.raises(RecordError):
        get(web, Access(limits=QUICK, cache=Cache(tmp_path / "file")))
    blocked = Access(limits=QUICK, cache=Cache(tmp_path / "cache"))
    blocked.cache.part_path(web.url(PATH)).mkdir(parents=True)
    with pytest.raises(RecordError, match="cannot be written"):
        get(web, blocked)


# --- several at once -------------------------------------------------------------------------------------------------

FETCH = """
import sys
from pathlib import Path
from flashpipe.sources.cache import Cache
from flashpipe.sources.fetch import Access, fetch, parse_url
print(fetch(parse_url(sys.argv[1]), Access(cache=Cache(Path(sys.argv[2])))).sha256)
"""


def test_processes_that_want_one_file_download_it_once(web: Server, access: Access, image: bytes) -> None:
    slow = Reply(image[:64], drip_s=0.02)
    web.routes[PATH] = in_turn(slow, slow)
    command = [sys.executable, "-c", FETCH, web.url(PATH), str(access.cache.folder)]
    others = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for _ in range(3)
    ]
    found = {process.communicate(timeout=60)[0].strip() for process in others}
    assert found == {digest(image[:64])}
    # Who comes after the first has finished asks the server whether it changed; nobody downloads at the same time.
    assert not list((access.cache.folder / "parts").iterdir())


def test_who_waits_takes_what_the_other_one_fetched(web: Server, access: Access, image: bytes) -> None:
    import threading  # noqa: PLC0415

    web.routes[PATH] = Reply(image[:64], drip_s=0.01)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(get(web, access).data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [image[:64]] * 4
    assert web.times(PATH) == 1


def test_nobody_waits_for_ever_for_another_process(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    key = parse_url(web.url(PATH)).text
    with exclusive(access.cache.lock_path(key), key, 1), pytest.raises(FetchBusyError):
        get(web, replace(access, busy_s=0.1))
    assert get(web, access).data == image


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("HTTPS://Example.ORG/A.bin", "https://example.org/A.bin"),
        ("https://example.org:443/a.bin", "https://example.org/a.bin"),
        ("https://example.org:8443/a.bin?x=1", "https://example.org:8443/a.bin?query=sha256:1f206b11c23e28cc"),
        ("https://me:secret@example.org/a.bin#part", "https://example.org/a.bin"),
        ("https://[::1]/a.bin", "https://[::1]/a.bin"),
        (f"http://h/a.bin#sha256={'AB' * 32}", f"http://h/a.bin#sha256={'ab' * 32}"),
    ],
)
def test_one_name_for_one_address(text: str, canonical: str) -> None:
    assert parse_url(text).text == canonical


@pytest.mark.parametrize("text", ["ftp://h/a", "https://", "https://[x/a", "https://h:x/a", "https://h/a#sha256=12"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_url(text)
    assert caught.value.hint


def test_credentials_and_signatures_are_neither_shown_nor_kept(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = Reply(status=404)
    url = web.url(f"{PATH}?X-Signature=topsecret").replace("https://", "https://me:topsecret@")
    with pytest.raises(FetchStatusError) as caught:
        fetch(parse_url(url), access)
    assert "topsecret" not in str(caught.value)
    web.routes[PATH] = document(image)
    found = fetch(parse_url(url), access)
    assert "topsecret" not in found.url
    assert web.asked[-1].headers["Authorization"].startswith("Basic ")


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX")
def test_only_the_owner_reads_the_cache(web: Server, access: Access, image: bytes) -> None:
    web.routes[PATH] = document(image)
    get(web, access)
    (record,) = (access.cache.folder / "records").iterdir()
    assert record.stat().st_mode & 0o077 == 0
