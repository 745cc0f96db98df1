"""Files on this machine, by their path or by a pattern that fits one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from flashpipe.errors import ImageAmbiguousError, ImageMissingError, SourceError
from flashpipe.files import expanded
from flashpipe.firmware.content_type import describe_content
from flashpipe.lender import read_named
from flashpipe.next_steps import Advice, name_file
from flashpipe.sources.file_patterns import matching_files
from flashpipe.sources.registry import Resolved, SourceRequest
from flashpipe.units import format_size

MAX_SIZE: Final = 0x1000000
"""No ESP8266 flash holds more than 16 MiB, so no image does."""
MAX_ARCHIVE: Final = 0x2000000
"""As `Limits.size`: a local archive may be as large as one from a server."""
_LISTED: Final = 8


def load_local(request: SourceRequest) -> Resolved:
    """The file that a path or pattern means.

    Raises:
        ImageMissingError: nothing there, or nothing matches.
        ImageAmbiguousError: a pattern matches several files.
        SourceError: it is there but cannot be used: a folder, unreadable, empty, too large.
    """
    path = _find_path(request.outer, request.base)
    name, data, begins = request.unpack(path.name, read_file(path, request))
    return Resolved(request.named(request.outer), name, data, begins=begins)


def read_file(path: Path, request: SourceRequest) -> bytes:
    """The bytes of a file, within what an image, or an archive of images, can have.

    Raises:
        ImageMissingError: it is not there.
        SourceError: it cannot be read, is empty, or too large.
    """
    return _read(path, request, MAX_ARCHIVE if request.packed else MAX_SIZE)


def place_of(text: str, base: Path) -> Path | None:
    """The file that a path or pattern means; None where there is none, or several, or it is another kind of source."""
    try:
        path = _find_path(text.strip(), base)
    except SourceError:
        return None
    return path if path.is_file() else None


def _find_path(text: str, base: Path) -> Path:
    path = base / expanded(text)
    if not any(char in text for char in "*?[") or os.path.lexists(path):
        return path
    matches = matching_files(os.path.expanduser(text), base)  # noqa: PTH111  as above
    if not matches:
        raise ImageMissingError(f"{text}: no file matches in {base}{_neighbours(base)}", "correct the pattern")
    if len(matches) > 1:
        more = f" and {len(matches) - _LISTED} more" if len(matches) > _LISTED else ""
        raise ImageAmbiguousError(
            f"{text}: {len(matches)} files match: {', '.join(matches[:_LISTED])}{more}", f"name one: image={matches[0]}"
        )
    return base / matches[0]


def _read(path: Path, request: SourceRequest, limit: int) -> bytes:
    text = request.outer
    try:
        status = path.stat()
        _check_kind(status, path, text, limit)
        data = read_named(path, limit, request.access.lender)
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
        raise SourceError(
            f"{text}: is a folder{_neighbours(path)}",
            Advice(name_file("the file in it", f": image={path / 'FILE.bin'}")),
        )
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{text}: is a device or pipe, not a file", Advice(name_file("the firmware's .bin file")))
    if status.st_size > limit:
        raise SourceError(
            f"{text}: {format_size(status.st_size)} is more than any ESP8266 flash holds ({format_size(limit)})",
            Advice(name_file("the firmware's .bin file")),
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
