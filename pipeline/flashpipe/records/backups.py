"""What boards held: the contents of flash, kept per MAC, each block once.

    MAC/blocks/ab/SHA256-MD5   a block of up to 64 KiB, packed; its name says what it must be
    MAC/ID.json                a manifest: which blocks stood where, when and why it was taken

A block of nothing but FF is not stored. The MD5 in a block's name is what the board's stub reports, so that a known
block need not be read from a board again. A manifest is written last and whole: a run that was killed leaves blocks
behind, which the next run finds known, and no manifest that promises more than there is.

Contents of flash hold Wi-Fi passwords: files and folders are their owner's only, and nothing of them is ever printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Final, Literal

from flashpipe.errors import BackupDamagedError, BackupError, BackupMissingError, RecordError
from flashpipe.files import NO_RECORD, by_age, is_copy, later_stamp, make_private, read_json, read_regular, write_atomic
from flashpipe.flash import BLOCK_SIZE, Region, merge
from flashpipe.lazy import lazy_pattern
from flashpipe.next_steps import Advice, setting
from flashpipe.records import seal
from flashpipe.records.seal import sealed
from flashpipe.values import dataclass

FORMAT: Final = "flashpipe-backup/1"
FEW: Final = 5
"""Ids that a message names, the newest last."""
Why = Literal["asked", "before-flash", "rollback"]
"""`asked`: somebody ran `backup`; `before-flash`: data that a plan would have lost; `rollback`: to go back to."""
BLANK: Final = ""
"""Stands for the digest of a block that holds nothing but FF."""
_ID: Final = lazy_pattern(r"(\d{8}T\d{9})-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Block:
    """What stood in one stretch of flash."""

    size: int
    """Bytes."""
    sha256: str
    """Hex; BLANK where every byte is FF."""


_BLOCK_NAME: Final = lazy_pattern("[0-9a-f]{64}-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A region and its blocks, in order; they end at multiples of 64 KiB."""

    region: Region
    blocks: tuple[Block, ...]

    def placed(self) -> Iterator[tuple[Region, Block]]:
        """Each block and where it stood."""
        at = self.region.start
        for block in self.blocks:
            yield Region(at, at + block.size), block
            at += block.size


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup: which bytes a board held."""

    id: str
    """Sorts by age. Its time never runs backwards, even where the clock did; `time` is what the clock said."""
    mac: str
    flash_size: int
    """Bytes; 0 where nobody knows."""
    flash_id: int
    why: str
    time: str
    """UTC, ISO 8601."""
    complete: bool
    """False: it was interrupted, and holds only what had been read by then."""
    stored: tuple[Stored, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """What was on the board, for people and for the journal: firmware, profile, plan."""
    own: bool = True
    """Whether this user has made it."""

    @property
    def regions(self) -> list[Region]:
        """What it holds, in the order of addresses."""
        return merge(stored.region for stored in self.stored)

    @property
    def whole(self) -> bool:
        """Whether it holds every byte of the flash."""
        return self.complete and self.flash_size > 0 and self.regions == [Region(0, self.flash_size)]

    @property
    def size(self) -> int:
        """Bytes of flash it stands for."""
        return sum(region.size for region in self.regions)

    def placed(self) -> Iterator[tuple[Region, Block]]:
        """Every block and where it stood, in the order of addresses."""
        for stored in self.stored:
            yield from stored.placed()

    def blank(self) -> list[Region]:
        """Whole blocks of it that were FF throughout."""
        return merge(region for region, block in self.placed() if block.sha256 == BLANK)


class Store:
    """The backups of one board. `folder` is the project's folder of backups, `mac` has colons."""

    def __init__(self, folder: Path, mac: str) -> None:
        self.mac = mac
        self.folder = folder / mac.replace(":", "")
        self._by_md5: dict[str, str] | None = None

    # --- blocks ------------------------------------------------------------------------------------------------------

    def knows(self, md5: bytes, size: int) -> Block | None:
        """The block of that digest, if it is stored and still itself.

        Args:
            md5: as the stub reports it, 16 bytes.
            size: bytes of the block.

        Raises:
            RecordError: the store cannot be read.
        """
        if md5 == hashlib.md5(b"\xff" * size, usedforsecurity=False).digest():
            return Block(size, BLANK)
        sha256 = self._index().get(md5.hex(), "")
        if not sha256:
            return None
        try:
            whole = len(self._content(sha256)) == size
        except BackupDamagedError:
            return None  # it is read from the board again, and replaced
        if not whole:
            return None
        with suppress(OSError):  # pruning goes by its age: what is used again is young again
            os.utime(self._block_path(sha256, md5.hex()))
        return Block(size, sha256)

    def put(self, data: bytes) -> Block:
        """Store a block, unless it is there; gives what a manifest says of it.

        Raises:
            RecordError: the folder cannot be written or the disk is full.
        """
        if not data.strip(b"\xff"):
            return Block(len(data), BLANK)
        sha256 = hashlib.sha256(data).hexdigest()
        md5 = hashlib.md5(data, usedforsecurity=False)
        index = self._index()
        if self.knows(md5.digest(), len(data)) is None:
            path = self._block_path(sha256, md5.hexdigest())
            make_private(self.folder.parent, self.folder, self.folder / "blocks", path.parent)
            write_atomic(path, zlib.compress(data, 6))
            index[md5.hexdigest()] = sha256
        return Block(len(data), sha256)

    def _index(self) -> dict[str, str]:
        """MD5 to sha256 of every block: the names of the files say it, so that no index can be torn."""
        if self._by_md5 is None:
            names = (path.name.partition("-") for path in self.block_files())
            self._by_md5 = {md5: sha256 for sha256, _, md5 in names}
        return self._by_md5

    def block_files(self) -> list[Path]:
        """The files of all blocks.

        Raises:
            RecordError: the folder cannot be read.
        """
        # Of our own names only, and through no link: what is not named by a manifest is removed one day.
        files = listed(self.folder / "blocks", "*/*-*")
        return [path for path in files if _BLOCK_NAME.fullmatch(path.name) and not path.parent.is_symlink()]

    def _block_path(self, sha256: str, md5: str) -> Path:
        return self.folder / "blocks" / sha256[:2] / f"{sha256}-{md5}"

    def _content(self, sha256: str) -> bytes:
        paths = sorted((self.folder / "blocks" / sha256[:2]).glob(f"{sha256}-*"))
        if not paths:
            raise BackupDamagedError(
                f"block {sha256[:12]}… of board {self.mac} is missing in {self.folder}", self._another()
            )
        try:
            data = zlib.decompress(_read(paths[0]))
        except zlib.error:
            data = b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BackupDamagedError(f"{paths[0]}: the block is no longer what was stored", self._another())
        return data

    # --- backups -----------------------------------------------------------------------------------------------------

    def save(
        self,
        contents: Iterable[tuple[Region, bytes]],
        *,
        why: Why,
        flash_size: int = 0,
        flash_id: int = 0,
        about: Mapping[str, object] | None = None,
    ) -> Manifest:
        """Keep bytes that were read already, as one backup.

        Raises:
            RecordError: they could not be stored.
        """
        stored = [
            Stored(
                region, tuple(self.put(data[part.start - region.start :][: part.size]) for part in blocks_of(region))
            )
            for region, data in sorted(contents, key=lambda item: item[0])
        ]
        return self.commit(stored, why=why, flash_size=flash_size, flash_id=flash_id, about=about)

    def commit(
        self,
        stored: Sequence[Stored],
        *,
        why: Why,
        flash_size: int = 0,
        flash_id: int = 0,
        about: Mapping[str, object] | None = None,
        complete: bool = True,
    ) -> Manifest:
        """Write the manifest of blocks that are stored.

        Raises:
            RecordError: it could not be written.
        """
        record = {
            "format": FORMAT,
            "mac": self.mac,
            "flash_size": flash_size,
            "flash_id": f"{flash_id:#08x}",
            "why": why,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "complete": complete,
            "about": dict(about or {}),
            "regions": [
                {
                    "start": f"{one.region.start:#08x}",
                    "end": f"{one.region.end:#08x}",
                    "blocks": [{"size": block.size, "sha256": block.sha256} for block in one.blocks],
                }
                for one in stored
            ],
        }
        digest = _digest(record)
        name = f"{later_stamp(self.ids())}-{digest[:8]}"
        make_private(self.folder.parent, self.folder)
        text = json.dumps(sealed({**record, "sha256": digest}), indent=1) + "\n"
        write_atomic(self.folder / f"{name}.json", text.encode())
        return _manifest(name, record)

    def ids(self) -> list[str]:
        """The ids of all backups of this board, the oldest first.

        Raises:
            RecordError: the folder cannot be read.
        """
        return by_age(path.stem for path in listed(self.folder, "*.json") if _ID.fullmatch(path.stem))

    def manifests(self) -> list[Manifest]:
        """Every backup that can be read, the oldest first.

        Raises:
            RecordError: the folder cannot be read.
        """
        manifests = []
        for name in self.ids():
            with suppress(BackupError):
                manifests.append(self.read(name))
        return manifests

    def newest(self) -> Manifest:
        """The newest complete backup of this board that was asked for, or holds the whole flash.

        What a plan overwrote in part belongs to the firmware of that time, and what somebody else has made is not known
        to be what it says: those have to be named to be put back.

        Raises:
            BackupMissingError: there is none.
            BackupDamagedError: the newest cannot be used; an older one is not taken in its place.
        """
        ids = self.ids()
        for name in reversed(ids):
            manifest = self.read(name)
            wanted = manifest.own and manifest.complete and (manifest.whole or manifest.why == "asked")
            if wanted and not is_copy(name, manifest.time, ids):
                return manifest
        raise BackupMissingError(
            f"there is no backup of board {self.mac} in {self.folder.parent}",
            "say backup=ID for another board's, or backup=FILE",
        )

    def read(self, name: str) -> Manifest:
        """The backup of that id.

        Raises:
            BackupMissingError: there is none.
            BackupDamagedError: its manifest is not what was written.
        """
        path = self.folder / f"{name}.json"
        try:
            record = read_json(path)
            plain = {name: value for name, value in record.items() if name not in {"sha256", seal.FIELD}}
            good = plain["format"] == FORMAT and record["sha256"] == _digest(plain) and plain["mac"] == self.mac
            manifest = replace(_manifest(name, plain), own=seal.is_own(record, path)) if good else None
        except FileNotFoundError:
            raise BackupMissingError(f"no backup {name!r} of board {self.mac}") from None
        except OSError as error:
            if error.errno not in NO_RECORD:
                raise _unreadable(path, error) from error
            manifest = None
        except (ValueError, KeyError, TypeError, AttributeError):
            manifest = None
        if manifest is None:
            raise BackupDamagedError(f"{path}: not what was written when the backup was made", self._another(name))
        return manifest

    def _another(self, but: str = "") -> Advice | str:
        """What to do where a backup cannot be used; `but` is its id, where that is known."""
        others = [name for name in self.ids() if name != but]
        if not others:
            return "there is no other backup of this board"
        return Advice(
            "take another backup: ", setting(backup=others[-1]), f"; this board has {', '.join(others[-FEW:])}"
        )

    def content(self, manifest: Manifest, region: Region) -> bytes:
        """What stood in `region`, every block checked.

        Raises:
            BackupDamagedError: a block is missing or not itself.
            BackupError: the backup does not hold all of the region.
        """
        if not any(held.contains(region) for held in manifest.regions):
            raise BackupError(f"backup {manifest.id} does not hold {region}", "it holds " + _texts(manifest.regions))
        out = bytearray()
        for placed, block in manifest.placed():
            part = placed.common(region)
            if part.size > 0:
                data = b"\xff" * block.size if block.sha256 == BLANK else self._content(block.sha256)
                out += data[part.start - placed.start : part.end - placed.start]
        return bytes(out)

    def check(self, manifest: Manifest) -> None:
        """Make sure that every block of a backup is there and itself.

        Raises:
            BackupDamagedError: one is not.
        """
        for _, block in manifest.placed():
            if block.sha256 != BLANK:
                self._content(block.sha256)


def blocks_of(region: Region) -> Iterator[Region]:
    """The blocks a region is kept in: they end at multiples of 64 KiB, so that equal ones meet."""
    return region.split(BLOCK_SIZE)


def _manifest(name: str, record: Mapping[str, Any]) -> Manifest:
    stored = tuple(
        Stored(
            Region(int(one["start"], 16), int(one["end"], 16)),
            tuple(Block(int(block["size"]), str(block["sha256"])) for block in one["blocks"]),
        )
        for one in record["regions"]
    )
    return Manifest(
        id=name,
        mac=str(record["mac"]),
        flash_size=int(record["flash_size"]),
        flash_id=int(record["flash_id"], 16),
        why=str(record["why"]),
        time=str(record["time"]),
        complete=bool(record["complete"]),
        stored=stored,
        about=dict(record["about"]),
    )


def _digest(record: Mapping[str, object]) -> str:
    """sha256, hex, of a manifest without its own seal; the same however it is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _texts(regions: Iterable[Region]) -> str:
    return ", ".join(str(region) for region in regions) or "nothing"


def listed(folder: Path, pattern: str) -> list[Path]:
    """Paths below a folder that a pattern names, hidden ones left out, sorted.

    Raises:
        RecordError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    except OSError as error:
        raise RecordError(f"{folder}: cannot be read: {error.strerror}", "fix its permissions") from error


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"{path}: cannot be read: {error.strerror}", "fix the permissions of that file")
