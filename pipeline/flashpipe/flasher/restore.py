"""Putting back what a board, or another one, held: compared, journalled, written, verified; booting comes after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flashpipe.board.loader import writer
from flashpipe.board.loader.device import Device
from flashpipe.board.session.session import Session
from flashpipe.errors import BackupError, FlashSizeError, FlashUnknownError
from flashpipe.firmware.flash_map import Area
from flashpipe.firmware.overrides import Overrides
from flashpipe.flash import BLOCK_SIZE, SECTOR_SIZE, Region, merge
from flashpipe.flasher.board_layout import BOOT_SECTOR, PERSONAL, WHOLE, Boots, areas_on, resolve
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.checks import check_mac
from flashpipe.flasher.model import Outcome, Policy, RunRecord
from flashpipe.flasher.restore_source import RestoreSelection, RestoreSource, entry_of
from flashpipe.flasher.verified_regions import of_restore
from flashpipe.next_steps import Advice, setting
from flashpipe.records import journal
from flashpipe.units import format_size

LOOKS: Final = 3
"""Sectors of a differing block that are looked at; if all of them differ, the rest is written unseen."""


def choose(
    session: Session, source: RestoreSource, words: Sequence[Region | str], allow: Overrides
) -> RestoreSelection:
    """Which parts of a source go on the board on the port; nothing is written.

    Without `words` all of it, but on another board than its own without RF calibration and Wi-Fi settings: those the
    board keeps where its firmware has them at the same place, elsewhere they are left blank and made anew.

    Raises:
        BackupError: the source does not hold what `words` name.
        BadValueError: where that lies is not known.
        FlashSizeError: the flash of the board is not the size of the source's.
        FlashUnknownError: nobody knows the size of the board's flash.
    """
    device = session.connected()
    size = check_size(device, source, allow)
    known = areas_on(source.read, source.flash_size) if source.whole else ()
    if words:
        names = [word for word in words if isinstance(word, str) and word != WHOLE]
        if names and not source.whole:  # what it is of nobody can tell from a part: they lie where this board has them
            known = _areas_here(session, size)
        wanted = _both(resolve(words, known, size), source.regions)
        if not wanted:
            raise BackupError(f"{source.title()} holds nothing of these regions", "leave out regions=")
        if any(list(region.without(source.regions)) for region in resolve(names, known, size)):
            raise BackupError(
                f"{source.title()} does not hold all of {', '.join(names)} as this board has it",
                "leave out regions=, or give addresses of what it holds",
            )
        return RestoreSelection(tuple(wanted), overridden=tuple(allow.used))
    personal = [area for area in known if area.name in PERSONAL]
    if source.mac == device.mac or not personal:
        return RestoreSelection(source.regions, overridden=tuple(allow.used))
    here = {area.name: area.region for area in _areas_here(session, size)}
    own = {area.region for area in personal if here.get(area.name) == area.region}
    left = [area.region for area in personal]
    return RestoreSelection(
        tuple(part for region in source.regions for part in region.without(left)),
        tuple(region for region in left if region not in own),
        tuple(left),
        tuple(allow.used),
    )


def _areas_here(session: Session, size: int) -> tuple[Area, ...]:
    """The areas of the firmware that is on the board now."""
    return areas_on(lambda part: session.link.read(part, _unheard), size)


def _both(regions: Sequence[Region], others: Sequence[Region]) -> list[Region]:
    """The bytes that are in one of `regions` and in one of `others`."""
    return merge(part for region in regions for other in others if (part := region.common(other)).size > 0)


def _unheard(_done: int) -> None:
    """Two sectors are read in no time."""


def check_size(device: Device, source: RestoreSource, allow: Overrides) -> int:
    """The size of the board's flash, which has to be that of the source's.

    Raises:
        FlashSizeError: it is not.
        FlashUnknownError: nobody knows it.
    """
    size = device.flash_size
    if size is None:
        raise FlashUnknownError(f"{device.port}: flash ID {device.flash_id:#08x} is of no known size")
    past = any(region.end > size for region in source.regions)
    if past or source.flash_size not in {0, size}:
        error = FlashSizeError(
            f"{device.port}: the flash chip has {format_size(size)}, {source.title()} was read from"
            f" {format_size(source.flash_size or source.regions[-1].end)}",
            Advice(
                "restore it on a board of its size",
                *(() if past else (", or say ", setting(allow="wrong-flash-size"))),
            ),
        )
        if past:
            raise allow.final(error)
        allow.judge(error)
    return size


def put(
    session: Session, source: RestoreSource, selection: RestoreSelection, entry: journal.JournalEntry
) -> tuple[list[Region], int]:
    """Make the board hold what was selected; the journal says `writing` before the first erase.

    Returns what was erased or written, and the bytes that were sent. Nothing is touched where nothing differs.

    Raises:
        WriteError, VerifyError, PortLostError, StoppedError: the journal then says `writing`.
    """
    blank = merge([*selection.blank, *_both(selection.taken, source.blank)])
    pieces = [
        writer.FlashPiece(part.start, source.read(part)) for region in selection.taken for part in region.without(blank)
    ]
    holes = [writer.FlashPiece(region.start, b"\xff" * region.size) for region in blank]
    written, sent = list[Region](), 0

    def work() -> None:
        nonlocal sent
        dirty, stale = _differing(session, pieces, holes)
        if dirty or stale:
            journal.write(replace(entry, state="writing"))
            written.extend((*dirty, *stale))
            sent += _write(session, pieces, dirty, stale)
        if written:
            _verify(session, [*pieces, *holes])

    session.retry(work)
    return merge(written), sent


def _write(session: Session, pieces: Sequence[writer.FlashPiece], dirty: list[Region], stale: Sequence[Region]) -> int:
    """Erase what shall be blank, write what differs; the bytes that were sent."""
    if stale:
        if any(piece.address == 0 for piece in pieces):  # a board that loses power in between starts no half firmware
            session.link.erase(BOOT_SECTOR)
            dirty = merge([*dirty, BOOT_SECTOR])
        _erase(session, stale)
    sent = 0
    if dirty:
        with session.step("write", f"{format_size(region_size(dirty))}") as result:
            sent = writer.write(session.link, pieces, dirty, session.progress("write"))
            result.append(f"{sent:,} bytes written")
    return sent


def _verify(session: Session, wanted: Sequence[writer.FlashPiece]) -> None:
    with session.step("verify", "MD5 of every byte") as result:
        everything = [piece.region for piece in wanted]
        writer.verify(session.link, wanted, everything, session.progress("verify"))
        result.append(f"{region_size(everything):,} bytes as they were")


def _differing(
    session: Session, pieces: Sequence[writer.FlashPiece], holes: Sequence[writer.FlashPiece]
) -> tuple[list[Region], list[Region]]:
    """The sectors of `pieces` that have to be written, and the blocks of `holes` that are not blank.

    Every block is asked for: a backup is mostly alike or mostly blank, and a digest costs a tenth of writing.
    """
    jobs = [(piece, part) for piece in (*pieces, *holes) for part in piece.region.split(BLOCK_SIZE)]
    total, done = sum(part.size for _, part in jobs), 0
    dirty, stale = list[Region](), list[Region]()
    with session.step("compare", "which sectors differ") as result:
        progress = session.progress("compare")
        for piece, part in jobs:
            if not writer.matches(session.link, piece, part):
                if any(piece is hole for hole in holes):
                    stale.append(part)
                else:
                    dirty += _sectors(session, piece, part)
            done += part.size
            progress(done, total)
        result.append(f"{region_size((*dirty, *stale)) // SECTOR_SIZE} sectors differ")
    return merge(dirty), merge(stale)


def _sectors(session: Session, piece: writer.FlashPiece, block: Region) -> list[Region]:
    """Those that differ in a block that does; all of it where its first ones do."""
    parts = list(block.split(SECTOR_SIZE))
    differing = list[Region]()
    for number, part in enumerate(parts):
        if number == LOOKS and len(differing) == LOOKS:
            return [block]
        if not writer.matches(session.link, piece, part):
            differing.append(part)
    return differing


def _erase(session: Session, regions: Sequence[Region]) -> None:
    parts = [part for region in regions for part in region.split(BLOCK_SIZE)]
    progress = session.progress("erase")
    with session.step("erase", "what was blank") as result:
        for number, part in enumerate(parts, 1):
            session.link.erase(part)
            progress(number, len(parts))
        result.append(format_size(sum(part.size for part in parts)))


def restore(
    session: Session,
    source: RestoreSource,
    selection: RestoreSelection,
    policy: Policy,
    record: RunRecord | None = None,
) -> Outcome:
    """Put a source back, verify it, and judge the board's boot.

    `record` is told what is back on the board, for the receipt of a run whose boot fails.

    Raises:
        WrongBoardError: the board's MAC is not among the profile's `boards`.
        WriteError, VerifyError, PortLostError, StoppedError: the journal then says `writing`.
        BootError: everything is back, and the board does not run.
    """
    record = record or RunRecord()
    device = session.connected()
    overridden = (*check_mac(device, policy), *selection.overridden)
    if selection.left:
        places = ", ".join(str(region) for region in selection.left)
        whose = "they are another's" if source.mac else "the file does not say whose they are"
        session.notify(
            f"not put on this board, {whose}: RF calibration and Wi-Fi settings ({places}); regions=all takes them, too"
        )
    backup = source.name if source.stored else ""
    entry = journal.JournalEntry(mac=device.mac, project=policy.project, port=session.port, backup=backup)
    written, sent = put(session, source, selection, entry)
    entry = journal.write(restored_entry(entry, source, selection))
    reason = f"board {device.mac} holds {source.title()}"
    outcome = record.note(
        Outcome(
            "restored",
            device,
            written=tuple(written),
            sent=sent,
            reason=reason,
            overridden=overridden,
            backup=backup,
            verified=of_restore(source, selection),
            whole=source.whole and region_size(selection.taken) + region_size(selection.left) == source.flash_size,
        )
    )
    session.notify(reason + ("" if written else " already"))
    first = selection.taken[0]
    boots = Boots.of(source.read(first)) if first.start == 0 else None
    if not policy.boot.check or (boots is not None and not boots.image):
        return record.note(replace(outcome, in_loader=not session.leave_heard()))
    nodemcu, mode = (boots.nodemcu, boots.mode) if boots is not None else (False, "")
    verdict = BootCheck(session, policy.boot, nodemcu, entry, mode).run()
    return record.note(replace(outcome, verdict=verdict))


def region_size(regions: Sequence[Region]) -> int:
    """Bytes of all of them."""
    return sum(region.size for region in regions)


def restored_entry(
    entry: journal.JournalEntry, source: RestoreSource, selection: RestoreSelection
) -> journal.JournalEntry:
    """What the journal says once a source is back: what it said when the backup was taken, if that is all back."""
    fresh = journal.JournalEntry(mac=entry.mac, project=entry.project, port=entry.port)
    if source.mac != entry.mac or not source.whole or selection.taken != source.regions:
        return fresh
    before = entry_of(source)
    if before is None:
        return fresh
    return replace(
        before, mac=entry.mac, project=entry.project, port=entry.port, backup="", verdict="not-checked", passed=False
    )
