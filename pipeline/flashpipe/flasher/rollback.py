"""`rollback: true`: what a board holds is kept before it is overwritten, and put back if what was written does not run.

The whole flash is kept, not only the sectors of the plan: a firmware that starts for the first time writes its own
parameters and formats its file system. Blocks that are blank or known already cost a digest (1.06 s a MiB, facts:
stub-executed §6) and no reading.

Which backup it is stands in the journal from before the first erase until a boot was judged well, so that a run that
was killed in between, and even one killed while it put the board back, leaves the way back open.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flashpipe.board.session.session import Session
from flashpipe.errors import (
    BackupMissingError,
    BootError,
    PipelineError,
    RollbackFailedError,
    RolledBackError,
    StoppedError,
)
from flashpipe.flash import Region
from flashpipe.flasher.backup import about, save_regions
from flashpipe.flasher.board_layout import BOOT_SECTOR, IMAGE_MAGIC, Boots
from flashpipe.flasher.boot_check import judge
from flashpipe.flasher.model import Policy, Probe, VerifiedRegion
from flashpipe.flasher.restore import firmware_owned_entry, put
from flashpipe.flasher.restore_source import RestoreSelection, RestoreSource, stored_source
from flashpipe.flasher.verified_regions import of_restore
from flashpipe.records import journal
from flashpipe.records.backups import Store

PLACE = Path(".pipeline", "backups")
"""Where a project keeps its backups; the run that made one may have been another project's."""


def prepare(session: Session, found: Probe, policy: Policy) -> str:
    """Keep what the board holds, if that is wished for and boots; the id of the backup to go back to, else empty.

    Raises:
        BackupError, RecordError: it could not be kept, and nothing was written to the board.
    """
    entry = found.entry
    if not policy.rollback or policy.backups is None:
        return ""
    if not policy.boot.check:
        session.say("boot=off: nothing will say whether to roll back, so nothing is kept for it")
        return ""
    same_run = entry.state == "writing" or entry.plan == found.plan.fingerprint
    if entry.backup and same_run and _folder(entry, policy) is not None:
        return entry.backup  # what the board held before that run, not what it left behind
    if entry.state == "writing" or session.link.read(BOOT_SECTOR, lambda _done: None)[0] != IMAGE_MAGIC:
        session.say("the board holds no whole firmware: there is nothing to roll back to")
        return ""
    size = found.device.flash_size or found.plan.settings.capacity
    mac = found.device.mac
    return save_regions(session, Store(policy.backups, mac), [Region(0, size)], "rollback", about(mac)).id


def put_back(session: Session, policy: Policy, entry: journal.JournalEntry, error: BootError) -> BootError:
    """After a boot that failed: the board as it was before, if that was kept. Returns what to raise.

    The error then tells what failed, and whether the board runs again.

    Raises:
        StoppedError: somebody asked to stop; the journal knows the way back.
    """
    if not policy.rollback or not entry.backup:
        return error
    session.say(f"{error.message}; rolling back to {entry.backup}")
    try:
        source = _kept(entry, policy)
        session.connected()
        wish = RestoreSelection(source.regions)
        put(
            session,
            source,
            wish,
            journal.JournalEntry(entry.mac, project=entry.project, port=entry.port, backup=entry.backup),
        )
        settled = journal.write(firmware_owned_entry(entry, source, wish))
        boots = Boots.of(source.read(source.regions[0]))
        back = judge(session, replace(policy.boot, expect="auto"), settled, is_nodemcu=boots.nodemcu, mode=boots.mode)
    except StoppedError:
        raise
    except PipelineError as second:
        where = "is back on the board, which does not run" if isinstance(second, BootError) else "could not be put back"
        failed = RollbackFailedError(
            f"{error.message} [{error.code}]; what it held before {where}: {second.message}"
            f" (`flashpipe restore backup={entry.backup}` puts it back once that is mended)",
            second.hint,
        )
        held = of_restore(source, wish) if isinstance(second, BootError) else ()
        failed.verdict, failed.done = error.verdict, _noted(error, entry, held)
        failed.back = second.verdict if isinstance(second, BootError) else None
        return failed
    rolled = RolledBackError(
        f"{error.message} [{error.code}]; the board holds what it held before, and runs again: {back.summary}",
        error.hint,
    )
    rolled.verdict, rolled.done, rolled.back = error.verdict, _noted(error, entry, of_restore(source, wish)), back
    return rolled


def _noted(error: BootError, entry: journal.JournalEntry, holds: tuple[VerifiedRegion, ...] = ()) -> object:
    return replace(error.done, backup=entry.backup, holds=holds) if error.done is not None else None


def _kept(entry: journal.JournalEntry, policy: Policy) -> RestoreSource:
    folder = _folder(entry, policy)
    if folder is None:
        raise BackupMissingError(f"backup {entry.backup} of board {entry.mac} is not there any more")
    store = Store(folder, entry.mac)
    return stored_source(store, store.read(entry.backup))


def _folder(entry: journal.JournalEntry, policy: Policy) -> Path | None:
    """The folder of backups that has the one which the journal names: this project's, or that of the run before."""
    folders = [policy.backups] if policy.backups else []
    folders += [Path(entry.project) / PLACE] if entry.project else []
    return next((folder for folder in folders if entry.backup in Store(folder, entry.mac).ids()), None)
