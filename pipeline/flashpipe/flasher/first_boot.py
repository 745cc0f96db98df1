"""After the write: boot check, a safer flash mode, the Lua stage, rollback, in this order.

Each stage takes what is known of the start so far and gives back what is known after it. One that has nothing to do
gives back what it was given; the last ones decide what becomes of a boot that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from flashpipe.board.boot.kinds import NOT_CHECKED
from flashpipe.board.session.session import Session
from flashpipe.errors import BootError, DriftError, KeepError
from flashpipe.flasher import mode_retry, rollback
from flashpipe.flasher.board_layout import mode_of
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.file_mirror import MirrorPolicy
from flashpipe.flasher.lua_stage import apply_lua_policy, first_boot_check
from flashpipe.flasher.model import Outcome, Policy, Probe, RunRecord, verdict_of
from flashpipe.flasher.parts_check import check_parts
from flashpipe.flasher.probe import compare_trusted
from flashpipe.flasher.verified_regions import of_plan
from flashpipe.next_steps import Advice, setting
from flashpipe.records import journal
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """A board that holds its plan, on its way through the stages."""

    session: Session
    policy: Policy
    probe: Probe
    """With the plan that the board holds now."""
    entry: journal.JournalEntry
    record: RunRecord
    failure: BootError | None = None
    """What the boot check found, once it has failed."""

    @property
    def check(self) -> BootCheck:
        """The boot check of what the board holds now."""
        plan = self.probe.plan
        mode = next((mode_of(one.data) for one in plan.segments if one.address == 0 and not self.probe.trusted), "")
        is_nodemcu = plan.firmware.family == "nodemcu"
        return BootCheck(self.session, self.policy.boot, is_nodemcu, self.entry, mode)


def first_boot(
    session: Session, probe: Probe, policy: Policy, entry: journal.JournalEntry, record: RunRecord
) -> Outcome:
    """Start a board that holds its plan, and take it through all stages.

    Raises:
        BootError: it does not run as it should, or does no longer once its Lua files are on it.
        AcceptanceError, ConsoleError: what runs is not what the profile demands, or does not take its Lua files.
    """
    boot = FirstBoot(session, policy, probe, entry, record)
    for stage in STAGES:
        boot = stage(boot)
    if boot.failure is not None:
        raise boot.failure
    return record.outcome


def _check(boot: FirstBoot) -> FirstBoot:
    try:
        verdict = first_boot_check(boot.session, boot.policy.lua, boot.check)
    except BootError as error:
        return replace(boot, failure=error)
    boot.record.note(replace(boot.record.outcome, verdict=verdict))
    return boot


def _compare_if_trusted(boot: FirstBoot) -> FirstBoot:
    """Nothing is concluded, or tried on it, from what a board that does not run was only believed to hold."""
    if boot.failure is None or not boot.probe.trusted:
        return boot
    outcome = boot.record.note(replace(boot.record.outcome, verdict=verdict_of(boot.failure) or NOT_CHECKED))
    if not boot.session.resets_by_wire:
        boot.failure.add_hint(Advice(setting(check="md5"), " compares the board, for which the journal was believed"))
        raise boot.failure
    try:
        probe = compare_trusted(boot.session, boot.probe)
    except DriftError as error:
        raise error from boot.failure
    boot.record.note(replace(outcome, verified=of_plan(probe), whole=True))
    return replace(boot, probe=probe)


def _retry_in_a_safer_mode(boot: FirstBoot) -> FirstBoot:
    if boot.failure is None:
        return boot
    retried = mode_retry.retry(boot.session, boot.probe, boot.policy, boot.entry, boot.failure)
    if isinstance(retried, BootError):
        return replace(boot, failure=retried)
    outcome = boot.record.outcome
    boot.record.note(
        replace(
            outcome,
            verified=of_plan(retried.probe),
            reason=f"{outcome.reason}; {retried.advice}",
            verdict=retried.verdict,
            started_in=retried.probe.plan.settings.mode,
        )
    )
    return replace(boot, probe=retried.probe, entry=retried.entry, failure=None)


def _lua(boot: FirstBoot) -> FirstBoot:
    if boot.failure is None and boot.policy.boot.check:
        check_parts(boot.session, boot.probe.plan, boot.record)
    if boot.failure is None:
        apply_lua_policy(boot.session, boot.policy.lua, boot.record, boot.check, mirroring(boot.policy))
    return boot


def _measure(boot: FirstBoot) -> FirstBoot:
    if boot.failure is None and boot.policy.jig is not None and boot.policy.boot.check:
        from flashpipe.flasher.jig import measure  # noqa: PLC0415  15 ms, and few profiles name a test jig

        measure(boot.session, boot.policy.jig, boot.record)
    return boot


def _roll_back(boot: FirstBoot) -> FirstBoot:
    if boot.failure is None:
        return boot
    if boot.record.outcome.outcome == "skipped":
        boot.failure.add_hint(Advice(setting(force="1"), " writes everything again"))
    return replace(boot, failure=rollback.put_back(boot.session, boot.policy, boot.entry, boot.failure, boot.record))


def mirroring(policy: Policy) -> MirrorPolicy | None:
    """What becomes of files on the board that the profile does not name."""
    spared = policy.lua.spared
    if spared is None:
        return None
    return MirrorPolicy(spared, policy.ask, policy.agreed or KeepError.code in policy.allow, policy.backups)


STAGES: Final[tuple[Callable[[FirstBoot], FirstBoot], ...]] = (
    _check,
    _compare_if_trusted,
    _retry_in_a_safer_mode,
    _lua,
    _measure,
    _roll_back,
)
"""In this order. What fails in the Lua stage ends the run: the firmware runs, so there is nothing to roll back."""
