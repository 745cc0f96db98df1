from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from flashpipe.errors import (
    ArchiveMemberError,
    BadValueError,
    FetchContentError,
    FetchMismatchError,
    ImageAmbiguousError,
    ImageMissingError,
    PackageMissingError,
    SourceError,
)
from flashpipe.sources.cache import Cache
from flashpipe.sources.fetch import Access
from flashpipe.sources.registry import Resolved
from flashpipe.sources.resolve import load_source, load_sources, parse_image_argument, resolve_source
from hypothesis import given
from hypothesis import strategies as st

from tests.webserver import Reply, Server, document


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("firmware.bin", {0: "firmware.bin"}),
        ("0x00000:a.bin,0x10000:b.bin", {0: "a.bin", 0x10000: "b.bin"}),
        ("0x10000:b.bin, 0x0:a.bin", {0: "a.bin", 0x10000: "b.bin"}),
        ("0:a.bin,65536:b.bin", {0: "a.bin", 0x10000: "b.bin"}),
        ("0x00000=a.bin,0x10000=b.bin", {0: "a.bin", 0x10000: "b.bin"}),
        ("C:\\fw.bin", {0: "C:\\fw.bin"}),
        ("0x0:C:\\a.bin,0x10000:D:\\b.bin", {0: "C:\\a.bin", 0x10000: "D:\\b.bin"}),
        ("https://example.org/a.bin", {0: "https://example.org/a.bin"}),
        ("package:name/a.bin", {0: "package:name/a.bin"}),
        ("package:name==1.0/a.bin", {0: "package:name==1.0/a.bin"}),
        ("./0x00000.bin", {0: "./0x00000.bin"}),
        ("0x00000.bin", {0: "0x00000.bin"}),
        ("with,comma.bin", {0: "with,comma.bin"}),
        ("0x0:with,comma.bin,0x10000:b.bin", {0: "with,comma.bin", 0x10000: "b.bin"}),
        ("0x0:package:name==1/0x00000.bin,0x10000:x", {0: "package:name==1/0x00000.bin", 0x10000: "x"}),
    ],
)
def test_image_argument(text: str, sources: dict[int, str]) -> None:
    assert parse_image_argument(text) == sources


@pytest.mark.parametrize("text", ["", "  ", "0x0:", "0x0:a,0x0:b", "a.bin,0x10000:b.bin", "0x0:a,0x10000:"])
def test_bad_image_argument(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_image_argument(text)
    assert caught.value.hint


@given(
    parts=st.dictionaries(st.integers(0, 0xFFFFFF), st.from_regex(r"[a-z][a-z./]{0,20}", fullmatch=True), min_size=1)
)
def test_image_argument_round_trip(parts: dict[int, str]) -> None:
    assert parse_image_argument(",".join(f"{at:#07x}:{text}" for at, text in parts.items())) == parts


def test_path_relative_to_the_base(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.bin").write_bytes(b"data")
    image = load_source("sub/a.bin", tmp_path)
    assert (image.name, image.data, image.origin) == ("a.bin", b"data", "sub/a.bin")
    assert load_source(str(tmp_path / "sub" / "a.bin"), Path("/nowhere")).data == b"data"


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.bin").write_bytes(b"data")
    assert load_source("~/a.bin", Path("/nowhere")).data == b"data"


def test_missing_file_lists_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"x")
    with pytest.raises(ImageMissingError, match=r"a\.bin.*there are other\.bin"):
        load_source("a.bin", tmp_path)
    with pytest.raises(ImageMissingError, match="does not exist"):
        load_source("sub/a.bin", tmp_path)


def test_pattern_takes_the_only_match(tmp_path: Path) -> None:
    (tmp_path / "nodemcu-1-float.bin").write_bytes(b"f")
    (tmp_path / "nodemcu-1-float.map").write_bytes(b"m")
    (tmp_path / "folder-float.bin").mkdir()
    assert load_source("*-float.bin", tmp_path).data == b"f"
    with pytest.raises(ImageAmbiguousError, match="2 files match") as caught:
        load_source("nodemcu-*", tmp_path)
    assert "nodemcu-1-float.bin" in caught.value.message
    assert "nodemcu-1-float.bin" in caught.value.hint
    with pytest.raises(ImageMissingError, match="nodemcu-1-float"):
        load_source("*.zip", tmp_path)


def test_two_files_without_addresses_are_told_how(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ImageMissingError) as caught:
        load_source("a.bin,b.bin", tmp_path)
    assert "image=0x00000:FILE,0x10000:FILE" in caught.value.hint


def test_outputs_of_other_build_tools_by_path(tmp_path: Path) -> None:
    for name in (".pio/build/nodemcuv2/firmware.bin", "build/esp8266.esp8266.nodemcuv2/sketch.ino.bin"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(name.encode())
        assert load_source(name, tmp_path).data == name.encode()
    assert load_source(".pio/build/*/firmware.bin", tmp_path).name == "firmware.bin"
    assert load_source("build/*/*.ino.bin", tmp_path).name == "sketch.ino.bin"


def test_name_that_looks_like_a_pattern_but_exists(tmp_path: Path) -> None:
    (tmp_path / "fw[1].bin").write_bytes(b"x")
    assert load_source("fw[1].bin", tmp_path).data == b"x"


def test_what_cannot_be_a_source(tmp_path: Path) -> None:
    (tmp_path / "empty.bin").write_bytes(b"")
    with (tmp_path / "huge.bin").open("wb") as stream:
        stream.truncate(0x1000001)
    for text, word in (
        (".", "is a folder"),
        ("empty.bin", "is an empty file"),
        ("huge.bin", "more than any"),
        ("ftp://example.org/a.bin", "cannot be fetched"),
        ("https:///a.bin", "cannot be fetched"),
        ("github:owner/repo", "not a release asset"),
        ("package:", "not a package source"),
        ("package:name", "not a package source"),
        ("package:name==/a.bin", "not a package source"),
    ):
        with pytest.raises(SourceError, match=word) as caught:
            load_source(text, tmp_path)
        assert caught.value.hint
        assert "\n" not in caught.value.message


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.bin"
    path.write_bytes(b"x")
    path.chmod(0)
    # Root reads everything, so a child tries it that has given that up; build servers are often root.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if bound and not shutil.which(bound[0]):
        pytest.skip("not run: rights do not bind root, and there is no setpriv to give them up")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from flashpipe.errors import SourceError\n"
        "from flashpipe.sources.resolve import load_source\n"
        "try: load_source(sys.argv[1], Path())\n"
        "except SourceError as error: print(error)"
    )
    done = subprocess.run(
        [*bound, sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be read" in done.stdout, done.stderr


def test_sources_of_a_layout(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    loaded = load_sources({0x10000: "b", 0: "a"}, tmp_path)
    assert {address: image.data for address, image in loaded.items()} == {0: b"a", 0x10000: b"b"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution `demo-images` 1.2 with a few files, as pip would have installed it."""
    site = tmp_path / "site"
    info = site / "demo_images-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-images\nVersion: 1.2\n")
    files = ["demo/one.bin", "demo/a/two.bin", "demo/b/two.bin", "demo/gone.bin"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*files, "demo_images-1.2.dist-info/METADATA"]))
    for name in files[:-1]:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(name.encode())
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("package:demo-images/one.bin", b"demo/one.bin"),
        ("package:demo_images/one.bin", b"demo/one.bin"),
        ("package:demo-images==1.2/one.bin", b"demo/one.bin"),
        ("package:demo-images/a/two.bin", b"demo/a/two.bin"),
        ("package:demo-images/demo/b/two.bin", b"demo/b/two.bin"),
    ],
)
@pytest.mark.usefixtures("package")
def test_file_of_a_package(tmp_path: Path, text: str, data: bytes) -> None:
    assert load_source(text, tmp_path).data == data


@pytest.mark.parametrize(
    ("text", "kind", "word", "hint"),
    [
        ("package:no-such-thing/a.bin", PackageMissingError, "is not installed", "pip install --no-deps no-such-thing"),
        ("package:no-such==2/a.bin", PackageMissingError, "is not installed", "pip install --no-deps no-such==2"),
        ("package:demo-images==1.3/one.bin", PackageMissingError, "1.2 is installed", "demo-images==1.3"),
        ("package:demo-images/three.bin", PackageMissingError, "it has gone.bin, one.bin, two.bin", "name one"),
        ("package:demo-images/two.bin", ImageAmbiguousError, "2 files", "more of the path"),
        ("package:demo-images/gone.bin", PackageMissingError, "it is gone", "--force-reinstall"),
    ],
)
@pytest.mark.usefixtures("package")
def test_package_that_does_not_serve(tmp_path: Path, text: str, kind: type[SourceError], word: str, hint: str) -> None:
    with pytest.raises(kind, match=word) as caught:
        load_source(text, tmp_path)
    assert hint in caught.value.hint


def test_pattern_in_a_folder_whose_name_looks_like_one(tmp_path: Path) -> None:
    base = tmp_path / "my [test] *folder*" if sys.platform != "win32" else tmp_path / "my [test] folder"
    base.mkdir()
    (base / "fw-1.bin").write_bytes(b"x")
    assert load_source("fw-*.bin", base).data == b"x"
    assert load_source(str(tmp_path / "my*" / "fw-?.bin"), Path.cwd()).data == b"x"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_device_is_not_read_for_ever(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="device"):
        load_source("/dev/zero", tmp_path)


@pytest.mark.parametrize("text", ["a\0b.bin", "x" * 5000, "~nobody-of-that-name/a.bin", "a.bin/b.bin"])
def test_impossible_names_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    with pytest.raises(SourceError):
        load_source(text, tmp_path)


# --- packed, remote, pinned ------------------------------------------------------------------------------------------


FIRST, PACKED = b"\xe9\x01" + bytes(range(64)), b"\xe9\x02" + bytes(range(64))


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_members_and_packed_files_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "fw-1.zip").write_bytes(zipped({"bin/0x00000.bin": FIRST, "bin/0x10000.bin.gz": gzip.compress(b"b")}))
    (tmp_path / "one.bin.gz").write_bytes(gzip.compress(PACKED))
    (tmp_path / "odd.zip!x.bin").write_bytes(b"\xe9d")
    for text, name, data in (
        ("fw-1.zip!bin/0x00000.bin", "0x00000.bin", FIRST),
        ("fw-*.zip!*/0x10000.bin.gz", "0x10000.bin", b"b"),
        ("one.bin.gz", "one.bin", PACKED),
        ("odd.zip!x.bin", "odd.zip!x.bin", b"\xe9d"),
    ):
        found = resolve_source(text, tmp_path)
        assert (found.text, found.name, found.data) == (text, name, data)
        assert (found.url, found.remote, found.size) == ("", False, len(data))
    with pytest.raises(ArchiveMemberError):
        load_source("fw-1.zip!gone.bin", tmp_path)


def test_a_member_of_an_archive_on_the_web(tmp_path: Path, web: Server) -> None:
    access = Access(cache=Cache(tmp_path / "cache"))
    text = web.url("/fw.zip") + "!bin/0x00000.bin"
    web.routes["/fw.zip"] = document(zipped({"bin/0x00000.bin": FIRST}))
    found = resolve_source(text, tmp_path, access)
    assert (found.text, found.name, found.data) == (text, "0x00000.bin", FIRST)
    assert (found.url, found.remote, found.cached) == (web.url("/fw.zip"), True, False)
    assert resolve_source(text, tmp_path, replace(access, offline=True)) == replace(found, cached=True)
    assert resolve_source(text, tmp_path, access, pinned_sha256=found.sha256) == replace(found, cached=True)
    assert web.times("/fw.zip") == 1
    with pytest.raises(FetchContentError, match="not firmware") as caught:
        resolve_source(web.url("/fw.zip"), tmp_path, access)
    assert "!MEMBER" in caught.value.hint


@pytest.mark.parametrize("unpacking", [False, True])
def test_a_packed_file_on_the_web(tmp_path: Path, web: Server, unpacking: bool) -> None:  # noqa: FBT001
    packed = gzip.compress(PACKED)
    web.routes["/fw.bin.gz"] = Reply(packed, headers={"Content-Encoding": "gzip"} if unpacking else {})
    found = resolve_source(web.url("/fw.bin.gz"), tmp_path, Access(cache=Cache(tmp_path / "cache")))
    assert (found.name, found.data) == ("fw.bin", PACKED)


def test_other_bytes_than_pinned_come_with_the_error(tmp_path: Path, web: Server) -> None:
    access = Access(cache=Cache(tmp_path / "cache"))
    (tmp_path / "a.bin").write_bytes(FIRST)
    web.routes["/a.bin"] = document(FIRST)
    web.routes["/a.zip"] = document(zipped({"a.bin": FIRST}))
    for text in ("a.bin", web.url("/a.bin"), web.url("/a.zip") + "!a.bin"):
        with pytest.raises(FetchMismatchError, match="not 00") as caught:
            resolve_source(text, tmp_path, access, pinned_sha256="0" * 64)
        assert isinstance(caught.value.actual, Resolved)
        assert (caught.value.actual.text, caught.value.actual.data) == (text, FIRST)


@pytest.mark.usefixtures("package")
def test_packages_are_remote(tmp_path: Path) -> None:
    assert resolve_source("package:demo-images/one.bin", tmp_path).remote
