"""What a run leaves behind: its receipt."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flashpipe.board.boot.kinds import NOT_CHECKED, Verdict
from flashpipe.board.session.session import Session
from flashpipe.errors import BootError, PipelineError, RecordError, RolledBackError
from flashpipe.flasher.model import Origin, Outcome, VerifiedRegion
from flashpipe.plan.make import FlashPlan
from flashpipe.records import journal, receipt

NOTHING: Origin = Origin()


def write_receipt(
    folder: Path,
    command: str,
    session: Session,
    plan: FlashPlan | None,
    ending: Outcome | PipelineError,
    *,
    origin: Origin = NOTHING,
) -> Path:
    """Write the receipt of one run on one board, whatever its ending; returns its path.

    Raises:
        RecordError: it could not be stored.
    """
    error = ending if isinstance(ending, PipelineError) else None
    done: Outcome | None = ending if isinstance(ending, Outcome) else ending.done
    plan = done.plan if done is not None and done.plan is not None else plan
    overridden = [*(plan.overridden if plan else ()), *(done.overridden if done else ())]
    return receipt.write(
        receipt.Receipt(
            command=command,
            outcome=error.code if error else done.outcome if done else "",
            port=session.port,
            virtual=session.virtual,
            profile=plan.profile if plan else "",
            plan=plan.fingerprint if plan else "",
            device=asdict(session.device) if session.device else {},
            adapter=dict(origin.adapter),
            images=list(origin.images),
            lock={"state": origin.lock, "locked": origin.locked},
            segments=[
                {"address": segment.address, "size": len(segment.data), "md5": segment.md5, "image": segment.name}
                for segment in (plan.segments if plan else ())
            ],
            steps=list(session.step_times),
            verdict=_seen(error, done, virtual=session.virtual),
            back=_back(error, virtual=session.virtual),
            acceptance=[asdict(finding) for finding in (done.acceptance if done else ())],
            files=[asdict(state) for state in (done.files if done else ())],
            allowed=sorted({override.code for override in overridden}),
            board_state=_state(session),
            error=str(error or ""),
            keeping=(error.keeping if error else {}) or (done.keeping if done else {}),
            diagnosis=asdict(error.diagnosis) if error and error.diagnosis else {},
            **(_deeds(done, plan) if done else {}),
        ),
        folder,
    )


def _deeds(done: Outcome, plan: FlashPlan | None) -> dict[str, Any]:
    flashed = plan is not None and done.outcome in {"flashed", "skipped"}
    return {
        "reason": done.reason,
        "written": [str(region) for region in done.written],
        "sent_bytes": done.sent,
        "skipped_bytes": max(0, plan.size - done.sent) if plan is not None and flashed else 0,
        "backup": done.backup,
        "reference": done.reference,
        "holds": [_row(holding) for holding in done.holds],
        "whole": done.whole,
    }


def _row(holding: VerifiedRegion) -> dict[str, Any]:
    region = holding.region
    return {
        "start": region.start,
        "end": region.end,
        "kind": holding.kind,
        "what": holding.what,
        "md5": holding.md5,
    }


def _seen(error: PipelineError | None, done: Outcome | None, *, virtual: bool) -> dict[str, Any]:
    seen = error.verdict if isinstance(error, BootError) else None
    return _verdict(seen or (done.verdict if done else NOT_CHECKED), virtual=virtual)


def _back(error: PipelineError | None, *, virtual: bool) -> dict[str, Any]:
    if not isinstance(error, RolledBackError) or error.back is None:
        return {}
    return _verdict(error.back, virtual=virtual)


def _verdict(verdict: Verdict, *, virtual: bool) -> dict[str, Any]:
    return {**asdict(verdict), "virtual": virtual, "firmware_executed": not virtual and verdict is not NOT_CHECKED}


def _state(session: Session) -> str:
    if session.device is not None:
        with suppress(RecordError):  # what broke the journal is told elsewhere
            return journal.read(session.device.mac).state
    return ""
