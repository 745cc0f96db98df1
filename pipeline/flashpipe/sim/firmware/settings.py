"""What the facts leave open about a boot, as named options with defaults; anything else in `options` is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.values import dataclass

BAD_MODES: Final = ("ets_main", "csum", "exception")
"""How a flash mode that the part cannot do shows itself; which one depends on the wiring (facts: esp8266 §2.4)."""


TROUBLES: Final = ("none", "chatter", "exception", "panic", "silence", "watchdog", "brown-out", "system-params")
"""Ways in which a program that the ROM starts can still fail: nothing in its image tells them."""

_CHOICES: Final = {"bad_mode": BAD_MODES, "trouble": TROUBLES}


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. Where no source is named the figures are choices, and a caller may choose otherwise."""

    bad_mode: str = "ets_main"
    """`ets_main` (no image seen), `csum` (checksum error) or `exception` (crash after the ROM)."""
    trouble: str = "none"
    """`chatter` (prints lines without end),
    `exception` (crashes as soon as it starts), `panic` (Lua gives up after the banner), `silence`, `watchdog`,
    `brown-out` (the supply collapses when the radio starts), `system-params` (the SDK does not accept its own)."""
    baud: int = 0
    """Rate of the program's console; 0: the usual one."""
    boot_mode_b: int = 6
    """Second number of `boot mode:(a,b)`: 0, 2, 6 and 7 are seen in the field, meaning unknown (§2.7)."""
    rom_s: float = 0.03
    """From reset to the first byte of the ROM log."""
    watchdog_s: float = 3.0
    """From a ROM that has stopped to the hardware watchdog's reset."""
    sdk_s: float = 0.08
    """From the jump into the program to the SDK's first line."""
    lua_s: float = 0.12
    """From the SDK's last line to the banner (0.1 to 0.17 s: facts flash-timing §7.2)."""
    crash_s: float = 0.5
    """From an exception's or a missing init data's message to the restart."""

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Settings:
        """Read texts into settings.

        Raises:
            BadValueError: an unknown name, or a value that cannot be read.
        """
        values: dict[str, str | int | float] = {}
        for name, text in options.items():
            key = name.replace("-", "_")
            if key not in NAMES:
                raise BadValueError(f"{name!r} is no boot option", f"these are: {', '.join(NAMES)}")
            values[key] = _read(key, text)
        return cls(**values)  # type: ignore[arg-type]  # _read gives each field its own type


NAMES: Final = tuple(field.name for field in fields(Settings))
"""Names of all boot options; `-` may stand for `_`."""


def _read(name: str, text: str) -> str | int | float:
    if name in _CHOICES:
        if text not in _CHOICES[name]:
            raise BadValueError(f"{name}={text!r}", f"choose one of {', '.join(_CHOICES[name])}")
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not math.isfinite(value) or value < 0:
        raise BadValueError(f"{name}={text!r} is no number", "write seconds, like 0.5 (boot_mode_b: 0 to 7)")
    if name == "baud":
        return int(value)
    if name == "boot_mode_b":
        if value not in range(8):
            raise BadValueError(f"{name}={text!r}", "a whole number from 0 to 7")
        return int(value)
    return value
