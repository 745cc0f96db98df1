"""Options of a virtual board that are said in its URL, on the command line of `simulate` and `board`, and with tasks.

One table for all of them: `sim://esp12?execute=off`, `flashpipe flash … execute=off`, `flashpipe board --execute off`.
"""

from __future__ import annotations

from typing import Final

ABOUT: Final = {
    "execute": "on (default): the program in flash is executed; off: what it would say is predicted from the image",
    "unmapped": "stop (default) or warn: what to do where the firmware uses something that is not emulated",
    "wake": "wired (default) or open: whether GPIO16 reaches RST, so that deep sleep ends",
    "adc": "what the firmware measures at the ADC pin, 0 to 1024",
    "seed": "of the chip's random numbers, and of noise",
}
"""Name to meaning, for people."""
VALUES: Final = {"execute": ("on", "off"), "unmapped": ("stop", "warn"), "wake": ("wired", "open")}
"""Of those that take one of a few words, the default first."""
