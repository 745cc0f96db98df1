"""What is on a port, for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.board import chips
from pipeline.board.session import Session
from pipeline.tasks.project import fitting_profiles
from pipeline.units import format_size

SFDP_BYTES = 0x100
"""Enough for the header and the first parameter table of every part at hand."""


def describe(session: Session, project: Path) -> str:
    """Chip, MAC, features, crystal, flash and fitting profiles of the board on the port; reads only.

    Raises:
        PipelineError: no connection.
    """
    device = session.connected()
    with session.step("sfdp", "asking the flash for its own tables") as result:
        size = chips.sfdp_size(session.link.sfdp(0, SFDP_BYTES))
        result.append(format_size(size) if size else "the part has none")
    session.device = device = replace(device, sfdp_size=size)
    session.leave()
    capacity = format_size(device.flash_size) if device.flash_size else "size unknown"
    disagrees = size is not None and size != device.flash_size
    rows = [
        ("port", device.port + (" (virtual board)" if device.virtual else "")),
        ("chip", f"{device.chip} ({', '.join(device.features)})"),
        ("MAC", device.mac),
        ("crystal", f"{device.crystal_mhz} MHz"),
        ("flash", f"{device.flash_part}, {capacity}, ID {chips.describe_flash(device.flash_id).jedec}"),
        ("SFDP", (format_size(size) if size else "none") + ("  (disagrees with the ID!)" if disagrees else "")),
        ("profiles", ", ".join(fitting_profiles(project, device)) or "none fits: flash: {size: auto} in your own"),
    ]
    return "\n".join(f"{name:<9}{text}" for name, text in rows)
