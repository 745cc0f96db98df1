"""Reading a board's flash into its store of backups: by blocks, each checked, known ones not read at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from flashpipe.board.session.session import Session
from flashpipe.errors import FlashReachError, PipelineError, RecordError, WireError
from flashpipe.flash import SECTOR_SIZE, Region, merge
from flashpipe.next_steps import Advice, setting
from flashpipe.records import journal
from flashpipe.records.backups import BLANK, Block, Manifest, Store, Stored, Why, blocks_of
from flashpipe.units import format_size

TRIES: Final = 5
"""How often a sector is asked for before the line counts as too bad."""
_UNSTABLE: Final = Advice(
    "check cable and 3.3 V supply; then again with ", setting(baud="115200"), ": what was read is not read twice"
)

OnBytes = Callable[[int], None]


def save_regions(
    session: Session, store: Store, regions: Iterable[Region], why: Why, about: Mapping[str, object] | None = None
) -> Manifest:
    """Keep what the board holds in `regions`, rounded to whole sectors.

    Every block is asked for its MD5 first: a blank one, and one that the store holds already, is not read. That also is
    how an interrupted backup goes on. What an interruption leaves is kept as an incomplete backup.

    Raises:
        WireError: a block cannot be read as the board's own digest says it is.
        RecordError: it cannot be stored.
    """
    sectors = merge(region.sectors() for region in regions)
    return session.retry(lambda: _save(session, store, sectors, why, about))


def _save(
    session: Session, store: Store, wanted: Sequence[Region], why: Why, about: Mapping[str, object] | None
) -> Manifest:
    session.connected()
    total = sum(region.size for region in wanted)
    with session.step("backup", f"{format_size(total)}: digests, then what is not known") as result:
        reading = _Reading(session, store, total)
        try:
            for region in wanted:
                reading.keep(region)
        except PipelineError as error:
            if reading.read and not isinstance(error, RecordError):
                with suppress(RecordError):  # what ended the reading is what to report
                    reading.commit(why, about, complete=False)
            raise
        manifest = reading.commit(why, about, complete=True)
        result.append(f"{manifest.id}: {reading.summary()}")
    return manifest


def about(mac: str) -> dict[str, object]:
    """What the journal knows of a board, to be kept with a backup: it holds again once the backup is back."""
    return {"journal": journal.to_json(journal.read(mac))}


class _Reading:
    """One backup while it grows."""

    def __init__(self, session: Session, store: Store, total: int) -> None:
        self.read = self.known = self.blank = 0
        """Bytes that came over the line, that the store had, and that were FF."""
        self._session, self._store = session, store
        self._total, self._done = total, 0
        self._progress = session.progress("backup")
        self._stored: list[Stored] = []

    def keep(self, region: Region) -> None:
        """Keep the blocks of a region, in order."""
        blocks: list[Block] = []
        self._stored.append(Stored(Region(region.start, region.start), ()))
        for part in blocks_of(region):
            blocks.append(self._block(part))
            self._done += part.size
            self._stored[-1] = Stored(Region(region.start, part.end), tuple(blocks))
            self._progress(self._done, self._total)

    def commit(self, why: Why, about: Mapping[str, object] | None, *, complete: bool) -> Manifest:
        """Write the manifest of what was kept."""
        device = self._session.connected()
        return self._store.commit(
            [stored for stored in self._stored if stored.blocks],
            why=why,
            flash_size=device.flash_size or 0,
            flash_id=device.flash_id,
            about=about,
            complete=complete,
        )

    def _block(self, part: Region) -> Block:
        digest = digest_of(self._session, part)
        known = self._store.knows(digest, part.size)
        if known is None:
            data = read_checked(
                self._session, part, digest, lambda done: self._progress(self._done + done, self._total)
            )
            self.read += part.size
            return self._store.put(data)
        if known.sha256 == BLANK:
            self.blank += part.size
        else:
            self.known += part.size
        return known

    def summary(self) -> str:
        """What it took, in one line."""
        parts = ((self.read, "read"), (self.known, "known already"), (self.blank, "blank"))
        return ", ".join(f"{format_size(size)} {word}" for size, word in parts if size) or "nothing"


def digest_of(session: Session, region: Region) -> bytes:
    """The board's MD5 of a region, 16 bytes, asked for again where the line garbles the answer.

    Raises:
        WireError: no answer came through.
    """
    for _ in range(TRIES):
        digest = _try_digest(session, region)
        if digest is not None:
            return digest
    raise WireError(f"{session.port}: no digest of {region} came through, {TRIES} times tried", _UNSTABLE)


def _try_digest(session: Session, region: Region) -> bytes | None:
    try:
        return session.link.md5(region)
    except WireError as error:
        _recover(session, error)
        return None


def read_checked(session: Session, region: Region, digest: bytes, on_read: OnBytes) -> bytes:
    """The flash contents of a region, as the board's own `digest` says they are.

    The first time whole; then by sectors, so that what came through once need not be sent again.

    Raises:
        WireError: they could not be had in any try.
    """
    data = _try(session, region, digest, on_read)
    if data is not None:
        return data
    session.notify(f"{region} came through damaged: reading it again in smaller pieces")
    out = bytearray()
    for sector in region.split(SECTOR_SIZE):
        out += _sector(session, sector, _shifted(on_read, len(out)))
    if hashlib.md5(out, usedforsecurity=False).digest() != digest:
        raise WireError(f"{session.port}: {region} does not give the same bytes twice", _UNSTABLE)
    return bytes(out)


def _shifted(on_read: OnBytes, before: int) -> OnBytes:
    return lambda done: on_read(before + done)


def _sector(session: Session, sector: Region, on_read: OnBytes) -> bytes:
    for _ in range(TRIES):
        data = _try(session, sector, digest_of(session, sector), on_read)
        if data is not None:
            return data
    raise WireError(f"{session.port}: {sector} cannot be read undamaged, {TRIES} times tried", _UNSTABLE)


def _try(session: Session, region: Region, digest: bytes, on_read: OnBytes) -> bytes | None:
    try:
        data = session.link.read(region, on_read)
    except WireError as error:
        _recover(session, error)
        return None
    return data if hashlib.md5(data, usedforsecurity=False).digest() == digest else None


def _recover(session: Session, error: WireError) -> None:
    """Make the stub listen again after an exchange that broke off: a SYNC ends it (facts: stub-executed §3)."""
    if isinstance(error, FlashReachError):
        raise error  # nothing was damaged on the line: another try would give the same
    link = session.link
    if not link.sync(attempts=6, baud=session.baud) or not link.stub_runs:
        raise WireError(f"{session.port}: the board does not answer any more after a damaged exchange", _UNSTABLE)
    link.start_stub()
