"""Does the board hold the plan already? Reads only."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Final

from flashpipe.board.loader import compare as comparing
from flashpipe.board.loader import writer
from flashpipe.board.session.flash_clock import FlashClock
from flashpipe.board.session.rate_search import expected
from flashpipe.board.session.session import Session
from flashpipe.digests import md5
from flashpipe.errors import DriftError, WireError
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE, adjusted_header
from flashpipe.firmware.partition_table import TABLE_ADDRESS, parse_partitions
from flashpipe.flash import (
    ANY_CHIP,
    BLOCK_SIZE,
    BOOT_SECTOR,
    FREQUENCY_CODES,
    MODE_CODES,
    SECTOR_SIZE,
    SIZE_BYTES,
    Region,
    merge,
)
from flashpipe.flasher.checks import check_board
from flashpipe.flasher.init_data import with_init_data
from flashpipe.flasher.model import Policy, Probe, ProbeStop
from flashpipe.next_steps import AGAIN_WITH, Advice, setting
from flashpipe.plan.model import FlashPlan, Segment, without_placed
from flashpipe.records import journal

_TABLE: Final = Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)
_TABLE_HEAD: Final = Region(TABLE_ADDRESS, TABLE_ADDRESS + 512)
"""In which the table mostly is: reading all of the sector takes eight times as long."""


def probe(session: Session, plan: FlashPlan, policy: Policy) -> Probe:
    """Identify the board and compare it with the plan; reads only.

    Raises:
        PipelineError: no connection, or not the board the profile describes, or not all that it needs is at hand.
    """
    return session.retry(lambda: _probe(session, plan, policy))


def _probe(session: Session, plan: FlashPlan, policy: Policy) -> Probe:
    compared = _compared(session, plan, policy)
    if not compared.up_to_date:
        return compared  # a write is due: what this board needs beside the plan is decided before that
    return with_init_data(session, compared, policy)


def _prepare(session: Session, plan: FlashPlan, policy: Policy, mac: str) -> None:
    """Pack what a board is most likely to be given while its stub is on the line; one that holds the plan is not."""
    entry = journal.read(mac)
    if policy.force or entry.state in {"unknown", "erased"}:
        prepare(session, plan, entry)


def prepare(session: Session, plan: FlashPlan, entry: journal.JournalEntry) -> None:
    """Begin to pack the plan as a board will be given all of it, beside whatever else is done."""
    baud, on_trial = expected(session, entry.mac, blank=plan.erase_all or entry.state == "erased")
    writer.prepare(pieces(plan), baud, prove_line=on_trial)


def _compared(session: Session, plan: FlashPlan, policy: Policy) -> Probe:
    begun = plan
    session.identified = lambda mac: _prepare(session, begun, policy, mac)
    device = session.connected()
    size_was_open, chip_was_open, image = plan.size_from_board, plan.chip == ANY_CHIP, plan.images.get(0)
    plan = check_board(plan, device, policy)
    if chip_was_open:
        session.notify(f"no profile: {_of_board(plan, image.data if image else b'')}")
    if size_was_open and plan.header.why:  # else the plan said so before any port was opened
        session.notify(f"the image's header will say {plan.header.name}: {plan.header.why}")
    entry = journal.read(device.mac)
    if not policy.force:
        plan = without_placed(plan, [*_firmware_owned_areas(session, plan, entry)])
    if policy.force:
        reason = "force=1: written although the board may hold it"
        session.notify(reason)
        return Probe(plan, device, entry, None, (), reason, forced=True)
    if entry.state == "writing":
        session.notify(f"an earlier run on {device.mac} did not finish: comparing and continuing")
    if policy.trust_journal and entry.finished(plan.fingerprint):
        reason = f"trusted, not checked: the journal says so for {device.mac}"
        session.notify(reason)
        return Probe(plan, device, entry, None, (), reason, trusted=True)
    if policy.boot.check:
        _load_ahead()
    with session.step("probe", "comparing digests") as result:
        ignored, first = _first_difference(session, plan, entry)
        difference = first.block if first else None
        if difference is None:
            reason = f"board {device.mac} is already up to date (checked on the board)"
        else:
            reason = _why(entry, plan, difference, policy.project) + (FORGETFUL if _forgot(session, entry) else "")
        result.append(reason)
    return Probe(plan, device, entry, difference, ignored, reason, _stop(plan, ignored, first))


def _first_difference(
    session: Session, plan: FlashPlan, entry: journal.JournalEntry
) -> tuple[tuple[Region, ...], comparing.Difference | None]:
    """What belongs to the firmware by now, and where the board differs first in all else."""
    ignored = tuple(firmware_owned_parts(session, plan, entry))
    with _fast_digests(session, plan, entry):
        return ignored, comparing.first_difference(
            session.link, pieces(plan), ignored, session.progress("probe"), stranger=entry.state == "unknown"
        )


def compare_trusted(session: Session, probe: Probe) -> Probe:
    """Compare a board that was trusted, after all.

    Raises:
        DriftError: it does not hold what the journal says.
        PipelineError: it cannot be asked.
    """

    def ask() -> tuple[tuple[Region, ...], comparing.Difference | None]:
        session.connected()
        with session.step("probe", "comparing what was trusted") as result:
            ignored, first = _first_difference(session, probe.plan, probe.entry)
            result.append(f"{first.block} differs" if first else "it holds what the journal says")
            return ignored, first

    ignored, first = session.retry(ask)
    if first is not None:
        raise DriftError(
            f"{session.port}: board {probe.device.mac} does not hold what the journal says, and was not asked before"
            f" (check=mac): {first.block} differs",
            Advice(AGAIN_WITH, setting(check="md5"), ": what differs is written; and find out who changed it"),
        )
    return replace(probe, ignored=ignored, trusted=False)


@contextmanager
def _fast_digests(session: Session, plan: FlashPlan, entry: journal.JournalEntry) -> Iterator[None]:
    """With `baud=auto`, a board that is likely to hold the plan is digested at the faster clock.

    What differs there is compared at the usual one before anything is written.
    """
    clock = FlashClock(session, plan.settings.frequency_mhz)
    if entry.finished(plan.fingerprint) and clock.raise_():
        clock.lower()  # nothing has shown that the flash follows
    try:
        yield
    except WireError as error:
        clock.line_failed(error)
        raise
    finally:
        clock.lower()
        session.flash_mhz = 0


def _load_ahead() -> None:
    """Load what the boot check needs while the board digests its flash: 40 ms that nobody then waits for."""
    threading.Thread(target=import_module, args=("flashpipe.flasher.first_boot",), name="loading").start()


_HEADER: Final = 4
"""Bytes of an image that say how the flash is read."""


def _of_board(plan: FlashPlan, image: bytes) -> str:
    """Where the settings of a run without a profile come from; `image` is the one at 0, as it came."""
    settings = plan.settings
    own = (MODE_CODES[settings.mode], FREQUENCY_CODES[settings.frequency])
    says = (image[2], image[3] & 0x0F) if len(image) >= _HEADER else own
    why = "as this chip needs it" if plan.chip == "esp8285" else "as the image says" if says == own else "as asked"
    return f"{settings.size} as the chip has, {settings.mode} and {settings.frequency[:-1]} MHz {why}"


def placed(segment: Segment) -> str:
    """What the journal remembers of an LFS or SPIFFS image."""
    return f"{segment.address:#08x} {segment.md5}"


def _firmware_owned_areas(session: Session, plan: FlashPlan, entry: journal.JournalEntry) -> Iterator[str]:
    """Areas whose image this board was given before, at the same place: what the firmware made of it is its own.

    Unless the area was erased since, which the board is asked.
    """
    if entry.state != "clean" or plan.erase_all:
        return
    for segment in plan.segments:
        if segment.area and entry.placed.get(segment.area) == placed(segment):
            blank = writer.FlashPiece(segment.address, b"\xff" * SECTOR_SIZE)
            if not writer.matches(session.link, blank, blank.region):
                yield segment.area


def _forgot(session: Session, entry: journal.JournalEntry) -> bool:
    """Whether the board on the port is a new one each time."""
    return entry.state == "clean" and session.forgets


FORGETFUL: Final = " (a sim:// board forgets when the command ends, unless its URL says flash=FILE)"


def firmware_owned_parts(session: Session, plan: FlashPlan, entry: journal.JournalEntry) -> list[Region]:
    """Volatile parts that were verified before their first boot and belong to the firmware since.

    The journal says so, and the board is asked whether that can still be true: with other code where it starts it holds
    another firmware, a part that is blank where the plan has bytes was erased, and without a partition table the power
    failed while the firmware wrote it. Such parts are compared as well.
    """
    if not entry.finished(plan.fingerprint):
        return []
    ignored = [*plan.volatile_regions(), *(Region(*pair) for pair in entry.kept)]
    if not _starts_alike(session, plan, ignored):
        return []
    lost = (_was_erased, _lost_its_table, _is_no_adjusted_header)
    return [region for region in ignored if not any(is_lost(session, plan, region) for is_lost in lost)]


def _starts_alike(session: Session, plan: FlashPlan, ignored: list[Region]) -> bool:
    """Whether the board still has the plan's boot sector or, where that was damaged, all that follows it at once.

    Another firmware differs in both. One whose boot sector alone is bad keeps its own parts: its partition table says
    where its files are.
    """
    piece = next((piece for piece in pieces(plan) if piece.address == 0), None)
    if piece is None:
        return True
    if all(writer.matches(session.link, piece, part) for part in BOOT_SECTOR.without(ignored)):
        return True
    following = piece.region.common(Region(BOOT_SECTOR.end, BLOCK_SIZE))
    parts = list(following.without(ignored)) if following.size > 0 else []
    # Absent or blank, it would tell no firmware from another.
    telling = any(piece.cut(part).strip(b"\xff") for part in parts)
    # The first sector mostly tells, and takes a twelfth of the time that all of them do.
    looks = [Region(part.start, min(part.end, part.start + SECTOR_SIZE)) for part in parts]
    return telling and all(writer.matches(session.link, piece, part) for part in (*looks, *parts))


def _was_erased(session: Session, plan: FlashPlan, region: Region) -> bool:
    for piece in pieces(plan):
        part = region.common(piece.region)
        blank = b"\xff" * max(0, part.size)
        if part.size >= SECTOR_SIZE and piece.cut(part) != blank:
            return writer.matches(session.link, writer.FlashPiece(part.start, blank), part)
    return False


def _lost_its_table(session: Session, plan: FlashPlan, region: Region) -> bool:
    """Whether a NodeMCU 3.x has no partition table that it takes: it writes its own when it first boots, in place."""
    piece = next((piece for piece in pieces(plan) if piece.region.contains(_TABLE)), None)
    if not region.contains(_TABLE) or piece is None or parse_partitions(piece.cut(_TABLE)) is None:
        return False
    size = session.connected().flash_size or max(SIZE_BYTES.values())
    for part in (_TABLE_HEAD, _TABLE):
        table = parse_partitions(session.link.read(part, lambda _done: None))
        if table is not None:
            return not table.fits(size)
    return True


def _is_no_adjusted_header(session: Session, plan: FlashPlan, region: Region) -> bool:
    """Whether size and clock in the header are neither the plan's nor what the firmware makes of them on this flash."""
    piece = next((piece for piece in pieces(plan) if piece.address == 0), None)
    if region != HEADER_SIZE_BYTE or piece is None:
        return False
    (planned,) = piece.cut(region)
    codes = dict.fromkeys(adjusted_header(planned, session.connected().flash_size))
    return not any(
        writer.matches(session.link, writer.FlashPiece(region.start, bytes([code])), region) for code in codes
    )


def _why(entry: journal.JournalEntry, plan: FlashPlan, difference: Region, project: str) -> str:
    where = f"board {entry.mac} differs, first seen at {difference}"
    if entry.state == "unknown":
        return f"{where}; never flashed from here"
    if entry.state == "writing":
        return f"{where}; the last run was interrupted"
    if entry.state == "erased":
        return f"{where}; it was erased"
    if entry.plan != plan.fingerprint:
        return f"{where}; {_what_changed(entry, plan, project)}"
    return f"{where}; it was changed by something else since it was flashed"


def _what_changed(entry: journal.JournalEntry, plan: FlashPlan, project: str) -> str:
    """What is new about a plan since the board was flashed the last time."""
    if entry.project != project:
        return f"it was last flashed from another project ({entry.project or 'unknown'})"
    if entry.profile != plan.profile:
        return f"it was last flashed with profile {entry.profile or 'unknown'}"
    written = entry.digests()
    changed = [
        sector
        for segment in plan.segments
        for sector in segment.region.split(SECTOR_SIZE)
        if written.get(sector) != md5(segment.data[sector.start - segment.address : sector.end - segment.address])
    ]
    if changed == [BOOT_SECTOR]:
        return "the settings in the image's header have changed"
    return "the firmware has changed"


def pieces(plan: FlashPlan) -> list[writer.FlashPiece]:
    """The plan's segments as the writer wants them."""
    return [writer.FlashPiece(segment.address, segment.data) for segment in plan.segments]


def _stop(plan: FlashPlan, ignored: tuple[Region, ...], first: comparing.Difference | None) -> ProbeStop | None:
    return ProbeStop(plan.segments, ignored, first.block, first.digest, first.foreign) if first else None


def _first(probe: Probe) -> comparing.Difference | None:
    """Where the probe stopped, unless the plan was made to fit the board since."""
    stop = probe.stop
    if stop is None or (stop.segments, stop.ignored) != (probe.plan.segments, probe.ignored):
        return None
    return comparing.Difference(stop.block, stop.digest, stop.foreign)


def compare(session: Session, probe: Probe, *, anew: bool = False, unsent: Sequence[Region] = ()) -> list[Region]:
    """All sectors in which the board differs from the plan; reads only.

    anew: something was written since. unsent: what differed before, and was not written.
    """
    if probe.difference is None and not anew:
        return []
    entry = probe.entry
    begun = anew or (entry.state == "writing" and entry.plan == probe.plan.fingerprint)
    clues = comparing.Clues(begun=True) if anew else comparing.Clues(entry.digests(), _first(probe), begun=begun)
    if not clues.known and not begun:
        prepare(session, probe.plan, entry)
    with session.step("compare", "which sectors differ") as result:
        left = (*probe.ignored, *unsent)
        differing = comparing.differences(session.link, pieces(probe.plan), left, session.progress("compare"), clues)
        dirty = merge([*differing, *unsent])
        count, total = sum(region.size for region in dirty) // SECTOR_SIZE, probe.plan.size // SECTOR_SIZE
        result.append(f"{count} of {total} sectors differ")
    if begun and dirty:
        session.notify(f"continuing at {_stopped_at(dirty):#08x}: {total - count} of {total} sectors are in place")
    return dirty


def _stopped_at(dirty: list[Region]) -> int:
    """The first bad sector but for the boot sector, which is blank until all else is written (`board.writer.write`)."""
    rest = [part for region in dirty for part in region.without([BOOT_SECTOR])]
    return (rest or dirty)[0].start
