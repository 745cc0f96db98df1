"""From the text that names an image to its bytes: a path, a pattern, a file in an installed Python package.

A relative path is relative to `base`: the profile's folder, or on the command line the caller's.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pipeline.errors import (
    BadValueError,
    ImageAmbiguousError,
    ImageMissingError,
    PackageMissingError,
    SourceError,
)
from pipeline.firmware.bootimage import Image
from pipeline.firmware.content import describe_content
from pipeline.units import format_size, parse_address

if TYPE_CHECKING:
    from importlib import metadata

MAX_SIZE: Final = 0x1000000
"""No ESP8266 flash holds more than 16 MiB, so no image does."""
_ADDRESSED: Final = re.compile(r"\s*(0[xX][0-9A-Fa-f]+|\d+)\s*[:=]\s*(.*)", re.DOTALL)
_NEXT_ADDRESS: Final = re.compile(r",(?=\s*(?:0[xX][0-9A-Fa-f]+|\d+)\s*[:=])")
_LISTED: Final = 8
_PACKAGE: Final = "package:"


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


def load_sources(sources: Mapping[int, str], base: Path) -> dict[int, Image]:
    """Every source of a layout, by flash address.

    Raises:
        SourceError: as `load_source`.
    """
    return {address: load_source(text, base) for address, text in sorted(sources.items())}


def load_source(text: str, base: Path) -> Image:
    """The one file that `text` names.

    Raises:
        ImageMissingError: nothing there, or nothing matches.
        ImageAmbiguousError: a pattern matches several files.
        PackageMissingError: the package, its version or the file in it is not installed.
        SourceError: it is there but cannot be used: a folder, unreadable, empty, too large, a URL.
    """
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        raise SourceError(
            f"{text}: images are not downloaded by this version", "download the file and name it: image=FILE.bin"
        )
    path = _find_in_package(text) if text.startswith(_PACKAGE) else _find_path(text, base)
    return Image(path.name, _read(path, text), text)


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


def _read(path: Path, text: str) -> bytes:
    try:
        status = path.stat()
        _check_kind(status, path, text)
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
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


def _check_kind(status: os.stat_result, path: Path, text: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{text}: is a folder{_neighbours(path)}", f"name the file in it: image={path / 'FILE.bin'}")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{text}: is a device or pipe, not a file", "name the firmware's .bin file")
    if status.st_size > MAX_SIZE:
        raise SourceError(
            f"{text}: {format_size(status.st_size)} is more than any ESP8266 flash holds ({format_size(MAX_SIZE)})",
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
