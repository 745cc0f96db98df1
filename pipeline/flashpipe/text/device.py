"""What is on a port, for people."""

from __future__ import annotations

from collections.abc import Sequence

from flashpipe.board.loader import chips
from flashpipe.board.loader.device import Device
from flashpipe.units import format_size


def describe(device: Device, profiles: Sequence[str]) -> str:
    """Chip, MAC, features, crystal and flash of a device, and the names of the profiles that fit it."""
    capacity = format_size(device.flash_size) if device.flash_size else "size unknown"
    disagrees = device.sfdp_size is not None and device.sfdp_size != device.flash_size
    tables = format_size(device.sfdp_size) if device.sfdp_size else "none"
    rows = [
        ("port", device.port + (" (virtual board)" if device.virtual else "")),
        ("chip", f"{device.chip} ({', '.join(device.features)})"),
        ("MAC", device.mac),
        ("crystal", f"{device.crystal_mhz} MHz"),
        ("flash", f"{device.flash_part}, {capacity}, ID {chips.describe_flash(device.flash_id).jedec}"),
        ("SFDP", tables + ("  (disagrees with the ID!)" if disagrees else "")),
        ("profiles", ", ".join(profiles) or "none fits: flash: {size: auto} in your own"),
    ]
    return "\n".join(f"{name:<9}{text}" for name, text in rows)
