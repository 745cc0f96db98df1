"""The virtual board: a simulated ESP8266 to flash and boot without hardware.

Written from the chip's documented behaviour, never from the host side of this project: agreement between independent
halves is evidence. Two halves of its own: the wire (SLIP, ROM loader, stub, NOR, transports) and the program (`boot`:
what a chip prints and does after reset, predicted from its flash; no firmware code is ever executed).
"""

from __future__ import annotations

import sys
from types import ModuleType


def _serial_class_for_url(url: str) -> tuple[str, type]:
    """What pyserial asks a handler module for: the URL to open, and the class that opens it."""
    from flashpipe.sim import protocol_sim_attach  # noqa: PLC0415  this package is loaded for any URL of its kinds

    return protocol_sim_attach.serial_class_for_url(url)


# pyserial looks for the handler of `sim+attach://` in a module named `protocol_sim+attach`; no file may be called so.
_attach = ModuleType(f"{__name__}.protocol_sim+attach", "Handler of sim+attach:// URLs.")
_attach.serial_class_for_url = _serial_class_for_url  # type: ignore[attr-defined]
sys.modules.setdefault(_attach.__name__, _attach)
