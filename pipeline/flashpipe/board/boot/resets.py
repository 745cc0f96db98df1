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
from flashpipe.board.boot.patterns import (
    BOOT_LINE,
    LOADED,
    LOADER,
    LOADER_BEGINS,
    LOADING,
    NODEMCU,
    ROM,
    SDK_STARTS,
    STAMP,
)
from flashpipe.values import dataclass

LOOP_STARTS: Final = 3
"""Starts that make a loop: a first boot of NodeMCU 3.x legitimately makes two (facts: esp8266 §2.5)."""
POWER_ON, WATCHDOG = 1, 4
"""Reset causes of the supply and of the hardware watchdog (facts: esp8266 §2.2)."""
FLASH, DOWNLOAD = 3, 1
"""Boot modes (facts: esp8266 §2.1)."""
_PINS: Final = "GPIO15 {}, GPIO0 {}, GPIO2 {}"
_SDK_LINES: Final = 2
"""Different lines of the SDK that no accident makes."""
_TRIES_ON: Final = re.compile(r"reboot to try (?:backup|this) bin[^\n]*\n[ \t\n]*(?:ets [^\n]*)?\Z")
"""Last words of Espressif's boot loader before it resets the chip by its watchdog (seen in executed boot_v1.7)."""
_REACH: Final = 120
"""Letters of those words, and what the ROM says before its reset cause."""
_LOADS: Final = re.compile(r"^load 0x", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the chip, from the ROM's first line; or, where that was not read, from the loader's."""

    at: int
    end: int
    cause: int | None = None
    """Reset cause; None where only a boot loader tells of the start."""
    mode: int = FLASH


def find_starts(text: str) -> list[Start]:
    """Every start in the text. A loader's first line is one where no ROM log came since the loader's last.

    One that a loader says it makes, to try its image again or the other, goes on with the same boot.
    """
    rom = [Start(line.start(), line.end(), int(line["cause"]), int(line["mode"])) for line in ROM.finditer(text)]
    loader = [Start(line.start(), line.end()) for line in LOADER_BEGINS.finditer(text)]
    starts: list[Start] = []
    covered = False  # a ROM log came, and no loader since
    for start in sorted([*rom, *loader], key=lambda start: start.at):
        if (start.cause is not None or not covered) and not _tries_on(text, start.at):
            starts.append(start)
        covered = start.cause is not None
    return starts


def _tries_on(text: str, at: int) -> bool:
    return _TRIES_ON.search(text, max(0, at - _REACH), at) is not None


def elsewhere(text: str, starts: list[Start]) -> LogFinding | None:
    """The verdict where the last start was not from flash."""
    if not starts or starts[-1].mode == FLASH:
        return None
    last = starts[-1]
    evidence = (line_at(text, last.at),)
    if last.mode == DOWNLOAD:
        return LogFinding(
            Verdict("download-mode", "the chip started in download mode: GPIO0 was low", evidence), last.at
        )
    pins = _PINS.format(*("high" if last.mode >> bit & 1 else "low" for bit in (2, 1, 0)))
    summary = f"the chip did not start from flash: boot mode {last.mode} ({pins} at the reset)"
    return LogFinding(Verdict("strapping", summary, evidence), last.at)


def loop(text: str, starts: list[Start]) -> LogFinding | None:
    """The verdict where the starts are a loop, or a supply that collapses."""
    if not starts:
        return None
    bodies = _bodies(text, starts)
    alike = len(starts) >= LOOP_STARTS and bodies[-2] == bodies[-3] and "NodeMCU" not in bodies[-2]
    certain = alike or len(starts) > LOOP_STARTS
    twice = len(starts) > 1 and bodies[-1] == bodies[-2] != [] and starts[-1].cause == starts[-2].cause is not None
    repeated = len(starts) >= LOOP_STARTS or twice  # a restart by software keeps the cause, a reset by wire does not
    watchdog = [start for start in starts if start.cause == WATCHDOG]
    collapses = _collapses(text, starts)
    if not certain and not repeated and not collapses and len(watchdog) < LOOP_STARTS - 1:
        return None
    evidence = tuple(line_at(text, start.end - 1) for start in starts[-LOOP_STARTS:])
    kind, why = _reason(text, starts, bitten=bool(watchdog), collapses=collapses)
    who = "the boot loader" if all(start.cause is None for start in starts) else "the chip"
    verdict = Verdict(kind, f"{who} started {len(starts)} times; {why}", evidence)
    return LogFinding(verdict, starts[-1].at, conclusive=certain or collapses > 1)


def _bodies(text: str, starts: list[Start]) -> list[list[str]]:
    """The words between the starts, and behind the last, without the time at which a loader said them."""
    ends = [*(text.rfind("\n", 0, start.at) + 1 for start in starts[1:]), len(text)]
    return [STAMP.sub("", text[start.end : end]).split() for start, end in zip(starts, ends, strict=True)]


def _reason(text: str, starts: list[Start], *, bitten: bool, collapses: int) -> tuple[str, str]:
    if collapses:
        return "brown-out", "it lost its supply in between: the 3.3 V collapse, mostly when the radio starts"
    loads = _LOADS.search(text, starts[0].end) is not None or LOADED.search(text) is not None
    if not loads and LOADER.search(text) is None:
        return "no-image", "the ROM finds nothing to load: the flash is empty or unreadable"
    if bitten:
        return "watchdog", "the hardware watchdog resets it: it hangs"
    if {start.cause for start in starts[-LOOP_STARTS:]} == {POWER_ON}:
        return "boot-loop", "each start says power-on: the 3.3 V supply collapses, or the firmware restarts itself"
    if restarts_itself(text, starts):
        return (
            "boot-loop",
            "NodeMCU comes up each time, and is started again: its init.lua, or what that runs, may do so",
        )
    return "boot-loop", "the firmware dies without a word"


def restarts_itself(text: str, starts: list[Start]) -> bool:
    """Whether a NodeMCU was up in each start that came to its end, two at least: its program ends it then."""
    ended = [text[before.end : start.at] for before, start in pairwise(starts)]
    return len(ended) >= LOOP_STARTS - 1 and all(NODEMCU.search(each) for each in ended[1 - LOOP_STARTS :])


def _collapses(text: str, starts: list[Start]) -> int:
    """How many of the starts are a supply that came back."""
    count = 0
    for before, start in pairwise(starts):
        between = text[before.end : start.at]
        cut = bool(_LOADS.search(between)) and LOADED.search(between) is None and "csum err" not in between
        cut = cut and LOADER.search(between) is None
        other = before.cause is not None and before.cause != POWER_ON
        count += start.cause == POWER_ON and (other or cut)
    return count


def last_start(text: str, starts: list[Start]) -> LogFinding:
    """The verdict where the last start is the last that was heard of the board."""
    last = starts[-1]
    line = line_at(text, last.end - 1)
    bitten = last.cause == WATCHDOG or (last.cause is None and _bitten(text[: last.at]))
    loader = loader_ran(text, last.at, line)
    if loader is not None and not bitten:
        return loader
    loaded = LOADED.search(text, last.end if last.cause is not None else 0)
    if loaded is not None:
        return started(text, loaded, line, bitten=bitten)
    if bitten and LOADED.search(text, 0, last.at) is not None:  # it had run; what came of the next start is cut off
        summary = "the hardware watchdog has reset the chip, and nothing was heard of its next start"
        return LogFinding(Verdict("watchdog", summary, (line,)), last.at, conclusive=False)
    if _LOADS.search(text, last.end):
        return LogFinding(Verdict("alive", "the ROM was loading the image", (line,)), last.at, conclusive=False)
    summary = "the ROM found nothing to load: the flash is empty or unreadable"
    return LogFinding(Verdict("no-image", summary, (line,)), last.at, conclusive=False)


def loader_ran(text: str, begin: int, *before: str) -> LogFinding | None:
    """A boot loader spoke from `begin` on, then perhaps an SDK that it started, and that is the last that is known."""
    lines = list(LOADER.finditer(text, begin))
    if not lines:
        return None
    evidence = tuple(dict.fromkeys((*before, line_at(text, lines[-1].end() - 1))))
    summary = "the boot loader ran, and nothing was heard of the firmware since"
    if sdk := SDK_STARTS.search(text, lines[-1].end()):
        evidence = (*evidence, line_at(text, sdk.end() - 1))
        summary = "the boot loader started the firmware, whose SDK spoke, and nothing was heard of the firmware itself"
    return LogFinding(Verdict("alive", summary, evidence), lines[-1].start(), conclusive=False)


def _bitten(text: str) -> bool:
    """Whether the ROM says that the hardware watchdog has reset the chip."""
    return re.search(r"^wdt reset", text, re.MULTILINE) is not None


def without_start(text: str) -> LogFinding | None:
    """The verdict on a ROM log whose first line is missing or torn."""
    loaded = LOADED.search(text)
    if loaded is not None:
        return started(text, loaded, bitten=_bitten(text[: loaded.start()]))
    loading = LOADING.search(text)
    if loading is None:
        return None
    line = line_at(text, loading.start())
    return LogFinding(Verdict("alive", "the ROM was loading the image", (line,)), loading.start(), conclusive=False)


def sdk_spoke(text: str) -> LogFinding | None:
    """Lines of the SDK alone: a tail of a log, as it is heard at a firmware's rate."""
    lines = [line.strip() for line in text.splitlines() if BOOT_LINE.match(line) and line.strip(". \t")]
    if len(set(lines)) < _SDK_LINES:
        return None
    summary = "the SDK spoke, and nothing was heard of the firmware itself"
    return LogFinding(Verdict("alive", summary, (lines[-1],)), text.rfind(lines[-1]), conclusive=False)


def sdk_loop(text: str, begin: int) -> LogFinding | None:
    """The SDK started again and again from `begin` on, without a word of the ROM: a firmware that jumps to its start.

    It says its version once in a boot. Seen in an executed image into which two bytes were inserted.
    """
    lines = list(SDK_STARTS.finditer(text, max(0, begin)))
    if len(lines) <= LOOP_STARTS:
        return None
    summary = f"the firmware started {len(lines)} times without a reset of the chip; it dies without a word"
    return LogFinding(Verdict("boot-loop", summary, (line_at(text, lines[-1].end() - 1),)), lines[-1].start())


def started(text: str, loaded: re.Match[str], *before: str, bitten: bool) -> LogFinding:
    """The ROM jumped into the image, after a bite of the watchdog perhaps, and that is the last that is known."""
    evidence = (*before, line_at(text, loaded.start()))
    if bitten:
        summary = "the hardware watchdog has reset the chip, and nothing was heard of the firmware since"
        return LogFinding(Verdict("watchdog", summary, evidence), loaded.start(), conclusive=False)
    verdict = Verdict("alive", "the ROM started the firmware, which says nothing", evidence)
    return LogFinding(verdict, loaded.start(), conclusive=False)
