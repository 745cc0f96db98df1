"""The virtual board: a simulated ESP8266 to flash and boot without hardware.

Written from the chip's documented behaviour, never from the host side of this project: agreement between independent
halves is evidence. Two halves of its own: the wire (SLIP, ROM loader, stub, NOR, transports) and the program. That is
what stands in the flash, executed instruction by instruction (`executed`, `machine`, `cpu`) on modelled devices
(`devices`) under a mask ROM written anew (`rom`). Espressif's flasher stubs stay models (`loader`): their own code was
executed to measure them. `execute=off` predicts what a program prints (`boot`, `firmware`), for what holds no code.
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
