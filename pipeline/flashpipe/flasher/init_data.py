"""What a board needs beside the plan: SDK init data that are corrupt, missing or asked for. Reads only."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Final

from flashpipe.board.session.session import Session
from flashpipe.errors import ImageError, InitDataError
from flashpipe.firmware.boot_image import read_image
from flashpipe.firmware.flash_map import VolatileRegion, areas
from flashpipe.firmware.init_data import (
    LENGTH,
    Filler,
    Found,
    InitDataDecision,
    decide,
    filler_of,
    find_v05,
    is_known,
    state_of,
)
from flashpipe.firmware.overrides import Overrides
from flashpipe.firmware.partition_table import PHY_DONE_ID, TABLE_ADDRESS, has_record
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.flasher.model import Policy, Probe
from flashpipe.plan.model import FlashPlan, fitted

_FROM_END: Final = 4 * SECTOR_SIZE
"""Of the sector of an SDK up to 2.x, to the end of flash (facts: image-flashmap §5.1)."""
_TABLE: Final = Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)


def with_init_data(session: Session, probe: Probe, policy: Policy) -> Probe:
    """The probe with what this board needs beside the plan; call it when the plan is final.

    Raises:
        InitDataError: it needs SDK init data and none are at hand.
    """
    wanted, place = policy.init_data, _place(probe)
    if wanted.source == "keep" or policy.trust_journal or place is None:
        return probe
    sector = _after(session, probe, Region(place.start, place.start + LENGTH))
    if wanted.source == "auto" and state_of(sector) == "valid" and not wanted.settings:
        return probe
    if wanted.settings and wanted.source == "auto":
        sector = _after(session, probe, place)  # the rest of the sector stays as it is
    allow = Overrides(policy.allow)
    try:
        decision = _decide(session, probe, policy, sector)
    except InitDataError as error:
        allow.judge(error)
        return replace(probe, overridden=tuple(dict.fromkeys((*probe.overridden, *allow.used))))
    if decision.action == "leave":
        return probe
    return _with(session, probe, place, decision)


def _decide(session: Session, probe: Probe, policy: Policy, sector: bytes) -> InitDataDecision:
    plan = probe.plan
    filler = _filler(plan)
    noted = filler == "once" and has_record(_after(session, probe, _TABLE), PHY_DONE_ID)
    own = (segment.data for segment in plan.segments)
    images = chain(own, policy.init_data.images())
    return decide(
        policy.init_data,
        sector,
        filler,
        noted=noted,
        v05=lambda: find_v05(images),
        own=lambda: _own(session, probe),
    )


def _own(session: Session, probe: Probe) -> Found | None:
    """What this board has where the SDK looks that goes by its real size: from the factory, mostly."""
    size = probe.device.flash_size
    if size is None:
        return None
    place = Region(size - _FROM_END, size - _FROM_END + LENGTH)
    data = session.link.read(place, lambda _done: None)
    return (data, f"the board's own, from {place.start:#08x},") if is_known(data) else None


def _with(session: Session, probe: Probe, place: Region, decision: InitDataDecision) -> Probe:
    """The sector becomes part of what is written to this board, and is ignored no longer."""
    note = f"SDK init data at {place.start:#08x}: {decision.why}"
    reason, difference = f"{probe.reason}; {note}", probe.difference
    if probe.up_to_date:
        reason, difference = f"board {probe.device.mac} has the image, but not all it needs: {note}", place
    session.notify(note)
    plan = fitted(probe.plan, [(place.start, decision.sector, "SDK init data")])
    owned = VolatileRegion(place, "the firmware may change it once it runs")
    return replace(
        probe,
        plan=replace(plan, volatile=(*plan.volatile, owned)),
        ignored=tuple(part for region in probe.ignored for part in region.without([place])),
        reason=reason,
        difference=difference,
        stop=None,  # what the probe asked was about other bytes
    )


def _place(probe: Probe) -> Region | None:
    """The sector, by the flash size that the firmware will go by: the header's, or the real one where it adjusts it."""
    plan, real = probe.plan, probe.device.flash_size
    if all(segment.address for segment in plan.segments):
        return None  # no firmware in this plan: whose init data would they be?
    size = real if real and plan.firmware.adjusts_size else plan.believed_capacity
    if real and size > real:
        return None  # the header claims more than there is, as the user allowed
    return next((area.region for area in areas(plan.firmware, size) if area.name == "phy_init"), None)


def _filler(plan: FlashPlan) -> Filler:
    parts = [segment.data for segment in plan.segments]
    boot = next((segment.data for segment in plan.segments if segment.address == 0), b"")
    try:
        end = read_image(boot, name="").end
    except ImageError:  # written all the same, as the user allowed
        end = 0
    return filler_of(plan.firmware, parts, boot[:end])


def _after(session: Session, probe: Probe, region: Region) -> bytes:
    """What will stand there once the plan is carried out."""
    for segment in probe.plan.segments:
        if segment.region.contains(region) and not any(part.overlaps(region) for part in probe.ignored):
            return segment.data[region.start - segment.address : region.end - segment.address]
    if probe.plan.erase_all and (probe.forced or probe.difference is not None):
        return b"\xff" * region.size
    return session.link.read(region, lambda _done: None)
