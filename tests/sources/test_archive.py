from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from flashpipe.errors import ArchiveError, ArchiveMemberError, PipelineError
from flashpipe.sources.archive import MAX_MEMBER, read_member, unpack_gzip
from flashpipe.sources.archive_names import split_member
from hypothesis import given
from hypothesis import strategies as st

PAIR = {"bin/0x00000.bin": b"\xe9first", "bin/0x10000.bin": b"second", "README.md": b"text"}


def make_zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def make_tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": make_zip,
    "tar": make_tar,
    "tar.gz": lambda members: gzip.compress(make_tar(members)),
    "tar.bz2": lambda members: bz2.compress(make_tar(members)),
    "tar.xz": lambda members: lzma.compress(make_tar(members)),
}
every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fw.zip!a.bin", ("fw.zip", "a.bin")),
        ("FW.TAR.GZ!x/a.bin", ("FW.TAR.GZ", "x/a.bin")),
        ("C:\\fw.tgz!x\\a.bin", ("C:\\fw.tgz", "x\\a.bin")),
        ("https://h/fw.zip?x=1#sha256=00!a.bin", ("https://h/fw.zip?x=1#sha256=00", "a.bin")),
        ("https://h/fw.tar.xz/download!a.bin", ("https://h/fw.tar.xz/download", "a.bin")),
        ("github:o/r@1/fw-*.zip!*/a.bin", ("github:o/r@1/fw-*.zip", "*/a.bin")),
        ("package:name/fw.zip!a!b.bin", ("package:name/fw.zip", "a!b.bin")),
        ("a!b.bin", ("a!b.bin", "")),
        ("fw.zip", ("fw.zip", "")),
        ("fw.zip!", ("fw.zip!", "")),
        ("dir.zip/a!b.bin", ("dir.zip/a!b.bin", "")),
    ],
)
def test_a_member_is_told_from_a_name_with_an_exclamation_mark(text: str, parts: tuple[str, str]) -> None:
    assert split_member(text) == parts


@every_kind
def test_a_member_by_name_or_pattern(make: Callable[[dict[str, bytes]], bytes]) -> None:
    data = make(PAIR)
    assert read_member(data, "bin/0x00000.bin", "a") == ("0x00000.bin", b"\xe9first")
    assert read_member(data, "./bin\\0x10000.bin", "a") == ("0x10000.bin", b"second")
    assert read_member(data, "*/0x1*.bin", "a") == ("0x10000.bin", b"second")


@every_kind
def test_no_member_or_several(make: Callable[[dict[str, bytes]], bytes]) -> None:
    with pytest.raises(ArchiveMemberError, match=r"there are bin/0x00000\.bin, bin/0x10000\.bin, README\.md"):
        read_member(make(PAIR), "fw.bin", "a.zip")
    with pytest.raises(ArchiveMemberError, match="2 members fit"):
        read_member(make(PAIR), "bin/*", "a.zip")
    with pytest.raises(ArchiveMemberError, match=r"there are x\.txt"):
        read_member(make({"x.txt": b""}), "*.bin", "a.zip")


@every_kind
@pytest.mark.parametrize("name", ["../evil.bin", "/evil.bin", "a/../../evil.bin", "..\\evil.bin", "C:/evil.bin"])
def test_nothing_leads_out_of_an_archive(make: Callable[[dict[str, bytes]], bytes], name: str) -> None:
    data = make({name: b"evil", "good.bin": b"good"})
    with pytest.raises(ArchiveMemberError):
        read_member(data, name, "a")
    assert read_member(data, "*", "a") == ("good.bin", b"good")


def test_links_and_folders_are_no_files() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in (
            ("link.bin", tarfile.SYMTYPE),
            ("hard.bin", tarfile.LNKTYPE),
            ("pipe.bin", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    for name in ("link.bin", "hard.bin", "pipe.bin"):
        with pytest.raises(ArchiveMemberError):
            read_member(stream.getvalue(), name, "a")
    with pytest.raises(ArchiveMemberError):
        read_member(make_zip({"bin/": b""}), "bin/", "a")


@every_kind
def test_a_bomb_is_not_let_off(make: Callable[[dict[str, bytes]], bytes]) -> None:
    with pytest.raises(ArchiveError, match="more than 16 MB"):
        read_member(make({"bomb.bin": bytes(MAX_MEMBER + 1)}), "bomb.bin", "a")


def test_what_a_tar_says_of_itself_is_no_defect() -> None:
    for said in ({"size": "9" * 4000}, {"size": "-5"}, {"size": "x", "mtime": "nan"}, {"GNU.sparse.map": "1,2,,"}):
        info, out = tarfile.TarInfo("fw.bin"), io.BytesIO()
        info.size, info.pax_headers = 3, said
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(info, io.BytesIO(b"abc"))
        with suppress(ArchiveError):
            assert len(read_member(out.getvalue(), "fw.bin", "a.tar")[1]) <= len(out.getvalue())


def test_an_xz_that_wants_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashpipe.sources.archive._XZ_MEMORY", 0x100000)
    with pytest.raises(ArchiveError, match="Memory usage limit"):
        read_member(lzma.compress(make_tar(PAIR)), "README.md", "a.tar.xz")


def test_a_bomb_around_the_tar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashpipe.sources.archive.MAX_UNPACKED", 0x100000)
    bomb = make_tar({"a": b""})[:512] + bytes(0x100001)
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with pytest.raises(ArchiveError, match="more than 1 MB"):
            read_member(pack(bomb), "a", "a.tar.gz")
    with pytest.raises(ArchiveError, match="more than 16 MB"):
        unpack_gzip(gzip.compress(bytes(MAX_MEMBER + 1)), "a.bin.gz")


def test_more_members_than_anybody_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashpipe.sources.archive.MAX_MEMBERS", 2)
    for make in (make_zip, make_tar):
        with pytest.raises(ArchiveError, match="more than 2 members"):
            read_member(make(PAIR), "README.md", "a")


def test_an_encrypted_member() -> None:
    data = bytearray(make_zip({"a.bin": b"secret" * 9}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ArchiveError, match="encrypted"):
        read_member(bytes(data), "a.bin", "a.zip")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04junk", b"\x1f\x8bjunk", b"\xe9" * 600, gzip.compress(b"one file", mtime=0)]
)
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_member(data, "a", "a.zip")
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_member_without_a_name_is_passed_over() -> None:
    data = MAKERS["zip"]({"x.bin": b"other", "a.bin": b"\xe9data"}).replace(b"x.bin", b"\0.bin")
    assert read_member(data, "a.bin", "a.zip")[1] == b"\xe9data"


def test_one_packed_file() -> None:
    assert unpack_gzip(gzip.compress(b"\xe9data", mtime=0), "a") == b"\xe9data"
    assert unpack_gzip(b"\xe9data", "a") == b"\xe9data"
    for damaged in (gzip.compress(b"\xe9data", mtime=0)[:-4], gzip.compress(b"data")[:-8] + bytes(8)):
        with pytest.raises(ArchiveError, match="cannot be unpacked"):
            unpack_gzip(damaged, "a")


@given(st.sampled_from(sorted(MAKERS)), st.integers(0, 5000), st.integers(0, 255), st.booleans())
def test_a_damaged_archive_never_ends_in_a_traceback(kind: str, at: int, value: int, cut: bool) -> None:  # noqa: FBT001
    data = bytearray(MAKERS[kind]({"a.bin": bytes(range(256)), **PAIR}))
    at %= len(data)
    data[at] = value
    try:
        read_member(bytes(data[:at] if cut else data), "a.bin", "a")
    except PipelineError as error:
        assert isinstance(error, ArchiveError)  # noqa: PT017  only the class matters
