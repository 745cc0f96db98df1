"""What a run leaves behind: its receipt."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from flashpipe.board.boot.kinds import NOT_CHECKED, Verdict
from flashpipe.board.session.execution import Execution
from flashpipe.board.session.session import Session
from flashpipe.errors import PipelineError, RecordError
from flashpipe.flasher.model import Origin, Outcome, VerifiedRegion, verdict_of
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal, receipt

NO_ORIGIN: Final = Origin()


def write_receipt(
    folder: Path,
    command: str,
    session: Session,
    plan: FlashPlan | None,
    outcome: Outcome,
    *,
    error: PipelineError | None = None,
    origin: Origin = NO_ORIGIN,
) -> Path:
    """Write the receipt of one run on one board, whatever its ending; returns its path.

    Args:
        folder: Of the receipts.
        command: The task that was run.
        session: The board.
        plan: The plan that was to be carried out; None for commands without one.
        outcome: What was done; of a run that failed, up to there (`flashpipe.flasher.model.RunRecord`).
        error: What ended the run; None where it ended well.
        origin: Where images and adapter come from.

    Raises:
        RecordError: it could not be stored.
    """
    plan = outcome.plan if outcome.plan is not None else plan
    overridden = [*(plan.overridden if plan else ()), *outcome.overridden]
    return receipt.write(
        receipt.Receipt(
            command=command,
            outcome=error.code if error else outcome.outcome,
            port=session.port,
            virtual=session.virtual,
            profile=plan.profile if plan else "",
            plan=plan.fingerprint if plan else "",
            device=asdict(session.device) if session.device else {},
            told_mac=outcome.told_mac,
            adapter=dict(origin.adapter),
            station=dict(origin.station),
            images=list(origin.images),
            lock={"state": origin.lock, "locked": origin.locked},
            header={"size": plan.header.name, "why": plan.header.why} if plan and plan.header.why else {},
            segments=[
                {"address": segment.address, "size": len(segment.data), "md5": segment.md5, "image": segment.name}
                for segment in (plan.segments if plan else ())
            ],
            line={"baud": session.baud, "flash_mhz": session.flash_mhz} if outcome.sent else {},
            steps=list(session.step_times),
            verdict=_verdict((verdict_of(error) if error else None) or outcome.verdict, session.execution),
            back=_verdict(outcome.rolled_back, session.execution) if outcome.rolled_back else {},
            acceptance=[asdict(finding) for finding in outcome.acceptance],
            measured=dict(outcome.measured),
            files=[asdict(state) for state in outcome.files],
            allowed=sorted({override.code for override in overridden}),
            board_state=_state(session),
            error=str(error or ""),
            keeping=outcome.keeping,
            diagnosis=asdict(error.diagnosis) if error and error.diagnosis else {},
            reason=outcome.reason,
            written=[str(region) for region in outcome.written],
            sent_bytes=outcome.sent,
            skipped_bytes=_skipped(outcome, plan),
            backup=outcome.backup,
            reference=outcome.reference,
            holds=[_row(region) for region in outcome.verified],
            whole=outcome.whole,
        ),
        folder,
    )


def _skipped(outcome: Outcome, plan: FlashPlan | None) -> int:
    """Bytes of the plan that the board had already."""
    flashed = plan is not None and outcome.outcome in {"flashed", "skipped"}
    return max(0, plan.size - outcome.sent) if plan is not None and flashed else 0


def _row(verified: VerifiedRegion) -> dict[str, object]:
    region = verified.region
    return {
        "start": region.start,
        "end": region.end,
        "kind": verified.kind,
        "what": verified.what,
        "md5": verified.md5,
    }


def _verdict(verdict: Verdict, execution: Execution) -> dict[str, object]:
    checked = verdict is not NOT_CHECKED
    return {
        **asdict(verdict),
        "virtual": execution.virtual,
        "firmware_executed": execution.executed if checked else False,
        "executed": execution.record if checked else {},
    }


def _state(session: Session) -> str:
    if session.device is not None:
        with suppress(RecordError):  # what broke the journal is told elsewhere
            return journal.read(session.device.mac).state
    return ""
