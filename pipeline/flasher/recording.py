"""What a run leaves behind: its receipt."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pipeline import receipt
from pipeline.board.bootlog import NOT_CHECKED, Verdict
from pipeline.board.session import Session
from pipeline.errors import BootError, PipelineError
from pipeline.flasher.records import Outcome
from pipeline.plan import FlashPlan


def record(
    folder: Path,
    command: str,
    session: Session,
    plan: FlashPlan | None,
    ending: Outcome | PipelineError,
) -> Path:
    """Write the receipt of one run on one board, whatever its ending; returns its path.

    Raises:
        RecordError: it could not be stored.
    """
    error = ending if isinstance(ending, PipelineError) else None
    seen = error.verdict if isinstance(error, BootError) else None
    done: Outcome | None = ending if isinstance(ending, Outcome) else ending.done
    overridden = [*(plan.overridden if plan else ()), *(done.overridden if done else ())]
    return receipt.write(
        receipt.Receipt(
            command=command,
            outcome=error.code if error else done.outcome if done else "",
            port=session.port,
            virtual=session.virtual,
            profile=plan.profile if plan else "",
            plan=plan.fingerprint if plan else "",
            reason=done.reason if done else "",
            device=asdict(session.device) if session.device else {},
            segments=[
                {"address": segment.address, "size": len(segment.data), "md5": segment.md5, "image": segment.name}
                for segment in (plan.segments if plan else ())
            ],
            written=[str(region) for region in done.written] if done else [],
            sent_bytes=done.sent if done else 0,
            steps=list(session.step_times),
            verdict=_verdict(seen or (done.verdict if done else NOT_CHECKED), virtual=session.virtual),
            acceptance=[asdict(finding) for finding in (done.acceptance if done else ())],
            files=[asdict(state) for state in (done.files if done else ())],
            allowed=sorted({override.code for override in overridden}),
            backup=done.backup if done else "",
            error=str(error or ""),
            keeping=(error.keeping if error else {}) or (done.keeping if done else {}),
            diagnosis=asdict(error.diagnosis) if error and error.diagnosis else {},
        ),
        folder,
    )


def _verdict(verdict: Verdict, *, virtual: bool) -> dict[str, object]:
    return {**asdict(verdict), "virtual": virtual, "firmware_executed": not virtual and verdict is not NOT_CHECKED}
