"""A plan, as programs read it."""

from __future__ import annotations

from flashpipe.plan.model import FlashPlan


def plan_facts(plan: FlashPlan) -> dict[str, object]:
    """Firmware, header and segments of a plan; addresses and sizes are numbers, in bytes."""
    firmware = plan.firmware
    return {
        "profile": plan.profile or None,
        "fingerprint": plan.fingerprint,
        "firmware": {"family": firmware.family, "version": firmware.version, "sdk": firmware.sdk},
        "flash": {
            "size": None if plan.size_from_board else plan.settings.capacity,
            "mode": plan.settings.mode,
            "frequency": plan.settings.frequency,
        },
        "segments": [
            {
                "address": segment.address,
                "size": len(segment.data),
                "md5": segment.md5,
                "image": segment.name,
                "area": segment.area or None,
            }
            for segment in plan.segments
        ],
        "allowed": [override.code for override in plan.overridden],
    }
