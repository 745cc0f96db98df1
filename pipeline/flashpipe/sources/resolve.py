"""From the text that names an image to its bytes: a path, a pattern, a URL, a release asset, a file in an installed
Python package, each also packed (`.gz`) or in an archive (`ARCHIVE!MEMBER`).

A relative path is relative to `base`: the profile's folder, or on the command line the caller's. What a prefix means
say the modules of this room that register themselves (`registry`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError, FetchMismatchError
from flashpipe.firmware.boot_image import Image
from flashpipe.lazy import lazy_pattern
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.fetch import Access
from flashpipe.sources.local import load_local
from flashpipe.sources.registry import Resolved, SourceRequest, kind_of
from flashpipe.units import parse_address

_ADDRESSED: Final = lazy_pattern(r"\s*(0[xX][0-9A-Fa-f]{1,12}|\d{1,15})\s*[:=]\s*(.*)", re.DOTALL)
_NEXT_ADDRESS: Final = lazy_pattern(r",(?=\s*(?:0[xX][0-9A-Fa-f]{1,12}|\d{1,15})\s*[:=])")


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
    files: dict[int, str] = {}
    for piece in pieces:
        match = _ADDRESSED.fullmatch(piece)
        address, source = (parse_address(match[1]), match[2].strip()) if match else (0, "")
        if not source:
            raise BadValueError(f"image={text}: {piece!r} names no file", "write image=0x00000:A,0x10000:B")
        if address in files:
            raise BadValueError(f"image={text}: address {address:#07x} is given twice", "give each address once")
        files[address] = source
    return files


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
    text = text.strip()
    request = SourceRequest(text, *split_member(text), base, access or Access(), pinned_sha256.lower())
    if os.path.lexists(base / os.path.expanduser(text)):  # noqa: PTH111  a file whose name has a `!` in it, or a colon
        file = load_local(replace(request, outer=text, member=""))
    else:
        kind = kind_of(request.outer)
        file = load_local(request) if kind is None else kind.load(request)
    if request.pinned and file.sha256 != request.pinned:
        raise _mismatch(file, request.pinned)
    return file


def _mismatch(file: Resolved, pinned: str) -> FetchMismatchError:
    error = FetchMismatchError(
        f"{file.text}: has sha256 {file.sha256}, not {pinned} as pinned",
        "find out why it changed before you change the digest",
    )
    error.actual = file
    return error
