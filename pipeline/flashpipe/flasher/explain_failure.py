"""From a failure on a board to its diagnosis: collects the evidence, asks the rules, keeps both for the bundle."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flashpipe import files
from flashpipe.board.boot import watcher as bootlog
from flashpipe.board.diagnosis import look as postmortem
from flashpipe.board.diagnosis.evidence import Evidence, Findings
from flashpipe.board.diagnosis.judge import UNKNOWN, Diagnosis, judge
from flashpipe.board.ports import choice as ports
from flashpipe.board.ports.adapters import adapter_name, look_at_host
from flashpipe.board.session import traffic_text as transcript
from flashpipe.board.session.session import Session
from flashpipe.board.session.text import garbage_bytes, readable
from flashpipe.board.session.traffic import FROM_BOARD, Chunk
from flashpipe.errors import BootError, PipelineError, PortError, RecordError
from flashpipe.flash import Region
from flashpipe.records import journal, receipt

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun
    from flashpipe.plan.make import FlashPlan

OFFER: Final = "`flashpipe bundle` collects what is known for whoever shall help"
_OURS: Final = re.compile("OHAI|U{8,}")
"""The stub's greeting and the echo of a SYNC, which are no firmware's words (facts: esp8266-protocol §3.3, §3.5)."""
_TALK: Final = 2048
_FEW: Final = 12
"""Stray bytes that noise makes; a ROM's first line has more."""
_ROM_BAUDS: Final = frozenset({bootlog.rom_baud(26)})
LAST: Final = "failures"
"""Folder, beside the receipts, of the last failure on each port."""


def explain(error: PipelineError) -> None:
    """Give an error that no board was involved in its diagnosis."""
    if error.diagnosis is None:
        error.diagnosis = judge(Evidence(error.code, error.message))


def explain_on(board: BoardRun, session: Session, error: PipelineError, plan: FlashPlan | None) -> None:
    """Look at the board after a failure and give the error its diagnosis; keeps the evidence for a bundle."""
    chunks = session.tape.chunks()
    step = session.doing
    wanted = _wanted(plan) if plan else None
    planned = [segment.region for segment in plan.segments] if plan else []
    usb = _usb(session)
    found = postmortem.examine(session, error, planned=planned, wanted=wanted)
    evidence = _evidence(board, session, error, plan, found=found, chunks=chunks, step=step, usb=usb)
    error.diagnosis = judge(evidence)
    if error.diagnosis.rule == UNKNOWN:
        error.hint = f"{error.hint}; {OFFER}" if error.hint else OFFER
    with suppress(RecordError):  # the failure itself is what matters
        _keep(board.request.folder / LAST, evidence, error.diagnosis, chunks, plan)


def _usb(session: Session) -> tuple[str, str]:
    """Name and USB identity of the adapter."""
    told = str(getattr(session.wire, "usb_identity", ""))
    if told:
        vid, _, pid = told.partition(":")
        return adapter_name(int(vid, 16), int(pid, 16)), told
    if "://" in session.port:
        return "", ""
    info = next((info for info in ports.list_ports() if info.device == session.port), None)
    return (info.adapter(), info.usb()) if info else ("", "")


def _wanted(plan: FlashPlan) -> postmortem.Wanted:
    def bytes_of(region: Region) -> bytes | None:
        for segment in plan.segments:
            if segment.region.common(region) == region:
                return segment.data[region.start - segment.address : region.end - segment.address]
        return None

    return bytes_of


def _evidence(
    board: BoardRun,
    session: Session,
    error: PipelineError,
    plan: FlashPlan | None,
    *,
    found: Findings,
    chunks: list[Chunk],
    step: str,
    usb: tuple[str, str],
) -> Evidence:
    device = session.device
    verdict = error.verdict if isinstance(error, BootError) else None
    stray = transcript.stray_bytes(chunks)
    return Evidence(
        code=error.code,
        message=error.message,
        step=step,
        port=session.port,
        baud=session.baud,
        reset=session.reset,
        adapter=usb[0],
        usb=usb[1],
        sent=sum(chunk.count for chunk in chunks if chunk.way != FROM_BOARD),
        received=sum(chunk.count for chunk in chunks if chunk.way == FROM_BOARD),
        talk="" if device else _talk(chunks),
        garbage=stray if stray >= _FEW else 0,
        garbled_rates=_garbled_rates(chunks) if verdict else 0,
        chip=device.chip if device else "",
        flash_part=device.flash_part if device else "",
        crystal_mhz=device.crystal_mhz if device else 26,
        mode=plan.settings.mode if plan else "",
        written="write" in dict(session.step_times),
        verified=isinstance(error, BootError) and error.done is not None and _sound(plan),
        verdict=verdict.kind if verdict else "",
        log=verdict.log if verdict else "",
        expect=_expected(board),
        journal=_journal(device.mac) if device else "unknown",
        virtual=session.virtual,
        found=found,
        host=look_at_host() if isinstance(error, PortError) else Evidence("").host,
    )


def _sound(plan: FlashPlan | None) -> bool:
    """Whether a flash that holds the plan should boot: not where a part was restored, or a refusal overridden."""
    return plan is not None and not plan.overridden


def _talk(chunks: list[Chunk]) -> str:
    data = b"".join(chunk.data for chunk in chunks if chunk.way == FROM_BOARD)[-_TALK:]
    return _OURS.sub("", readable(data))


def _garbled_rates(chunks: list[Chunk]) -> int:
    said: dict[int, bytes] = {}
    for chunk in chunks:
        if chunk.way == FROM_BOARD and chunk.baud not in _ROM_BAUDS:
            said[chunk.baud] = said.get(chunk.baud, b"") + chunk.data
    return sum(garbage_bytes(data) >= _FEW for data in said.values())


def _expected(board: BoardRun) -> str:
    with suppress(PipelineError):
        return board.request.boot_wish().expect
    return ""


def _journal(mac: str) -> str:
    with suppress(RecordError):
        return journal.read(mac).state
    return "unknown"


def _keep(folder: Path, evidence: Evidence, found: Diagnosis, chunks: list[Chunk], plan: FlashPlan | None) -> None:
    from flashpipe.text.plan import describe_plan  # noqa: PLC0415  only where there is a plan

    record = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "diagnosis": asdict(found),
        "evidence": asdict(evidence),
        "plan": describe_plan(plan) if plan else "",
        "image": asdict(plan.firmware) if plan else {},
        "transcript": list(transcript.lines(chunks)),
    }
    name = ports.port_slug(evidence.port) + ".json"
    files.write_atomic(folder / name, (json.dumps(_masked(record), indent=1) + "\n").encode())


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return receipt.mask(value)
    return value if isinstance(value, int | float | None) else str(value)
