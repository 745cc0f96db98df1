"""A flash: the order that keeps every promise.

Check the board, compare, journal `writing`, erase and write, verify, journal `clean`, reset, boot check, journal: a
kill at any instant leaves a state from which the next run recovers.
"""

from __future__ import annotations

from dataclasses import replace

from flashpipe.board.loader.device import Device
from flashpipe.board.session.session import Session
from flashpipe.digests import region_digests
from flashpipe.errors import PipelineError
from flashpipe.flash import Region
from flashpipe.flasher.fit_to_board import back_up_losses, fit_to_board, journal_fields, keep_summary
from flashpipe.flasher.init_data import with_init_data
from flashpipe.flasher.model import Outcome, Policy, Probe, RunRecord
from flashpipe.flasher.probe import compare
from flashpipe.flasher.verified_regions import of_plan
from flashpipe.flasher.write import WriteRun
from flashpipe.records import journal


def flash(session: Session, probe: Probe, policy: Policy, record: RunRecord | None = None) -> Outcome:
    """Make the board hold the plan, and judge its boot; writes nothing where it holds it already.

    `record` is told how far the run has come, for the receipt of one that ends in an error.

    Raises:
        WriteError, VerifyError, PortLostError, StoppedError: the journal then says `writing`.
        BootError: everything is written and verified, and the board does not run as it should.
    """
    record = record or RunRecord()
    if probe.up_to_date:
        entry = probe.entry
        if not entry.finished(probe.plan.fingerprint):
            entry = _journal(session, probe, policy, "clean", entry.backup)
        record.note(Outcome("skipped", probe.device, reason=probe.reason))
        return _start(session, probe, policy, entry, record)
    compared = probe
    probe = session.retry(lambda: with_init_data(session, fit_to_board(session, compared, policy), policy))
    dirty = everything(probe) if probe.forced else session.retry(lambda: compare(session, probe))
    if not dirty:
        reason = f"board {probe.device.mac} is up to date; what differs belongs to the firmware on it"
        session.notify(reason)
        entry = _journal(session, probe, policy, "clean", probe.entry.backup)
        record.note(Outcome("skipped", probe.device, reason=reason))
        return _start(session, probe, policy, entry, record)
    policy.fitted(probe, dirty)
    probe = back_up_losses(session, probe, policy)
    return _change(session, probe, policy, record, dirty)


def everything(probe: Probe) -> list[Region]:
    """All that the plan would write, but for what is left alone."""
    return [part for segment in probe.plan.segments for part in segment.region.without(probe.ignored)]


def _change(session: Session, probe: Probe, policy: Policy, record: RunRecord, dirty: list[Region]) -> Outcome:
    outcome = record.note(Outcome("broken-off", probe.device, keeping=keep_summary(probe)))
    backup = _rollback_backup(session, probe, policy)
    _journal(session, probe, policy, "writing", backup)
    work = WriteRun(session, probe, dirty, policy.read_back)
    outcome = replace(outcome, reason=probe.reason, backup=backup, overridden=probe.overridden)
    try:
        session.retry(work.attempt)
    finally:
        outcome = record.note(replace(outcome, written=tuple(work.written), sent=work.sent))
    entry = _journal(session, probe, policy, "clean", backup)
    record.note(replace(outcome, outcome="flashed"))
    return _start(session, probe, policy, entry, record)


def _rollback_backup(session: Session, probe: Probe, policy: Policy) -> str:
    """Id of the backup to go back to; empty where none is wished for or possible."""
    if not policy.rollback:
        return ""
    from flashpipe.flasher import rollback  # noqa: PLC0415  24 ms, and few profiles ask for it

    return rollback.prepare(session, probe, policy)


def _start(session: Session, probe: Probe, policy: Policy, entry: journal.JournalEntry, record: RunRecord) -> Outcome:
    """Let a board that was verified to hold the plan, or trusted to, start; judge its boot where that is wished for."""
    outcome = record.note(replace(record.outcome, plan=probe.plan, overridden=probe.overridden))
    if not probe.trusted:
        outcome = record.note(replace(outcome, verified=of_plan(probe), whole=True))
    if not policy.boot.check:
        if policy.lua or policy.jig:
            session.notify("the boot is not watched: neither acceptance nor Lua files are looked at")
        return record.note(replace(outcome, in_loader=not session.leave_heard()))
    from flashpipe.flasher.first_boot import first_boot  # noqa: PLC0415  40 ms, and only a watched boot needs it

    return first_boot(session, probe, policy, entry, record)


def journal_line(error: PipelineError, device: Device | None) -> str:
    """What is half done on the board, by the run that ended or an earlier one, in one line; empty where nothing is."""
    entry = journal.read(device.mac) if device else None
    if entry is None or entry.state != "writing":
        return ""
    return journal.unfinished(entry, error.code)


def _journal(
    session: Session, probe: Probe, policy: Policy, state: journal.State, backup: str = ""
) -> journal.JournalEntry:
    verified = probe.plan.segments if state == "clean" else ()
    return journal.write(
        journal.JournalEntry(
            mac=probe.device.mac,
            state=state,
            plan=probe.plan.fingerprint,
            profile=probe.plan.profile,
            project=policy.project,
            port=session.port,
            backup=backup,
            held=tuple(region_digests(segment.address, segment.data) for segment in verified),
            **journal_fields(probe, state),
        )
    )
