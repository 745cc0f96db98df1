"""One file out of an archive, in memory: nothing is ever unpacked to the disk.

`ARCHIVE!MEMBER` names it, for zip and tar, the latter packed by gzip, bzip2 or xz or not at all. A member whose name
leads out of the archive is nobody's firmware and is not looked at; nor is one that grows without end.
"""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Final, TypeVar, cast

from flashpipe.errors import ArchiveError, ArchiveMemberError
from flashpipe.firmware.content_type import describe_content, printable
from flashpipe.next_steps import Advice, name_file
from flashpipe.units import format_size

MAX_MEMBER: Final = 0x1000000
"""No ESP8266 flash holds more than 16 MiB, so no image does."""
MAX_UNPACKED: Final = 0x8000000
"""128 MiB: a packed tar of a source tree with its images is smaller."""
MAX_MEMBERS: Final = 20_000
_T = TypeVar("_T")
_TAR_MAGIC: Final = 257
_LISTED: Final = 8
_TAR_HEAD: Final = 512
_PIECE: Final = 0x100000
_XZ_MEMORY: Final = 128 * 1024 * 1024
"""Bytes; `xz -9` needs 65 MB."""
_ENCRYPTED: Final = 0x1
"""Bit 0 of a zip member's flags (APPNOTE.TXT 4.4.4)."""


def unpack_gzip(data: bytes, text: str) -> bytes:
    """The content of a gzip file; `data` itself where it is none, for some servers unpack on the way.

    Raises:
        ArchiveError: damaged, or larger than any image.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data

    with _damage_told(text), gzip.open(io.BytesIO(data)) as stream:
        return _read(cast("IO[bytes]", stream), text, MAX_MEMBER)


def read_member(data: bytes, member: str, text: str) -> tuple[str, bytes]:
    """Name and content of the one member that `member`, a path or pattern, means; `text` is the archive, for people.

    Raises:
        ArchiveMemberError: none or several fit.
        ArchiveError: no archive, damaged, encrypted, or larger than any image.
    """
    with _damage_told(text):
        return (_from_zip if data.startswith(b"PK") else _from_tar)(data, member, text)


def read_members(data: bytes, ending: str, text: str, most: int) -> tuple[dict[str, bytes], list[str]]:
    """The members whose names end in `ending`, by their paths, `most` at the most; and the names of all the others.

    Raises:
        ArchiveError: no archive, damaged, encrypted, or one of them is larger than any image.
    """
    wanted, others = dict[str, bytes](), list[str]()
    with _damage_told(text):
        for name, read in (_zip_members if data.startswith(b"PK") else _tar_members)(data, text):
            if not _is_inside(name):
                continue
            if name.lower().endswith(ending) and len(wanted) < most:
                wanted[_plain(name)] = read()
            else:
                others.append(_plain(name))
    return wanted, others


def _zip_members(data: bytes, text: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist()[:MAX_MEMBERS]:
            if info.filename and not info.is_dir():
                yield info.filename, partial(_read_zipped, archive, info, f"{text}!{info.filename}")


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> bytes:
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{what}: is encrypted", Advice("unpack it yourself and ", name_file("the file")))
    try:
        with archive.open(info) as stream:
            return _read(stream, what, MAX_MEMBER)
    except NotImplementedError as error:
        raise ArchiveError(f"{what}: {error}", Advice("unpack it yourself and ", name_file("the file"))) from error


def _tar_members(data: bytes, text: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(fileobj=_unpacked(data, text), mode="r:") as archive:
        for info in islice(archive, MAX_MEMBERS):
            if info.isreg():
                yield info.name, partial(_read_tarred, archive, info, f"{text}!{info.name}")


def _read_tarred(archive: tarfile.TarFile, info: tarfile.TarInfo, what: str) -> bytes:
    stream = archive.extractfile(info)
    assert stream is not None  # a regular file
    return _read(stream, what, MAX_MEMBER)


def _from_zip(data: bytes, member: str, text: str) -> tuple[str, bytes]:

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()[: MAX_MEMBERS + 1]
        name, info = _choose(
            {info.filename: info for info in infos if info.filename and not info.is_dir()}, member, text, len(infos)
        )
        return name, _read_zipped(archive, info, f"{text}!{name}")


def _from_tar(data: bytes, member: str, text: str) -> tuple[str, bytes]:

    with tarfile.open(fileobj=_unpacked(data, text), mode="r:") as archive:
        infos = []
        for info in archive:
            infos.append(info)
            if len(infos) > MAX_MEMBERS:
                break
        # Links and devices are no files; a link would be somebody's way out of the archive.
        name, info = _choose({info.name: info for info in infos if info.isreg()}, member, text, len(infos))
        return name, _read_tarred(archive, info, f"{text}!{name}")


def _unpacked(data: bytes, text: str) -> IO[bytes]:
    """The tar inside the packing, if there is one; looked through once, so that no more comes out than may.

    It is unpacked again where it is read: the time costs less than the memory.
    """
    stream: IO[bytes] = io.BytesIO(data)
    if data.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
        if data.startswith(b"\xfd"):
            _check_xz(data)
        stream = _unpacking(stream)
    head, size = stream.read(_TAR_HEAD), _TAR_HEAD
    if not head.startswith(b"ustar", _TAR_MAGIC):
        what = describe_content(head if stream.seekable() and len(head) < _TAR_HEAD else data)
        raise ArchiveError(f"{text}: holds no members: it is {what}", "leave out `!` and what follows")
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > MAX_UNPACKED:
            raise ArchiveError(
                f"{text}: unpacks to more than {format_size(MAX_UNPACKED)}",
                Advice(name_file("the firmware file itself")),
            )
    stream.seek(0)
    return stream


def _unpacking(stream: IO[bytes]) -> IO[bytes]:
    """The stream without its packing."""
    first = stream.read(1)
    stream.seek(0)
    if first == b"\x1f":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    return cast("IO[bytes]", bz2.BZ2File(stream) if first == b"B" else lzma.LZMAFile(stream))


def _check_xz(data: bytes) -> None:
    """Raises LZMAError where it needs more memory than common settings do; a file can ask for gigabytes."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    size = len(unpacker.decompress(data, _PIECE))
    while not (unpacker.eof or unpacker.needs_input) and size <= MAX_UNPACKED:
        size += len(unpacker.decompress(b"", _PIECE))


def _choose(members: Mapping[str, _T], member: str, text: str, count: int) -> tuple[str, _T]:
    if count > MAX_MEMBERS:
        raise ArchiveError(
            f"{text}: more than {MAX_MEMBERS:,} members", Advice("unpack it yourself and ", name_file("the file"))
        )
    safe = {_plain(name): name for name in members if _is_inside(name)}
    pattern = _plain(member)
    if not _is_inside(member):
        raise ArchiveMemberError(f"{text}!{member}: leads out of the archive", "name a member by its path in it")
    matches = [pattern] if pattern in safe else [name for name in sorted(safe) if fnmatch.fnmatchcase(name, pattern)]
    if len(matches) == 1:
        return PurePosixPath(matches[0]).name, members[safe[matches[0]]]
    listed = matches or sorted(safe, key=lambda name: (not name.endswith(".bin"), name))
    names = printable(", ".join(listed[:_LISTED]), 400) + (" …" if len(listed) > _LISTED else "")
    if matches:
        raise ArchiveMemberError(f"{text}!{member}: {len(matches)} members fit: {names}", "name one of them")
    raise ArchiveMemberError(f"{text}!{member}: no such member; there are {names or 'none'}", "name one of them")


def _plain(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0] if path.parts else False


def _read(stream: IO[bytes], what: str, limit: int) -> bytes:
    # What the archive says about sizes is a claim; what comes out counts.
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise ArchiveError(
            f"{what}: unpacks to more than {format_size(limit)}", Advice(name_file("the firmware file itself"))
        )
    return data


@contextmanager
def _damage_told(text: str) -> Iterator[None]:
    """Whatever the libraries raise for damaged archives becomes ours."""
    try:
        yield
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
        ArithmeticError, LookupError, RecursionError, NotImplementedError
    ) as error:  # fmt: skip
        reason = printable(str(error)) or type(error).__name__
        raise ArchiveError(f"{text}: cannot be unpacked: {reason}", "get the archive again") from error
