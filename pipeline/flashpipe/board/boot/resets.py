"""What the ROM's own lines prove: how often the chip started, why, from where, and whether that is a loop.

The reset cause is latched: a restart by software repeats the one before (facts: esp8266 §2.2). So a 1 (power-on) after
another cause, or after a ROM log that was cut in two, is a supply that collapsed, while nothing but 1s may as well be a
firmware that restarts itself.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from flashpipe.board.boot.kinds import LogFinding, Verdict, line_at
from flashpipe.board.boot.patterns import LOADED, LOADING, ROM

Starts = list[re.Match[str]]
LOOP_STARTS: Final = 3
"""Starts that make a loop: a first boot of NodeMCU 3.x legitimately makes two (facts: esp8266 §2.5)."""
POWER_ON, WATCHDOG = "1", "4"
"""Reset causes of the supply and of the hardware watchdog (facts: esp8266 §2.2)."""
FLASH, DOWNLOAD = 3, 1
"""Boot modes (facts: esp8266 §2.1)."""
_PINS: Final = "GPIO15 {}, GPIO0 {}, GPIO2 {}"
_LOADS: Final = re.compile(r"^load 0x", re.MULTILINE)


def find_starts(text: str) -> Starts:
    """Every ROM log in the text."""
    return list(ROM.finditer(text))


def elsewhere(text: str, starts: Starts) -> LogFinding | None:
    """The verdict where the last start was not from flash."""
    if not starts or int(starts[-1]["mode"]) == FLASH:
        return None
    last = starts[-1]
    mode = int(last["mode"])
    evidence = (line_at(text, last.start()),)
    if mode == DOWNLOAD:
        return LogFinding(
            Verdict("download-mode", "the chip started in download mode: GPIO0 was low", evidence), last.start()
        )
    pins = _PINS.format(*("high" if mode >> bit & 1 else "low" for bit in (2, 1, 0)))
    summary = f"the chip did not start from flash: boot mode {mode} ({pins} at the reset)"
    return LogFinding(Verdict("strapping", summary, evidence), last.start())


def loop(text: str, starts: Starts) -> LogFinding | None:
    """The verdict where the starts are a loop, or a supply that collapses."""
    if not starts:
        return None
    bodies = _bodies(text, starts)
    alike = len(starts) >= LOOP_STARTS and bodies[-2] == bodies[-3] and "NodeMCU" not in bodies[-2]
    certain = alike or len(starts) > LOOP_STARTS
    twice = len(starts) > 1 and bodies[-1] == bodies[-2] != [] and starts[-1]["cause"] == starts[-2]["cause"]
    repeated = len(starts) >= LOOP_STARTS or twice  # a restart by software keeps the cause, a reset by wire does not
    watchdog = [start for start in starts if start["cause"] == WATCHDOG]
    collapses = _collapses(text, starts)
    if not certain and not repeated and not collapses and len(watchdog) < LOOP_STARTS - 1:
        return None
    evidence = tuple(line_at(text, start.start()) for start in starts[-LOOP_STARTS:])
    kind, why = _reason(text, starts, watchdog, collapses)
    verdict = Verdict(kind, f"the chip started {len(starts)} times; {why}", evidence)
    return LogFinding(verdict, starts[-1].start(), conclusive=certain or collapses > 1)


def _bodies(text: str, starts: Starts) -> list[list[str]]:
    """The words between the starts, and behind the last."""
    ends = [*(text.rfind("\n", 0, start.start()) + 1 for start in starts[1:]), len(text)]
    return [text[start.end() : end].split() for start, end in zip(starts, ends, strict=True)]


def _reason(text: str, starts: Starts, watchdog: Starts, collapses: int) -> tuple[str, str]:
    if collapses:
        return "brown-out", "it lost its supply in between: the 3.3 V collapse, mostly when the radio starts"
    if _LOADS.search(text, starts[0].end()) is None and not LOADED.search(text):
        return "no-image", "the ROM finds nothing to load: the flash is empty or unreadable"
    if watchdog:
        return (
            "watchdog",
            "the hardware watchdog resets it: the firmware hangs (wrong flash mode, damaged image)",
        )
    if {start["cause"] for start in starts[-LOOP_STARTS:]} == {POWER_ON}:
        return "boot-loop", "each start says power-on: the 3.3 V supply collapses, or the firmware restarts itself"
    return "boot-loop", "the firmware dies without a word (wrong flash mode or size, damaged image, weak supply)"


def _collapses(text: str, starts: Starts) -> int:
    """How many of the starts are a supply that came back."""
    count = 0
    for before, start in pairwise(starts):
        between = text[before.end() : start.start()]
        cut = bool(_LOADS.search(between)) and LOADED.search(between) is None and "csum err" not in between
        count += start["cause"] == POWER_ON and (before["cause"] != POWER_ON or cut)
    return count


def last_start(text: str, starts: Starts) -> LogFinding:
    """The verdict where the last start is the last that was heard of the board."""
    last = starts[-1]
    line = line_at(text, last.start())
    loaded = LOADED.search(text, last.end())
    if loaded is not None:
        return started(text, loaded, line, bitten=last["cause"] == WATCHDOG)
    if _LOADS.search(text, last.end()):
        return LogFinding(Verdict("alive", "the ROM was loading the image", (line,)), last.start(), conclusive=False)
    summary = "the ROM found nothing to load: the flash is empty or unreadable"
    return LogFinding(Verdict("no-image", summary, (line,)), last.start(), conclusive=False)


def without_start(text: str) -> LogFinding | None:
    """The verdict on a ROM log whose first line is missing or torn."""
    loaded = LOADED.search(text)
    if loaded is not None:
        bitten = re.search(r"^wdt reset", text[: loaded.start()], re.MULTILINE)
        return started(text, loaded, bitten=bitten is not None)
    loading = LOADING.search(text)
    if loading is None:
        return None
    line = line_at(text, loading.start())
    return LogFinding(Verdict("alive", "the ROM was loading the image", (line,)), loading.start(), conclusive=False)


def started(text: str, loaded: re.Match[str], *before: str, bitten: bool) -> LogFinding:
    """The ROM jumped into the image, after a bite of the watchdog perhaps, and that is the last that is known."""
    evidence = (*before, line_at(text, loaded.start()))
    if bitten:
        summary = "the hardware watchdog has reset the chip, and nothing was heard of the firmware since"
        return LogFinding(Verdict("watchdog", summary, evidence), loaded.start(), conclusive=False)
    verdict = Verdict("alive", "the ROM started the firmware, which says nothing", evidence)
    return LogFinding(verdict, loaded.start(), conclusive=False)
