"""Why a board has started again, and whether its program asked for that, as far as text and firmware say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from flashpipe.errors import ConsoleError

_RELOADS: Final = re.compile(rb"\b(?:flashreload|LFS\s*\.\s*reload|setpartitiontable)\b")
"""What restarts a board by its watchdog (nodemcu-firmware, lflash.c and node.c)."""
_RESTARTS: Final = re.compile(rb"\b(?:node\s*\.\s*restart|\w*dsleep)\b")
"""What restarts it by design otherwise."""
_OTHERS: Final = re.compile(rb"\b(?:dofile|loadfile|require|LFS|flashindex)\b")
"""Calls of what stands in other files, which may do that, too."""
REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "0": ("brown-out", "its power had gone"),
        "1": ("watchdog", "the hardware watchdog reset it"),
        "2": ("exception", "an exception reset it"),
        "3": ("watchdog", "the software watchdog reset it: Lua kept the processor for too long"),
        "4": ("boot-loop", "it restarted by software: node.restart(), or a panic of Lua"),
        "5": ("alive", "it woke up from deep sleep"),
        "6": ("alive", "its reset line was pulled, or it woke up from deep sleep"),
    }
)
"""What `node.bootreason` says second: kind of a verdict, and words (docs/modules/node.md of NodeMCU)."""
_WATCHDOGS: Final = frozenset({"1", "3"})
_BY_PROGRAM: Final = frozenset({"4", "5"})
"""A panic, too, is the former."""
_PULLED: Final = "6"


class Asked(Protocol):
    """A Lua console."""

    def ask(self, expression: str) -> str:
        """The value of a Lua expression."""


def wants_restart(text: bytes) -> bool:
    """Whether a Lua text names what restarts the board."""
    return (_RESTARTS.search(text) or _RELOADS.search(text)) is not None


def may_restart(text: bytes) -> bool:
    """Whether it does, or calls other files, which may."""
    return wants_restart(text) or _OTHERS.search(text) is not None


def start_reason(console: Asked) -> str:
    """What the firmware says of its last start, a key of `REASONS`; empty where it does not tell."""
    try:
        raw, reason = console.ask('("%d %d"):format(node.bootreason())').split()
    except (ConsoleError, ValueError):  # one that has no such function, or has not come to a prompt
        return ""
    # A NodeMCU that sleeps by itself (rtctime.dsleep) gives the watchdog's number with raw 2, a reset by pin.
    return _PULLED if (raw, reason) == ("2", "1") else reason


def why_unasked(text: bytes, console: Asked) -> str:
    """Why a board has started again that a Lua text has run on; empty where a program asked for that.

    A text that names a restart is believed only where the firmware does not tell of another reason.
    """
    reason = start_reason(console)
    if reason in _BY_PROGRAM or (reason in _WATCHDOGS and _RELOADS.search(text)):
        return ""
    if reason not in REASONS or reason == _PULLED:
        return "" if wants_restart(text) else REASONS.get(reason, ("", "nothing says why"))[1]
    return REASONS[reason][1]
