"""Whether a board that has started again was told to by its program, as far as text and firmware say so."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.lua.console import Console
from flashpipe.errors import ConsoleError

_RESTARTS: Final = re.compile(rb"\b(?:node\s*\.\s*restart|\w*dsleep|flashreload|LFS\s*\.\s*reload|setpartitiontable)\b")
"""What restarts a board by design; a reload of LFS does it by the watchdog (nodemcu-firmware, lflash.c)."""
_OTHERS: Final = re.compile(rb"\b(?:dofile|loadfile|require|LFS|flashindex)\b")
"""Calls of what stands in other files, which may do that, too."""
_WISHED: Final = frozenset({"4", "5"})
"""Restarted by software, woken from deep sleep (docs/modules/node.md of NodeMCU); a panic, too, is the former."""


def wants_restart(text: bytes) -> bool:
    """Whether a Lua text names what restarts the board."""
    return _RESTARTS.search(text) is not None


def may_restart(text: bytes) -> bool:
    """Whether it does, or calls other files, which may."""
    return wants_restart(text) or _OTHERS.search(text) is not None


def restarted_on_purpose(console: Console) -> bool:
    """Whether the firmware's last start was one that a program asks for; False also where it does not tell."""
    try:
        return console.ask("select(2,node.bootreason())") in _WISHED
    except ConsoleError:  # one that has no such function, or has not come to a prompt
        return False
