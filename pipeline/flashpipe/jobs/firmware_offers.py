"""Which firmwares a handful of files holds: single ones, those in archives, and pairs that belong together.

Nothing is decided here: each firmware is offered by name, in the words that `image=` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from flashpipe.errors import ArchiveMemberError, UploadError
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.inspection import Inspection, inspect_images
from flashpipe.sources.archive import read_members
from flashpipe.sources.archive_names import is_archive_name, split_member
from flashpipe.sources.resolve import load_source, parse_image_argument
from flashpipe.units import format_size
from flashpipe.values import dataclass

ENDING: Final = ".bin"
MOST: Final = 24
"""Members of an archive that are looked at."""
_NAMED: Final = re.compile(r"(?i)(.*?)[-_.@]?(0x[0-9a-f]{1,6})\.bin")
"""`0x10000.bin`, or `float-0x10000.bin`: where a file of a pair belongs; the rest of its name says to which pair."""
_BESIDE: Final = frozenset({"blank", "init-data"})
"""Families of files that lie beside firmware in archives, and are none."""


@dataclass(frozen=True, slots=True)
class FirmwareOffer:
    """A firmware that could be flashed."""

    image: str
    """As `image=` takes it; relative to the folder of the files."""
    name: str
    """What it is called, for people."""
    title: str = ""
    """What its bytes say that it is; empty where it was not looked at."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file, or a member of an archive."""

    source: str
    group: str
    """Pieces of one firmware have the same."""
    image: Image
    alone: Inspection
    named_at: int | None
    """The address in its name."""

    @property
    def address(self) -> int | None:
        return self.alone.files[0].address if self.named_at is None else self.named_at


def find_firmwares(folder: Path, names: Sequence[str]) -> list[FirmwareOffer]:
    """The firmwares in the files `names` of a folder; one, or several to choose from.

    A single file is taken as it comes: what is wrong with it says the gate. So is each member of an archive in which
    no firmware is recognised.

    Raises:
        UploadError: several files, of which none is a firmware alone, and that are no pair.
        SourceError: a file cannot be read, or is an archive that is damaged or without any .bin.
    """
    if len(names) == 1 and not is_archive_name(names[0]):
        return [FirmwareOffer(names[0], names[0])]
    pieces = [piece for name in names for piece in _pieces(folder, name)]
    if len(pieces) == 1:
        return [_single(pieces[0])]
    offers = [_single(piece) for piece in pieces if piece.alone.flashable]
    rest = [piece for piece in pieces if not piece.alone.flashable and piece.alone.family not in _BESIDE]
    for group in dict.fromkeys(piece.group for piece in rest):
        offers += _together([piece for piece in rest if piece.group == group])
    offers = offers or list(_together(rest, by_bytes=True))
    if offers:
        return offers
    if any(is_archive_name(name) for name in names):
        return [_single(piece) for piece in pieces]
    raise UploadError(
        f"{', '.join(names)}: it is not known where that belongs in the flash",
        "call the files after their addresses, such as 0x00000.bin and 0x10000.bin",
    )


def left_out(names: Sequence[str], offers: Sequence[FirmwareOffer]) -> tuple[str, ...]:
    """The files of which no firmware takes anything."""
    sources = (source for offer in offers for source in parse_image_argument(offer.image).values())
    used = {split_member(source)[0] for source in sources}
    return tuple(name for name in names if name not in used)


def _pieces(folder: Path, name: str) -> Iterator[_Piece]:
    if not is_archive_name(name):
        yield _piece(load_source(name, folder), name, name, "")
        return
    members, others = read_members((folder / name).read_bytes(), ENDING, name, MOST)
    if not members:
        there = ", ".join(sorted(others)[:MOST]) or "nothing"
        raise ArchiveMemberError(f"{name}: holds no {ENDING} file; there is {there}", "drop the firmware file itself")
    for path, data in members.items():
        source = f"{name}!{path}"
        yield _piece(Image(PurePosixPath(path).name, data, source), source, path, name)


def _piece(image: Image, source: str, path: str, archive: str) -> _Piece:
    named = _NAMED.fullmatch(PurePosixPath(path).name)
    group = f"{archive}!{PurePosixPath(path).parent}!{named[1] if named else ''}"
    alone = inspect_images([(None, image)])
    return _Piece(source, group, image, alone, int(named[2], 16) if named else None)


def _single(piece: _Piece) -> FirmwareOffer:
    return FirmwareOffer(piece.source, _called(piece), f"{piece.alone.title}, {format_size(len(piece.image.data))}")


def _called(piece: _Piece) -> str:
    return split_member(piece.source)[1] or piece.source


def _together(pieces: Sequence[_Piece], *, by_bytes: bool = False) -> Iterator[FirmwareOffer]:
    """The one firmware that the pieces make, if they do; those that say by their names where they belong come first.

    `by_bytes`: what a file's bytes say of that counts as much.
    """
    named = [piece for piece in pieces if piece.named_at is not None and not by_bytes]
    placed = {piece.address: piece for piece in named or pieces if piece.address is not None}
    if len(placed) < 2 or len(placed) < len(named):  # noqa: PLR2004  a pair
        return
    ordered = sorted((address or 0, piece) for address, piece in placed.items())
    whole = inspect_images([(address, piece.image) for address, piece in ordered])
    if whole.flashable:
        words = ",".join(f"{address:#07x}:{piece.source}" for address, piece in ordered)
        name = " + ".join(_called(piece) for _, piece in ordered)
        yield FirmwareOffer(words, name, f"{whole.title}, in pieces that belong together")
