"""From the text that names an image to its bytes: a path, a pattern, a URL, a release asset, a file in an installed
Python package, each also packed (`.gz`) or in an archive (`ARCHIVE!MEMBER`).

A relative path is relative to `base`: the profile's folder, or on the command line the caller's.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from flashpipe.errors import (
    BadValueError,
    FetchMismatchError,
    ImageAmbiguousError,
    ImageMissingError,
    PackageMissingError,
    SourceError,
)
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.content_type import describe_content
from flashpipe.sources.archive import is_gzip_name, read_member, split_member, unpack_gzip
from flashpipe.sources.fetch import Access, Address, Fetched, Kind, cached, fetch, file_name, parse_url
from flashpipe.units import format_size, parse_address
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from importlib import metadata

MAX_SIZE: Final = 0x1000000
"""No ESP8266 flash holds more than 16 MiB, so no image does."""
MAX_ARCHIVE: Final = 0x2000000
"""As `Limits.size`: a local archive may be as large as one from a server."""
_ADDRESSED: Final = re.compile(r"\s*(0[xX][0-9A-Fa-f]+|\d+)\s*[:=]\s*(.*)", re.DOTALL)
_NEXT_ADDRESS: Final = re.compile(r",(?=\s*(?:0[xX][0-9A-Fa-f]+|\d+)\s*[:=])")
_LISTED: Final = 8
_PACKAGE: Final = "package:"
_GITHUB: Final = "github:"


def parse_image_argument(text: str) -> dict[int, str]:
    """Flash addresses to sources of `image=A` (one file, for address 0) or `image=0x00000:A,0x10000:B`.

    Raises:
        BadValueError: no source, or an address twice.
    """
    pieces = _NEXT_ADDRESS.split(text.strip())
    first = _ADDRESSED.fullmatch(pieces[0])
    if first is None:
        if len(pieces) > 1:
            raise BadValueError(f"image={text}: {pieces[0]!r} has no address", "write image=0x00000:A,0x10000:B")
        if not pieces[0]:
            raise BadValueError("image= names no file", "write image=FILE or image=0x00000:A,0x10000:B")
        return {0: pieces[0]}
    found: dict[int, str] = {}
    for piece in pieces:
        match = _ADDRESSED.fullmatch(piece)
        address, source = (parse_address(match[1]), match[2].strip()) if match else (0, "")
        if not source:
            raise BadValueError(f"image={text}: {piece!r} names no file", "write image=0x00000:A,0x10000:B")
        if address in found:
            raise BadValueError(f"image={text}: address {address:#07x} is given twice", "give each address once")
        found[address] = source
    return found


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a source gave: all that a lock file needs to know."""

    text: str
    """The source's canonical text, without credentials."""
    name: str
    """File name, for people."""
    data: bytes = field(repr=False)
    url: str = ""
    """Where the file (or the archive around it) was, after redirects and without query; empty if on this machine."""
    remote: bool = False
    """A URL, a release asset or a package: others decide what it holds, so a lock always pins it."""
    cached: bool = False
    """Nothing was downloaded for it."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes that will be written, hex; of the member where the source is an archive."""
        return sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def image(self) -> Image:
        """The firmware file."""
        return Image(self.name, self.data, self.text)


def load_sources(sources: Mapping[int, str], base: Path) -> dict[int, Image]:
    """Every source of a layout, by flash address.

    Raises:
        SourceError: as `load_source`.
    """
    return {address: load_source(text, base) for address, text in sorted(sources.items())}


def load_source(text: str, base: Path, access: Access | None = None) -> Image:
    """The one file that `text` names.

    Raises:
        SourceError: as `resolve_source`.
    """
    return resolve_source(text, base, access).image()


def resolve_source(text: str, base: Path, access: Access | None = None, *, pinned_sha256: str = "") -> Resolved:
    """The one file that `text` names, and where it came from.

    `pinned_sha256` is what its bytes must be, as a lock file says: then a cached content needs no network, and
    unencrypted http:// is admitted.

    Raises:
        ImageMissingError: nothing there, or nothing matches.
        ImageAmbiguousError: a pattern matches several files.
        PackageMissingError: the package, its version or the file in it is not installed.
        FetchMismatchError: other bytes than those pinned; its `found` is what was resolved.
        FetchError: a download failed, in one of many ways.
        ArchiveError: no such member, or an archive that is not to be trusted.
        SourceError: it is there but cannot be used: a folder, unreadable, empty, too large.
    """
    access = access or Access()
    wanted = _Wanted(text.strip(), *split_member(text.strip()), base, access, pinned_sha256.lower())
    if os.path.lexists(base / os.path.expanduser(wanted.text)):  # noqa: PTH111  a file whose name has a `!` in it
        wanted = replace(wanted, outer=wanted.text, member="")
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", wanted.outer):
        found = _from_web(wanted)
    elif wanted.outer.startswith(_GITHUB):
        found = _from_release(wanted)
    else:
        found = _from_disk(wanted)
    if wanted.pinned and found.sha256 != wanted.pinned:
        raise _mismatch(found, wanted.pinned)
    return found


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A source text, taken apart."""

    text: str
    outer: str
    """What has to be had: the text, or the archive in it."""
    member: str
    base: Path
    access: Access
    pinned: str

    @property
    def packed(self) -> bool:
        """Whether what is had is not yet what is wanted."""
        return bool(self.member) or is_gzip_name(self.outer.partition("#")[0].partition("?")[0])

    @property
    def kind(self) -> Kind:
        return "archive" if self.member else "gzip" if self.packed else "firmware"

    def named(self, outer: str) -> str:
        """The canonical text, for the canonical text of `outer`."""
        return f"{outer}!{self.member}" if self.member else outer

    def unpack(self, name: str, data: bytes) -> tuple[str, bytes]:
        """Name and bytes of what is wanted, from what was had."""
        if self.member:
            name, data = read_member(data, self.member, self.outer)
        return (name[:-3], unpack_gzip(data, self.text)) if is_gzip_name(name) else (name, data)


def _from_web(wanted: _Wanted) -> Resolved:
    address = parse_url(wanted.outer)
    return _pinned(wanted, address.text) or _download(wanted, address, address.text)


def _from_release(wanted: _Wanted) -> Resolved:
    from flashpipe.sources.github import find_asset, parse_release  # noqa: PLC0415  for few sources

    text = str(parse_release(wanted.outer))
    known = _pinned(wanted, text)
    if known is not None:
        return known
    if wanted.access.offline:
        return _unpacked(wanted, text, cached(text, wanted.access, wanted.kind))
    return _download(wanted, find_asset(parse_release(wanted.outer), wanted.access), text)


def _pinned(wanted: _Wanted, text: str) -> Resolved | None:
    """What the cache holds of that digest: there is nothing to ask anybody."""
    data = wanted.access.cache.content(wanted.pinned) if wanted.pinned else None
    if data is None:
        return None
    record = wanted.access.cache.record(text)
    name = wanted.member or (file_name(text) if "://" in text else text.rpartition("/")[2])
    name = name.replace("\\", "/").rpartition("/")[2]
    name = name[:-3] if is_gzip_name(name) else name
    return Resolved(wanted.named(text), name, data, record.url if record else "", remote=True, cached=True)


def _download(wanted: _Wanted, address: Address, text: str) -> Resolved:
    pinned = "" if wanted.packed else wanted.pinned
    try:
        fetched = fetch(address, wanted.access, kind=wanted.kind, pinned_sha256=pinned, key=text)
    except FetchMismatchError as error:
        if isinstance(error.found, Fetched):
            error.found = Resolved(wanted.named(text), file_name(address.url), error.found.data, error.found.url, True)  # noqa: FBT003
        raise
    return _unpacked(wanted, text, fetched)


def _unpacked(wanted: _Wanted, text: str, fetched: Fetched) -> Resolved:
    name, data = wanted.unpack(file_name(fetched.url), fetched.data)
    if wanted.packed:
        wanted.access.cache.keep(data)  # a lock pins what is flashed: found again without the archive
    return Resolved(wanted.named(text), name, data, fetched.url, remote=True, cached=fetched.cached)


def _from_disk(wanted: _Wanted) -> Resolved:
    package = wanted.outer.startswith(_PACKAGE)
    path = _find_in_package(wanted.outer) if package else _find_path(wanted.outer, wanted.base)
    name, data = wanted.unpack(path.name, _read(path, wanted.outer, MAX_ARCHIVE if wanted.packed else MAX_SIZE))
    return Resolved(wanted.named(wanted.outer), name, data, remote=package)


def _mismatch(found: Resolved, pinned: str) -> FetchMismatchError:
    error = FetchMismatchError(
        f"{found.text}: has sha256 {found.sha256}, not {pinned} as pinned",
        "find out why it changed before you change the digest",
    )
    error.found = found
    return error


def _find_path(text: str, base: Path) -> Path:
    path = base / os.path.expanduser(text)  # noqa: PTH111  leaves a `~name` that it does not know as it is
    if not any(char in text for char in "*?[") or os.path.lexists(path):
        return path
    names = glob.glob(os.path.expanduser(text), root_dir=base, recursive=True)  # noqa: PTH111, PTH207  takes absolute ones
    found = sorted(name for name in names if (base / name).is_file())
    if not found:
        raise ImageMissingError(f"{text}: no file matches in {base}{_neighbours(base)}", "correct the pattern")
    if len(found) > 1:
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise ImageAmbiguousError(
            f"{text}: {len(found)} files match: {', '.join(found[:_LISTED])}{more}", f"name one: image={found[0]}"
        )
    return base / found[0]


def _read(path: Path, text: str, limit: int) -> bytes:
    try:
        status = path.stat()
        _check_kind(status, path, text, limit)
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if "," in text:
            hint = "files are given with their addresses: image=0x00000:FILE,0x10000:FILE"
            raise ImageMissingError(f"{text}: there is no such file", hint) from None
        raise ImageMissingError(
            f"{text}: there is no such file{_neighbours(path.parent)}", f"check the path: {path}"
        ) from None
    except (OSError, ValueError) as error:  # the latter: a zero byte in the name
        raise SourceError(
            f"{text!r}: cannot be read: {getattr(error, 'strerror', '') or error}", f"check {path}"
        ) from error
    if not data:
        raise SourceError(f"{text}: is an {describe_content(data)}", "download or build it again")
    return data


def _check_kind(status: os.stat_result, path: Path, text: str, limit: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{text}: is a folder{_neighbours(path)}", f"name the file in it: image={path / 'FILE.bin'}")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{text}: is a device or pipe, not a file", "name the firmware's .bin file")
    if status.st_size > limit:
        raise SourceError(
            f"{text}: {format_size(status.st_size)} is more than any ESP8266 flash holds ({format_size(limit)})",
            "name the firmware's .bin file",
        )


def _neighbours(folder: Path) -> str:
    """What could have been meant: the .bin files of the folder."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() == ".bin")
    except OSError:
        return f"; the folder {folder} does not exist" if not folder.exists() else ""
    if not names:
        return ""
    return "; there are " + ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")


def _find_in_package(text: str) -> Path:
    package, slash, wanted = text.removeprefix(_PACKAGE).partition("/")
    name, pinned, version = package.partition("==")
    name, version = name.strip(), version.strip()
    if not (name and slash and wanted) or (pinned and not version):
        raise SourceError(f"{text}: not a package source", "write package:NAME/FILE or package:NAME==VERSION/FILE")
    install = f"pip install --no-deps '{name}=={version}'" if version else f"pip install --no-deps {name}"
    from importlib import metadata  # noqa: PLC0415  slow to import, and few sources need it

    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        raise PackageMissingError(f"{text}: the package {name} is not installed", install) from None
    if version and distribution.version != version:
        raise PackageMissingError(
            f"{text}: {name} {distribution.version} is installed, the source wants {version}", install
        )
    return _find_member(distribution, wanted, text, install)


def _find_member(distribution: metadata.Distribution, wanted: str, text: str, install: str) -> Path:
    parts = PurePosixPath(wanted.replace("\\", "/")).parts
    files = [file for file in distribution.files or () if file.parts[-len(parts) :] == parts]
    if not files:
        kind = PurePosixPath(wanted).suffix
        others = sorted({file.name for file in distribution.files or () if kind and file.suffix == kind})
        listed = f"; it has {', '.join(others[:12])}" if others else ""
        raise PackageMissingError(
            f"{text}: the installed package has no file {wanted}{listed}", "name one of its files"
        )
    if len(files) > 1:
        names = ", ".join(str(file) for file in files[:_LISTED])
        raise ImageAmbiguousError(f"{text}: {len(files)} files are named so: {names}", "name more of the path")
    path = Path(str(distribution.locate_file(files[0])))
    if not path.exists():
        raise PackageMissingError(f"{text}: the package lists {wanted}, but it is gone", f"{install} --force-reinstall")
    return path
