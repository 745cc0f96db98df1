"""The runs that change or confirm a board, in the order that keeps every promise.

Check the board, compare, journal `writing`, erase and write, verify, journal `clean`, reset, boot check, journal: a
kill at any instant leaves a state from which the next run recovers.
"""

from __future__ import annotations

from dataclasses import replace

from flashpipe.board.boot.kinds import NOT_CHECKED, Verdict
from flashpipe.board.loader import writer
from flashpipe.board.session.session import Device, Session
from flashpipe.digests import region_digests
from flashpipe.errors import BootError, PipelineError, VerifyError
from flashpipe.flash import Region, merge
from flashpipe.flasher.board_layout import mode_of
from flashpipe.flasher.checks import check_board, check_mac
from flashpipe.flasher.fit_to_board import back_up_losses, fit_to_board, journal_fields, keep_summary
from flashpipe.flasher.init_data import with_init_data
from flashpipe.flasher.model import Outcome, Policy, Probe
from flashpipe.flasher.probe import compare, firmware_owned_parts, pieces
from flashpipe.flasher.verified_regions import of_blank, of_plan
from flashpipe.flasher.write import Work, check
from flashpipe.plan.make import FlashPlan
from flashpipe.records import journal
from flashpipe.units import format_size


def flash(session: Session, found: Probe, policy: Policy) -> Outcome:
    """Make the board hold the plan, and judge its boot; writes nothing where it holds it already.

    Raises:
        WriteError, VerifyError, PortLostError, StoppedError: the journal then says `writing`.
        BootError: everything is written and verified, and the board does not run as it should.
    """
    session.say(found.reason)
    if found.holds:
        entry = found.entry
        if not entry.finished(found.plan.fingerprint):
            entry = _record(session, found, policy, "clean", entry.backup)
        return _finish(session, found, policy, entry, Outcome("skipped", found.device, reason=found.reason))
    probed = found
    found = session.climb(lambda: with_init_data(session, fit_to_board(session, probed, policy), policy))
    dirty = everything(found) if found.forced else session.climb(lambda: compare(session, found))
    if not dirty:
        reason = f"board {found.device.mac} holds the image; what differs belongs to the firmware on it"
        session.say(reason)
        entry = _record(session, found, policy, "clean", found.entry.backup)
        return _finish(session, found, policy, entry, Outcome("skipped", found.device, reason=reason))
    found = back_up_losses(session, found, policy)
    try:
        return _change(session, found, policy, dirty)
    except PipelineError as error:
        error.keeping = keep_summary(found)
        raise


def everything(found: Probe) -> list[Region]:
    """All that the plan would write, but for what is left alone."""
    return [part for segment in found.plan.segments for part in segment.region.without(found.ignored)]


def _change(session: Session, found: Probe, policy: Policy, dirty: list[Region]) -> Outcome:
    refuge = _rollback_backup(session, found, policy)
    _record(session, found, policy, "writing", refuge)
    work = Work(session, found, dirty, policy.read_back)
    done = Outcome("broken-off", found.device, reason=found.reason, keeping=keep_summary(found), backup=refuge)
    try:
        session.climb(work.attempt)
    except PipelineError as error:  # the receipt says how far it came
        so_far = replace(done, written=tuple(work.written), sent=work.sent, overridden=found.overridden)
        error.done = error.done or so_far
        raise
    entry = _record(session, found, policy, "clean", refuge)
    done = replace(done, outcome="flashed", written=tuple(work.written), sent=work.sent)
    return _finish(session, found, policy, entry, done)


def _rollback_backup(session: Session, found: Probe, policy: Policy) -> str:
    """Id of the backup to go back to; empty where none is wished for or possible."""
    if not policy.rollback:
        return ""
    from flashpipe.flasher import rollback  # noqa: PLC0415  most runs need nothing of it

    return rollback.prepare(session, found, policy)


def _finish(session: Session, found: Probe, policy: Policy, entry: journal.JournalEntry, done: Outcome) -> Outcome:
    done = replace(done, plan=found.plan, holds=of_plan(found), whole=True, overridden=found.overridden)
    if not policy.boot.check:
        session.leave()
        if policy.lua:
            session.say("the boot is not watched: neither acceptance nor Lua files are looked at")
        return replace(done, verdict=NOT_CHECKED)
    from flashpipe.flasher import boot_check as booting  # noqa: PLC0415  only a watched boot needs them
    from flashpipe.flasher import lua_stage as luastage  # noqa: PLC0415  only a watched boot needs them
    from flashpipe.flasher import mode_retry as moderetry  # noqa: PLC0415  only a watched boot needs them
    from flashpipe.flasher import rollback  # noqa: PLC0415  only a watched boot needs them

    def look(now: Probe = found, record: journal.JournalEntry = entry) -> Verdict:
        mode = next((mode_of(segment.data) for segment in now.plan.segments if segment.address == 0), "")
        is_nodemcu = now.plan.firmware.family == "nodemcu"
        return booting.judge(session, policy.boot, record, is_nodemcu=is_nodemcu, mode=mode)

    try:
        verdict = luastage.first_boot_check(session, policy.lua, look)
    except BootError as error:
        started = moderetry.retry(session, found, policy, entry, error)
        if isinstance(started, moderetry.Started):
            done = replace(done, holds=of_plan(started.found), reason=f"{done.reason}; {started.advice}")
            done = replace(done, verdict=started.verdict)
            return luastage.apply_lua_policy(session, policy.lua, done, lambda: look(started.found, started.entry))
        started.done = done  # the receipt says what was written all the same
        if done.outcome == "skipped":
            started.hint += "; force=1 writes everything again"
        raise rollback.put_back(session, policy, entry, started) from error
    return luastage.apply_lua_policy(session, policy.lua, replace(done, verdict=verdict), look)


def erase(session: Session, policy: Policy) -> Outcome:
    """Erase the whole flash of the board on the port, and make sure that it is blank.

    Raises:
        WrongBoardError: its MAC is not among the profile's `boards`.
        WriteError, VerifyError: the loader failed, or the flash is not blank afterwards.
    """
    device = session.connected()
    overridden = check_mac(device, policy)
    entry = journal.JournalEntry(device.mac, state="writing", project=policy.project, port=session.port)
    journal.write(entry)
    whole = Region(0, device.flash_size or 0)

    def work() -> None:
        with session.step("erase", "whole flash") as result:
            session.link.erase_all()
            result.append("whole flash")
        if whole.size:
            blank = writer.FlashPiece(0, b"\xff" * whole.size)
            with session.step("verify", "is it blank?") as result:
                writer.verify(session.link, [blank], [whole], session.progress("verify"))
                result.append(f"{format_size(whole.size)} blank")

    session.climb(work)
    journal.write(replace(entry, state="erased"))
    blank = (whole,) if whole.size else ()
    session.leave()
    return Outcome("erased", device, written=blank, overridden=overridden, holds=of_blank(whole.size), whole=True)


def verify(session: Session, plan: FlashPlan, policy: Policy) -> Outcome:
    """Compare the board with the plan, read-only; volatile parts count only before their first boot.

    Raises:
        VerifyError: naming the first bad sector.
    """
    device = session.connected()
    plan = check_board(plan, device, policy)
    entry = journal.read(device.mac)

    def work() -> VerifyError | None:
        ignored = firmware_owned_parts(session, plan, entry)
        regions = merge(part for segment in plan.segments for part in segment.region.without(ignored))
        try:
            check(session, pieces(plan), regions, read_back=policy.read_back, written=False)
        except VerifyError as error:
            return error  # an answer, and no fault of the line: looking at it another way changes nothing
        return None

    differs = session.climb(work)
    if differs is not None:
        raise differs
    session.leave()
    return Outcome("verified", device, reason=f"board {device.mac} holds the image")


def named_state(error: PipelineError, device: Device | None) -> str:
    """What a run that ended in mid-write leaves on the board, in one line; empty where nothing was touched."""
    entry = journal.read(device.mac) if device else None
    if entry is None or entry.state != "writing":
        return ""
    return f"board {entry.mac} {entry.half_done} ({error.code}); run the same command again: it continues"


def _record(
    session: Session, found: Probe, policy: Policy, state: journal.State, backup: str = ""
) -> journal.JournalEntry:
    verified = found.plan.segments if state == "clean" else ()
    return journal.write(
        journal.JournalEntry(
            mac=found.device.mac,
            state=state,
            plan=found.plan.fingerprint,
            profile=found.plan.profile,
            project=policy.project,
            port=session.port,
            backup=backup,
            held=tuple(region_digests(segment.address, segment.data) for segment in verified),
            **journal_fields(found, state),
        )
    )
