"""The kinds of sources that a prefix tells, such as `github:`. Each is one module of `kinds` that registers itself.

So is each format that has to be made into an image, such as Intel HEX.

A new kind is a new file there that ends with `register(SourceKind(("word:",), canonical, load))`: whatever asks for a
source by its text, or keeps it in the lock file, finds it then.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable
from dataclasses import field
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Final

from flashpipe.errors import SourceError
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.content_type import describe_content
from flashpipe.lazy import lazy_pattern
from flashpipe.sources import kinds
from flashpipe.sources.archive_names import is_gzip_name
from flashpipe.sources.fetch import Access, Kind
from flashpipe.values import dataclass

_PREFIXED: Final = lazy_pattern(r"[a-zA-Z][a-zA-Z0-9+.-]+:")
"""Two letters at least: `C:\\fw.bin` is a path."""
_URL: Final = lazy_pattern(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


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
    begins: int | None = None
    """Flash address of its first byte, where the file itself says one."""

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
        return Image(self.name, self.data, self.text, self.begins)


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """A source text, taken apart."""

    text: str
    outer: str
    """What has to be had: the text, or the archive in it."""
    member: str
    base: Path
    access: Access
    pinned: str
    """The sha256 that its bytes must have, hex; empty: any."""

    @property
    def packed(self) -> bool:
        """Whether what is had is not yet the image itself."""
        return bool(self.member) or self._is_gzip or self._is_hex

    @property
    def kind(self) -> Kind:
        """What has to be had."""
        if self.member:
            return "archive"
        return "gzip" if self._is_gzip else "hex" if self._is_hex else "firmware"

    @property
    def _path(self) -> str:
        return self.outer.partition("#")[0].partition("?")[0]

    @property
    def _is_gzip(self) -> bool:
        return is_gzip_name(self._path)

    @property
    def _is_hex(self) -> bool:
        return self._path.lower().endswith(HEX_NAMES)

    def named(self, outer: str) -> str:
        """The canonical text, for the canonical text of `outer`."""
        return f"{outer}!{self.member}" if self.member else outer

    def unpack(self, name: str, data: bytes) -> tuple[str, bytes, int | None]:
        """Name and bytes of the image, from what was had, and the flash address that it says."""
        if self.member or is_gzip_name(name):
            from flashpipe.sources import archive  # noqa: PLC0415  3 ms, and few sources are packed

            if self.member:
                name, data = archive.read_member(data, self.member, self.outer)
            if is_gzip_name(name):
                name, data = name[:-3], archive.unpack_gzip(data, self.text)
        convert = _format_of(data)
        return (name, *convert(data, self.text)) if convert else (name, data, None)


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source."""

    prefixes: tuple[str, ...]
    """How its texts begin, in lower case."""
    canonical: Callable[[str], str]
    """Gives the one text of a source, without credentials; raises SourceError where it cannot be had."""
    load: Callable[[SourceRequest], Resolved]
    """Has it; raises SourceError."""


Convert = Callable[[bytes, str], tuple[bytes, int]]
"""Bytes of a file and the text of its source, to those of the image and its flash address; raises SourceError."""
HEX_NAMES: Final = (".hex", ".ihex", ".ihx")
"""How names of Intel HEX files end: what a server sends under them is a text."""
_FORMATS: Final[dict[str, Convert]] = {}
_KINDS: Final[dict[str, SourceKind]] = {}


def register(kind: SourceKind) -> None:
    """Make a kind of source known by its prefixes; called at the end of its module."""
    _KINDS.update(dict.fromkeys(kind.prefixes, kind))


def register_format(content: str, convert: Convert) -> None:
    """Make a format known by what `describe_content` calls it; called at the end of its module."""
    _FORMATS[content] = convert


def _format_of(data: bytes) -> Convert | None:
    """What makes an image of these bytes; None where they are one, as nearly always."""
    if data[:1] != b":":
        return None
    _registered()
    return _FORMATS.get(describe_content(data))


@functools.cache
def _registered() -> dict[str, SourceKind]:
    """Every kind, by prefix; most sources are files, and need none of them."""
    for module in pkgutil.iter_modules(kinds.__path__):
        import_module(f"{kinds.__name__}.{module.name}")
    return _KINDS


def kind_of(outer: str) -> SourceKind | None:
    """The kind that the beginning of a source's text names; None for a path or pattern on this machine.

    Raises:
        SourceError: a URL of a scheme that no kind has.
    """
    if _PREFIXED.match(outer) is None:
        return None
    folded = outer.casefold()
    named = next((kind for prefix, kind in _registered().items() if folded.startswith(prefix)), None)
    if named is None and _URL.match(outer):
        raise SourceError(f"{outer}: cannot be fetched", "write https://HOST/FILE")
    return named
