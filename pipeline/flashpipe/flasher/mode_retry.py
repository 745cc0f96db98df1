"""A board that does not start in its flash mode: the same image with another header (`mode_retry: true`).

Any part that works at all works in dout, and most in dio (facts: esp8266 §1.2), so those are tried, in that order. Only
the sector with the header is written. If none starts, the header is put back as it was: the board then holds the plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flashpipe.board.boot.kinds import Verdict
from flashpipe.board.diagnosis.evidence import of_boot
from flashpipe.board.diagnosis.rules_crash import explained
from flashpipe.board.loader import writer
from flashpipe.board.session.session import Session
from flashpipe.digests import region_digests
from flashpipe.errors import BootError
from flashpipe.flash import MODE_CODES, SECTOR_SIZE, Region
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.fit_to_board import start_digest
from flashpipe.flasher.model import Policy, Probe, verdict_of
from flashpipe.plan.model import FlashPlan, fitted
from flashpipe.records import journal
from flashpipe.values import dataclass

SAFER: Final = ("dio", "dout")
"""What is tried, in this order, as far as it comes after the mode that failed."""
KINDS: Final = frozenset({"wrong-mode", "no-image", "bad-checksum", "exception", "watchdog", "boot-loop"})
"""Verdicts that a wrong flash mode can look like (facts: esp8266 §2.4)."""
MODE_BYTE: Final = 2
"""Offset of the mode in the image header (facts: image-flashmap §4)."""


@dataclass(frozen=True, slots=True)
class Started:
    """The board runs, in another mode than its profile says."""

    probe: Probe
    """With the plan that the board holds now."""
    entry: journal.JournalEntry
    verdict: Verdict
    advice: str


def safer(mode: str) -> tuple[str, ...]:
    """Modes to try after `mode`.

    >>> safer("qio"), safer("dio"), safer("dout")
    (('dio', 'dout'), ('dout',), ())
    """
    return SAFER[SAFER.index(mode) + 1 :] if mode in SAFER else SAFER


def with_mode(plan: FlashPlan, mode: str) -> FlashPlan:
    """The plan with another flash mode in the header, and nothing else: another wish, so of another fingerprint."""
    (first,) = (segment for segment in plan.segments if segment.address == 0)
    sector = bytearray(first.data[:SECTOR_SIZE])
    sector[MODE_BYTE] = MODE_CODES[mode]
    changed = fitted(plan, [(0, bytes(sector), first.name)])
    return replace(changed, base_fingerprint="", settings=replace(plan.settings, mode=mode))


def retry(
    session: Session, probe: Probe, policy: Policy, entry: journal.JournalEntry, error: BootError
) -> Started | BootError:
    """After a boot that failed: other modes, where the profile allows it; else, or if none of them starts, the failure.

    Raises:
        WireError, VerifyError, StoppedError, PortLostError: while the header was being written.
    """
    plan = probe.plan
    modes = safer(plan.settings.mode)
    has_header = any(segment.address == 0 and segment.data[:1] == b"\xe9" for segment in plan.segments)
    verdict = verdict_of(error)
    if not (policy.mode_retry and modes and has_header and verdict is not None and _may_be_mode(verdict)):
        return error
    last = error
    for mode in modes:
        session.notify(f"the board does not start in {plan.settings.mode}: trying {mode}, header only (mode_retry)")
        other = with_mode(plan, mode)
        put = _put_header(session, other, entry)
        try:
            verdict = BootCheck(session, policy.boot, plan.firmware.family == "nodemcu", put, mode).run()
        except BootError as failed:
            last = failed
            continue
        say = f"the profile should say `flash: {{mode: {mode}}}`" if plan.profile else f"say mode={mode} from now on"
        advice = f"it starts in {mode}, not in {plan.settings.mode}: {say}"
        session.notify(advice)
        return Started(replace(probe, plan=other), put, verdict, advice)
    _put_header(session, plan, entry)
    session.leave()
    session.notify(f"it starts in none of {', '.join((plan.settings.mode, *modes))}: the header is as it was")
    return last  # every part can be read in dout: what fails there is not the mode


def _may_be_mode(verdict: Verdict) -> bool:
    """Whether another mode could help: not where the firmware spoke, or its crash explains itself."""
    evidence = of_boot(verdict)
    spoke = verdict.kind == "boot-loop" and evidence.restarts_itself()
    return verdict.kind in KINDS and not spoke and not (verdict.kind == "exception" and explained(evidence))


def _put_header(session: Session, plan: FlashPlan, entry: journal.JournalEntry) -> journal.JournalEntry:
    """Write and verify the sector with the header; the journal's entry of what the board holds then."""
    (first,) = (segment for segment in plan.segments if segment.address == 0)
    piece = writer.FlashPiece(0, first.data[:SECTOR_SIZE])
    sector = Region(0, SECTOR_SIZE)

    def work() -> None:
        session.connected()
        with session.step("header", f"flash mode {plan.settings.mode}") as result:
            writer.write(session.link, [piece], [sector], session.progress("header"))
            writer.verify(session.link, [piece], [piece.region], session.progress("header"))
            result.append(f"flash mode {plan.settings.mode} written and verified")

    session.connected()  # before the journal says so: a board that was swapped is not this one
    journal.write(replace(entry, state="writing", verdict="not-checked", passed=False))
    session.retry(work)
    return journal.write(
        replace(
            entry,
            state="clean",
            plan=plan.fingerprint,
            verdict="not-checked",
            passed=False,
            held=tuple(region_digests(segment.address, segment.data) for segment in plan.segments),
            firmware={**entry.firmware, "start": start_digest(piece.data)},
        )
    )
