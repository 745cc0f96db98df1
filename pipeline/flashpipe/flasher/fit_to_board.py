"""Before anything is written: fit the plan to what this very board holds, and save what it will lose.

`fit_to_board` only reads; `back_up_losses` keeps the backup. What the preservation policy (`flashpipe.plan.keep`) has
decided is carried out here and by the writer, which leaves alone what the fitted probe ignores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from flashpipe.board.session.session import Session
from flashpipe.errors import KeepError
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE
from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.overrides import Override
from flashpipe.firmware.partition_table import TABLE_ADDRESS, with_places
from flashpipe.firmware.survey import BoardContents, from_json, survey, without_firmware
from flashpipe.flash import SECTOR_SIZE, Region, merge
from flashpipe.flasher.board_peek import BoardPeek
from flashpipe.flasher.model import Policy, Probe
from flashpipe.flasher.probe import pieces, placed
from flashpipe.plan.area_decisions import KeepPolicy
from flashpipe.plan.keep import BOARDS, KeepDecision, decide, insisted_losses, lines, loss_text, refuse
from flashpipe.plan.model import FlashPlan, fitted
from flashpipe.records import journal
from flashpipe.records.backups import Store

_REMEMBERED: Final = ("family", "version", "sdk_line", "layout")


def fit_to_board(session: Session, probe: Probe, policy: Policy) -> Probe:
    """What shall be written to this board, and what is left alone on it; called once a write is due. Reads only.

    Raises:
        KeepError: the profile insists on keeping what cannot be kept, and nobody can be asked.
        WireError: the board could not be read.
    """
    with session.step("contents", "what is on the board") as result:
        contents = _contents(session, probe)
        result.append(contents.title or "no firmware")
        decision = decide(probe.plan, contents, keep_policy(policy), asked=policy.ask is not None)
        plan = fitted(probe.plan, _changes(session, probe, policy, decision))
    ignored = tuple(merge([*probe.ignored, *decision.split]))
    return replace(probe, plan=plan, ignored=ignored, decision=decision)


def keep_policy(policy: Policy) -> KeepPolicy:
    """What shall be kept, by profile and command line."""
    return KeepPolicy(frozenset(policy.keep), stated=policy.insists, allowed=KeepError.code in policy.allow)


def back_up_losses(session: Session, probe: Probe, policy: Policy) -> Probe:
    """Say what will be kept and lost, ask where that is due, and back up; called before the first erase.

    Raises:
        KeepError: a person was asked, and does not want to lose it.
        BackupError, RecordError: the backup could not be taken.
    """
    decision = probe.decision
    if decision is None:
        return probe
    for line in lines(decision):
        session.notify(line.text)
    keep = keep_policy(policy)
    losses, overridden = insisted_losses(decision, keep), probe.overridden
    if losses:
        text = "; ".join(loss_text(area) for area in losses)
        if not keep.allowed and not (policy.ask and policy.ask(text)):
            refuse(decision, keep)
        overridden = (*overridden, Override(KeepError.code, text))
    backup = probe.entry.saved if _interrupted(probe) else ""
    if decision.backs_up and not backup:
        from flashpipe.flasher.save_losses import save_losses  # noqa: PLC0415  3 ms, and most runs lose nothing

        backup = save_losses(session, probe, decision, policy)
    return replace(probe, saved=backup, overridden=overridden)


# --- what is on it ---------------------------------------------------------------------------------------------------


def _interrupted(probe: Probe) -> bool:
    return probe.entry.state == "writing" and bool(probe.entry.before)


def _contents(session: Session, probe: Probe) -> BoardContents:
    """What the board holds; after an interrupted run, what it held before that."""
    if _interrupted(probe):
        try:
            return from_json(probe.entry.before)
        except (KeyError, TypeError):
            pass  # of another version of this program: look at what is left
    peek = BoardPeek(session, pieces(probe.plan))
    capacity = probe.plan.settings.capacity
    fresh = probe.entry.state != "clean"  # else it was given something, and two digests are two answers to wait for
    if fresh and all(peek.is_blank(Region(at, at + SECTOR_SIZE)) for at in (0, TABLE_ADDRESS)):
        return without_firmware(peek, capacity)
    return survey(peek, capacity, _known(peek, probe.entry) or _of_plan(peek, probe.plan))


def _of_plan(peek: BoardPeek, plan: FlashPlan) -> Firmware | None:
    """The plan's own firmware, if the board starts with its first sector: another build of it, or part of it."""
    piece = next((piece for piece in pieces(plan) if piece.address == 0), None)
    # Without the byte that some firmware sets itself (facts: image-flashmap §4.3); the longer part first.
    parts = (Region(HEADER_SIZE_BYTE.end, SECTOR_SIZE), Region(0, HEADER_SIZE_BYTE.start))
    if plan.firmware.family == "unknown" or not piece or not all(peek.matches(piece, part) for part in parts):
        return None
    return plan.firmware


def _known(peek: BoardPeek, entry: journal.JournalEntry) -> Firmware | None:
    """The firmware that the journal remembers, if the board still starts with its first sector."""
    remembered = entry.firmware
    if (
        entry.state != "clean"
        or not remembered
        or remembered.get("start") != start_digest(peek.read(Region(0, SECTOR_SIZE)))
    ):
        return None
    family, version, sdk_line, layout = (str(remembered.get(name, "")) for name in _REMEMBERED)
    end = str(remembered.get("code_end", ""))
    return Firmware(
        family, version=version, sdk_line=sdk_line, layout=layout, code_end=int(end) if end.isdecimal() else 0
    )


def start_digest(sector: bytes) -> str:
    """Of the first sector without the byte that some firmware sets itself (facts: image-flashmap §4.3)."""
    return hashlib.md5(sector[:3] + sector[4:], usedforsecurity=False).hexdigest()


# --- what has to be changed in the plan ------------------------------------------------------------------------------


def _changes(
    session: Session, probe: Probe, policy: Policy, decision: KeepDecision
) -> Iterator[tuple[int, bytes, str]]:
    if decision.places:
        for segment in probe.plan.segments:
            if segment.region.contains(Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)):
                sector = segment.data[TABLE_ADDRESS - segment.address :][:SECTOR_SIZE]
                yield TABLE_ADDRESS, with_places(sector, dict(decision.places)) or sector, "partition table"
    for area in decision.areas:
        if area.how == "moved":
            yield area.to, _bytes_before(session, probe, policy, area.region), f"{area.what}, moved"
    for region in decision.cleared:
        yield region.start, b"\xff" * region.size, "rest of the old file system, cleared"


def _bytes_before(session: Session, probe: Probe, policy: Policy, region: Region) -> bytes:
    """What the board held there; after an interrupted run only its backup knows."""
    if _interrupted(probe) and probe.entry.saved and policy.backups is not None:
        store = Store(policy.backups, probe.device.mac)
        return store.content(store.read(probe.entry.saved), region)
    return session.link.read(region, lambda _done: None)


# --- what is remembered ----------------------------------------------------------------------------------------------


def journal_fields(probe: Probe, state: journal.State) -> dict[str, Any]:
    """What the journal keeps of all this: how to go on if the run is interrupted, and what to leave alone later."""
    decision = probe.decision
    kept = tuple((region.start, region.end) for region in decision.split) if decision else ()
    if state == "writing":
        return {"kept": kept, "before": decision.contents.to_json() if decision else {}, "saved": probe.saved}
    firmware = probe.plan.firmware
    start = next((segment.data[:SECTOR_SIZE] for segment in probe.plan.segments if segment.address == 0), b"")
    remembered = {name: getattr(firmware, name) for name in _REMEMBERED}
    remembered |= {"start": start_digest(start), "code_end": str(firmware.code_end)}
    names = set(probe.plan.parts)
    given = {segment.area: placed(segment) for segment in probe.plan.segments if segment.area}
    before = {area: text for area, text in probe.entry.placed.items() if area in names}
    return {"kept": kept, "placed": {**before, **given}, "firmware": remembered}


def keep_summary(probe: Probe) -> dict[str, Any]:
    """The decision, for the receipt."""
    decision = probe.decision
    if decision is None:
        return {}
    return {
        "board": decision.row.board,
        "found": decision.contents.title or BOARDS[decision.row.board],
        "kept": [{"what": area.name, "region": str(area.region), "how": area.how} for area in decision.kept],
        "lost": [{"what": area.name, "region": str(area.region), "why": area.why} for area in decision.lost],
        "backup": probe.saved,
        "advice": list(decision.advice),
    }
