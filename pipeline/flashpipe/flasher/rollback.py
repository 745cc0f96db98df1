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
    without_port,
)
from flashpipe.flash import Region
from flashpipe.flasher.backup import about, save_regions
from flashpipe.flasher.board_layout import BOOT_SECTOR, IMAGE_MAGIC, Boots
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.model import Policy, Probe, RunRecord, verdict_of
from flashpipe.flasher.restore import put, restored_entry
from flashpipe.flasher.restore_source import RestoreSelection, RestoreSource, stored_source
from flashpipe.flasher.verified_regions import of_restore
from flashpipe.next_steps import Advice, command
from flashpipe.records import journal
from flashpipe.records.backups import Store

PLACE = Path(".pipeline", "backups")
"""Where a project keeps its backups; the run that made one may have been another project's."""


def prepare(session: Session, probe: Probe, policy: Policy) -> str:
    """Keep what the board holds, if that is wished for and boots; the id of the backup to go back to, else empty.

    Raises:
        BackupError, RecordError: it could not be kept, and nothing was written to the board.
    """
    entry = probe.entry
    if not policy.rollback or policy.backups is None:
        return ""
    if not policy.boot.check:
        session.notify("boot=off: nothing will say whether to roll back, so nothing is kept for it")
        return ""
    same_run = entry.state == "writing" or entry.plan == probe.plan.fingerprint
    if entry.backup and same_run and _folder(entry, policy) is not None:
        return entry.backup  # what the board held before that run, not what it left behind
    if entry.state == "writing" or session.link.read(BOOT_SECTOR, lambda _done: None)[0] != IMAGE_MAGIC:
        session.notify("the board holds no whole firmware: there is nothing to roll back to")
        return ""
    size = probe.device.flash_size or probe.plan.settings.capacity
    mac = probe.device.mac
    return save_regions(session, Store(policy.backups, mac), [Region(0, size)], "rollback", about(mac)).id


def put_back(
    session: Session, policy: Policy, entry: journal.JournalEntry, error: BootError, record: RunRecord
) -> BootError:
    """After a boot that failed: the board as it was before, if that was kept. Returns what to raise.

    The error then tells what failed, and whether the board runs again; `record` is told what is on the board.

    Raises:
        StoppedError: somebody asked to stop; the journal knows the way back.
    """
    if not policy.rollback or not entry.backup:
        return error
    session.notify(f"{error.message}; rolling back to {entry.backup}")
    outcome = record.note(replace(record.outcome, backup=entry.backup, verified=()))
    try:
        source = _kept(entry, policy)
        session.connected()
        selection = RestoreSelection(source.regions)
        blank_entry = journal.JournalEntry(entry.mac, project=entry.project, port=entry.port, backup=entry.backup)
        put(session, source, selection, blank_entry)
        restored = journal.write(restored_entry(entry, source, selection))
        outcome = record.note(replace(outcome, verified=of_restore(source, selection)))
        boots = Boots.of(source.read(source.regions[0]))
        verdict = BootCheck(session, replace(policy.boot, expect="auto"), boots.nodemcu, restored, boots.mode).run()
    except StoppedError:
        raise
    except PipelineError as second:
        where = "could not be put back"
        if record.outcome.verified:
            doubt = "which does not run" if isinstance(second, BootError) else "whose start could not be watched"
            where = f"is back on the board, {doubt}"
        record.note(replace(record.outcome, rolled_back=verdict_of(second)))
        return RollbackFailedError(
            Advice(
                f"{error.message} [{error.code}]; what it held before {where}: {second.message} (",
                command("restore", backup=entry.backup),
                " puts it back once that is put right)",
            ),
            second.hint,
            error.verdict,
        )
    record.note(replace(outcome, rolled_back=verdict))
    failed = f"{without_port(error.message, session.port)} [{error.code}]"
    return RolledBackError(
        f"{session.port}: the board holds what it held before, and runs again: {verdict.summary};"
        f" of what was written: {failed}",
        error.hint,
        error.verdict,
    )


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
