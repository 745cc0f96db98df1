"""What a board needs beside the plan: SDK init data that are corrupt, missing or wished otherwise. Reads only."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Final

from flashpipe.board.session.session import Session
from flashpipe.errors import ImageError, InitDataError
from flashpipe.firmware.boot_image import read_image
from flashpipe.firmware.flash_map import Volatile, areas
from flashpipe.firmware.init_data import (
    LENGTH,
    Filler,
    InitDataDecision,
    decide,
    filler_of,
    find_v05,
    images_at_hand,
    state_of,
)
from flashpipe.firmware.overrides import Overrides
from flashpipe.firmware.partition_table import PHY_DONE_ID, TABLE_ADDRESS, has_record
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.flasher.model import Policy, Probe
from flashpipe.plan.make import FlashPlan, fitted

_TABLE: Final = Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)


def with_init_data(session: Session, found: Probe, policy: Policy) -> Probe:
    """The probe with what this board needs beside the plan; call it when the plan is settled.

    Raises:
        InitDataError: it needs SDK init data and none are at hand.
    """
    wish, place = policy.init_data, _place(found)
    if wish.source == "keep" or policy.trust_journal or place is None:
        return found
    sector = _after(session, found, Region(place.start, place.start + LENGTH))
    if wish.source == "auto" and state_of(sector) == "valid" and not wish.settings:
        return found
    if wish.settings and wish.source == "auto":
        sector = _after(session, found, place)  # the rest of the sector stays as it is
    allow = Overrides(policy.allow)
    try:
        decision = _decide(session, found, policy, sector)
    except InitDataError as error:
        allow.judge(error)
        return replace(found, overridden=tuple(dict.fromkeys((*found.overridden, *allow.used))))
    if decision.action == "leave":
        return found
    return _with(session, found, place, decision)


def _decide(session: Session, found: Probe, policy: Policy, sector: bytes) -> InitDataDecision:
    plan = found.plan
    filler = _filler(plan)
    noted = filler == "once" and has_record(_after(session, found, _TABLE), PHY_DONE_ID)
    own = (segment.data for segment in plan.segments)
    return decide(policy.init_data, sector, filler, noted=noted, v05=lambda: find_v05(chain(own, images_at_hand())))


def _with(session: Session, found: Probe, place: Region, decision: InitDataDecision) -> Probe:
    """The sector becomes part of what is written to this board, and is ignored no longer."""
    told = f"SDK init data at {place.start:#08x}: {decision.why}"
    reason, difference = f"{found.reason}; {told}", found.difference
    if found.holds:
        reason, difference = f"board {found.device.mac} holds the image, but not all it needs: {told}", place
    else:
        session.say(told)
    plan = fitted(found.plan, [(place.start, decision.sector, "SDK init data")])
    owned = Volatile(place, "the firmware may change it once it runs")
    return replace(
        found,
        plan=replace(plan, volatile=(*plan.volatile, owned)),
        ignored=tuple(part for region in found.ignored for part in region.without([place])),
        reason=reason,
        difference=difference,
        stop=None,  # what the probe asked was about other bytes
    )


def _place(found: Probe) -> Region | None:
    """The sector, by the flash size that the firmware will go by: the header's, or the real one where it adjusts it."""
    plan, real = found.plan, found.device.flash_size
    if all(segment.address for segment in plan.segments):
        return None  # no firmware in this plan: whose init data would they be?
    size = real if real and plan.firmware.adjusts_size else plan.settings.capacity
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


def _after(session: Session, found: Probe, region: Region) -> bytes:
    """What will stand there once the plan is carried out."""
    for segment in found.plan.segments:
        if segment.region.contains(region) and not any(part.overlaps(region) for part in found.ignored):
            return segment.data[region.start - segment.address : region.end - segment.address]
    if found.plan.erase_all and (found.forced or found.difference is not None):
        return b"\xff" * region.size
    return session.link.read(region, lambda _done: None)
