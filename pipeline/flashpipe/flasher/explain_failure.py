"""From a failure on a board to its diagnosis: collects the evidence, asks the rules, keeps both for the bundle."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from flashpipe import files
from flashpipe.board.boot.kinds import Verdict
from flashpipe.board.boot.rates import rom_baud
from flashpipe.board.diagnosis.evidence import Evidence, Findings
from flashpipe.board.diagnosis.judge import UNKNOWN, judge
from flashpipe.board.diagnosis.look import PlannedBytes, look_after_failure
from flashpipe.board.diagnosis.rules_crash import FLASH_START, MAPPED
from flashpipe.board.ports import discovery
from flashpipe.board.ports.adapters import adapter_name, look_at_host
from flashpipe.board.ports.names import port_slug
from flashpipe.board.session import traffic_text as transcript
from flashpipe.board.session.session import Session
from flashpipe.board.session.text import garbage_bytes, untorn
from flashpipe.board.session.traffic import FROM_BOARD, Chunk
from flashpipe.errors import (
    BootError,
    Diagnosis,
    FlashUnknownError,
    PipelineError,
    PortError,
    RecordError,
    RolledBackError,
    WireDamage,
    WireError,
)
from flashpipe.firmware.header_size import right_size
from flashpipe.firmware.link_address import empty_place
from flashpipe.flash import SECTOR_SIZE, SIZE_BYTES, Region
from flashpipe.flasher.boot_check import withdraw
from flashpipe.flasher.model import RunRecord, verdict_of
from flashpipe.masking import mask
from flashpipe.next_steps import Advice, command
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal

OFFER: Final = Advice(command("bundle"), " collects what is known for whoever shall help")
_OURS: Final = re.compile("OHAI|U{8,}")
"""The stub's greeting and the echo of a SYNC, which are no firmware's words (facts: esp8266-protocol §3.3, §3.5)."""
_TALK: Final = 2048
_FEW: Final = 12
"""Stray bytes that noise makes; a ROM's first line has more."""
_ROM_BAUDS: Final = frozenset({rom_baud(26)})
LAST: Final = "failures"
"""Folder, beside the receipts, of the last failure on each port."""


def explain(error: PipelineError) -> None:
    """Give an error that no board was involved in its diagnosis."""
    if error.diagnosis is None:
        error.diagnosis = judge(Evidence(error.code, error.message))


def explain_on(
    session: Session,
    error: PipelineError,
    plan: FlashPlan | None,
    record: RunRecord,
    *,
    folder: Path | None,
    expect: str,
) -> None:
    """Look at the board after a failure and give the error its diagnosis; keeps the evidence for a bundle.

    Args:
        session: The board.
        error: What failed.
        plan: What the board should contain, where the run had a plan.
        record: What the run had done.
        folder: The project's `.pipeline`, for the evidence; None: it is not kept.
        expect: `boot.expect` of the profile; empty where that is not known.
    """
    chunks = session.traffic.chunks()
    step = session.doing
    usb = _usb(session)
    wanted = _wanted(plan) if plan else None
    planned = _still_planned(plan, record) if plan else []
    findings = look_after_failure(session, error, planned=planned, planned_bytes=wanted)
    evidence = _evidence(session, error, plan, record, findings=findings, chunks=chunks, step=step, usb=usb)
    if isinstance(error, BootError) and evidence.changed():
        verdict = withdraw(error, session.port)
        evidence = replace(evidence, code=error.code, message=error.message, verdict=verdict.kind)
    evidence = replace(evidence, expect=expect)
    error.diagnosis = judge(evidence)
    if error.code == RolledBackError.code:
        error.diagnosis = _taken_back(error.diagnosis)
    if error.diagnosis.rule == UNKNOWN:
        error.add_hint(OFFER)
    if folder is None:
        return
    with suppress(RecordError):  # the failure itself is what matters
        _keep(folder / LAST, evidence, error.diagnosis, chunks, plan)


def _taken_back(found: Diagnosis) -> Diagnosis:
    """The same of a firmware that is not on the board any more."""
    cause = found.cause if found.told else f"of the firmware that was taken back: {found.cause}"
    again = "the receipt has its log; with `rollback: false` it stays on the board"
    return replace(found, cause=cause, action=Advice(again, "; then ", found.action) if found.action else again)


def _usb(session: Session) -> tuple[str, str]:
    """Name and USB identity of the adapter."""
    identity = str(getattr(session.wire, "usb_identity", ""))
    if identity:
        vid, _, pid = identity.partition(":")
        return adapter_name(int(vid, 16), int(pid, 16)), identity
    if "://" in session.port:
        return "", ""
    info = discovery.find_port(session.port)
    return (info.adapter(), info.usb()) if info else ("", "")


def _wanted(plan: FlashPlan) -> PlannedBytes:
    def bytes_of(region: Region) -> bytes | None:
        for segment in plan.segments:
            if segment.region.common(region) == region:
                return segment.data[region.start - segment.address : region.end - segment.address]
        return None

    return bytes_of


def _evidence(
    session: Session,
    error: PipelineError,
    plan: FlashPlan | None,
    record: RunRecord,
    *,
    findings: Findings,
    chunks: list[Chunk],
    step: str,
    usb: tuple[str, str],
) -> Evidence:
    device = session.device
    verdict = verdict_of(error)
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
        **_sizes(plan, session, known=bool(record.outcome.verified)),
        written="write" in dict(session.step_times),
        erased="erase" in dict(session.step_times),
        verified=_is_verified(error, plan, record) and findings.bad in {"", "right"} and findings.wraps_at is None,
        verdict=verdict.kind if verdict else "",
        log=verdict.log if verdict else "",
        gaps=verdict.gaps if verdict else (),
        crash=verdict.crash if verdict else None,
        family=plan.firmware.family if plan and _is_verified(error, plan, record) else "",
        hole=_hole_of(verdict, plan) if verdict and plan else None,
        journal=_journal(device.mac) if device else "unknown",
        virtual=session.virtual,
        damage=error.damage if isinstance(error, WireError) else WireDamage.NONE,
        damaged=session.fallbacks.damaged,
        stub_silent=isinstance(error, WireError) and error.stub_silent,
        flash_silent=isinstance(error, FlashUnknownError) and error.silent,
        unknown_rate=verdict is not None and verdict.unknown_rate,
        findings=findings,
        host=look_at_host() if isinstance(error, PortError) else Evidence("").host,
    )


def _hole_of(verdict: Verdict, plan: FlashPlan) -> int | None:
    """What the plan lacks of the code: where it has crashed, or else at a place that it points to."""
    if verdict.crash is not None:
        return _hole(verdict.crash.epc1, plan)
    places = (empty_place(segment.data, segment.address) for segment in plan.segments)
    return next((place for place in places if place is not None), None)


def _hole(epc1: int | None, plan: FlashPlan) -> int | None:
    """Where in the flash the instruction at `epc1` stands, if the plan has no code in that sector."""
    at = (epc1 or 0) - FLASH_START
    if not 0 <= at < MAPPED:
        return None
    start = at // SECTOR_SIZE * SECTOR_SIZE
    data = _wanted(plan)(Region(start, start + SECTOR_SIZE))
    return at if data and data.count(data[:1]) == SECTOR_SIZE and data[0] in {0, 0xFF} else None


def _sizes(plan: FlashPlan | None, session: Session, *, known: bool) -> dict[str, str]:
    """Flash size in the header, the one that the build can live with, and that of the part; as far as they are known.

    Args:
        plan: What the board should contain.
        session: The board.
        known: Whether the flash was seen to hold the plan.
    """
    device = session.device
    real = next((name for name, size in SIZE_BYTES.items() if device and size == device.flash_size), "")
    if plan is None or not plan.header.name:
        return {"fitted": real}
    parts = {segment.address: segment.data for segment in plan.segments}
    named, fitted = plan.header.name, real or plan.settings.size
    right = right_size(plan.firmware, parts, fitted, named=named)
    return {"size": named if known else "", "right_size": right, "fitted": fitted}


def _still_planned(plan: FlashPlan, record: RunRecord) -> list[Region]:
    """Where a board should hold the plan, also after its firmware has run; nowhere once it was given back its own."""
    if record.outcome.rolled_back is not None:
        return []
    return [part for segment in plan.segments for part in segment.region.without(plan.volatile_regions())]


def _is_verified(error: PipelineError, plan: FlashPlan | None, record: RunRecord) -> bool:
    """Whether the flash was seen to hold a plan that should boot, before it did not."""
    return isinstance(error, BootError) and bool(record.outcome.verified) and _sound(plan)


def _sound(plan: FlashPlan | None) -> bool:
    """Whether a flash that holds the plan should boot: not a part alone, or restored, or a refusal overridden."""
    return plan is not None and not plan.overridden and any(not segment.address for segment in plan.segments)


def _talk(chunks: list[Chunk]) -> str:
    data = b"".join(chunk.data for chunk in chunks if chunk.way == FROM_BOARD)
    return _OURS.sub("", mask(untorn(data)))[-_TALK:]  # first: a cut may take away what tells that it is a secret


def _garbled_rates(chunks: list[Chunk]) -> int:
    received: dict[int, bytes] = {}
    for chunk in chunks:
        if chunk.way == FROM_BOARD and chunk.baud not in _ROM_BAUDS:
            received[chunk.baud] = received.get(chunk.baud, b"") + chunk.data
    return sum(garbage_bytes(data) >= _FEW for data in received.values())


def _journal(mac: str) -> str:
    with suppress(RecordError):
        return journal.read(mac).state
    return "unknown"


def _keep(folder: Path, evidence: Evidence, diagnosis: Diagnosis, chunks: list[Chunk], plan: FlashPlan | None) -> None:
    record = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "diagnosis": asdict(diagnosis),
        "evidence": asdict(evidence),
        "plan": _summary(plan) if plan else {},
        "image": asdict(plan.firmware) if plan else {},
        "transcript": list(transcript.lines(chunks)),
    }
    name = port_slug(evidence.port) + ".json"
    files.write_atomic(folder / name, (json.dumps(_masked(record), indent=1) + "\n").encode())


def _summary(plan: FlashPlan) -> dict[str, object]:
    """Which firmware goes where, with which header."""
    return {
        "firmware": plan.firmware.title(),
        "segments": [
            {"address": segment.address, "size": segment.size, "name": segment.name} for segment in plan.segments
        ],
        "header": {**asdict(plan.settings), "from_board": plan.size_from_board},
        "allowed": [asdict(override) for override in plan.overridden],
    }


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return mask(value)
    return value if isinstance(value, int | float | None) else str(value)
