"""What is on a port, for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flashpipe.board.loader import chips
from flashpipe.board.session.session import Session
from flashpipe.flasher.fitting_profiles import fitting_profiles
from flashpipe.profile.load import usable_profiles
from flashpipe.units import format_size


def describe(session: Session, project: Path) -> str:
    """Chip, MAC, features, crystal, flash and fitting profiles of the board on the port; reads only.

    Raises:
        PipelineError: no connection.
    """
    device = session.connected()
    with session.step("sfdp", "asking the flash for its own tables") as result:
        size = _sfdp_size(session)
        result.append(format_size(size) if size else "the part has none")
    session.device = device = replace(device, sfdp_size=size)
    session.leave()
    fitting = fitting_profiles(usable_profiles(project), device)
    capacity = format_size(device.flash_size) if device.flash_size else "size unknown"
    disagrees = size is not None and size != device.flash_size
    rows = [
        ("port", device.port + (" (virtual board)" if device.virtual else "")),
        ("chip", f"{device.chip} ({', '.join(device.features)})"),
        ("MAC", device.mac),
        ("crystal", f"{device.crystal_mhz} MHz"),
        ("flash", f"{device.flash_part}, {capacity}, ID {chips.describe_flash(device.flash_id).jedec}"),
        ("SFDP", (format_size(size) if size else "none") + ("  (disagrees with the ID!)" if disagrees else "")),
        ("profiles", ", ".join(fitting) or "none fits: flash: {size: auto} in your own"),
    ]
    return "\n".join(f"{name:<9}{text}" for name, text in rows)


def _sfdp_size(session: Session) -> int | None:
    """Capacity by the part's own tables, in bytes; reads the two headers and one word: each costs round trips."""
    head = session.link.sfdp(0, 16)
    if not head.startswith(b"SFDP"):
        return None
    density = int.from_bytes(head[12:15], "little") + 4  # second word of the first table (JESD216 §6)
    return chips.sfdp_size(head.ljust(density, b"\xff") + session.link.sfdp(density, 4))
