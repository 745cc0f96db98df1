"""Written and verified, and it does not run: what its boot log says of the reason (facts: esp8266 §2.4 to §2.6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flashpipe.board.diagnosis.evidence import INTO_APPLICATION, Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_line import DEAD, feed, starved

UNREADABLE: Final = frozenset({"no-image", "bad-checksum"})
"""Verdicts on what the ROM found at 0x00000."""
EXCEPTION: Final = re.compile(r"^.*(?:Fatal exception|Exception) ?\(?(?P<number>\d+).*$", re.MULTILINE)
FETCHED_WRONG: Final = frozenset({"0", "2", "3", "20"})
"""Exceptions of a processor that is fed with wrong instructions (facts: esp8266 §2.5)."""
SAFEST: Final = "dout"
NEXT_MODE: Final = {"qio": "dio", "qout": "dout", "dio": "dout"}
LAYOUT: Final = ("wrong-size", "bad-partitions")
RATES: Final = 2
"""One garbled rate may be the SDK, which still speaks at the ROM's (facts: esp8266 §2.5)."""


def _is(evidence: Evidence, *kinds: str) -> bool:
    return evidence.verdict in kinds and not starved(evidence)


def _quote(evidence: Evidence, pattern: str) -> list[str]:
    line = re.search(rf"^.*(?:{pattern}).*$", evidence.log, re.MULTILINE)
    return [f'its log says "{line[0].strip()}"'] if line else []


def _exception(evidence: Evidence) -> str:
    heading = EXCEPTION.search(evidence.log)
    return heading["number"] if heading else ""


# --- how the flash is read -------------------------------------------------------------------------------------------

_ROM_WORDS: Final = r"ets_main|csum err|flash read err|exception|Exception|load 0xffffffff|load 0x00000000, len 0"
_BYTES_RIGHT: Final = "the flash holds every byte as planned, by digests that the chip computed in its loader"


def _wrong_mode(evidence: Evidence) -> Proof:
    fed_wrong = _is(evidence, "exception") and _exception(evidence) in FETCHED_WRONG and evidence.verified
    if not _is(evidence, "wrong-mode") and not (fed_wrong and evidence.mode not in {"", SAFEST}):
        return None
    return [*([_BYTES_RIGHT] if evidence.verified else []), *_quote(evidence, _ROM_WORDS)]


def _mode_action(evidence: Evidence) -> str:
    following = NEXT_MODE.get(evidence.mode, SAFEST)
    return f"run it again with mode={following}" + (f", then mode={SAFEST}" if following != SAFEST else "")


def _read_wrong(evidence: Evidence) -> Proof:
    if not _is(evidence, *UNREADABLE) or not evidence.verified:
        return None
    return [_BYTES_RIGHT, *_quote(evidence, _ROM_WORDS), f"flash mode {evidence.mode}, which every part can do"]


def _nothing_bootable(evidence: Evidence) -> Proof:
    if not _is(evidence, *UNREADABLE) or evidence.verified:
        return None
    return _quote(evidence, _ROM_WORDS) or [f'after "{evidence.rom_line()}" comes nothing']


# --- what the firmware says ------------------------------------------------------------------------------------------


def _says(pattern: str, *kinds: str) -> Callable[[Evidence], Proof]:
    """Rules whose verdict is the cause; the log's line is the proof."""

    def sees(evidence: Evidence) -> Proof:
        return (_quote(evidence, pattern) or [evidence.message]) if _is(evidence, *kinds) else None

    return sees


def _crash(evidence: Evidence) -> Proof:
    if not _is(evidence, "exception") or _wrong_mode(evidence) is not None:
        return None
    return (_quote(evidence, "exception|Exception|Panic|abort") + _quote(evidence, "^epc1=")) or [evidence.message]


def _starts(*kinds: str) -> Callable[[Evidence], Proof]:
    """Rules about how often and why the chip started."""

    def sees(evidence: Evidence) -> Proof:
        if not _is(evidence, *kinds):
            return None
        causes = ", ".join(str(cause) for cause, _ in evidence.log_starts()[:8])
        return [f"{len(evidence.log_starts())} starts in its log, reset causes {causes}"]

    return sees


# --- pins ------------------------------------------------------------------------------------------------------------


def _gpio0_held(evidence: Evidence) -> Proof:
    if not _is(evidence, "download-mode") or not evidence.log_starts():
        return None
    return [f'the ROM says "{evidence.rom_line()}": boot mode 1 is the serial loader']


def _strapped(evidence: Evidence) -> Proof:
    return [f'the ROM says "{evidence.rom_line()}"'] if _is(evidence, "strapping") else None


def _no_wire(evidence: Evidence) -> Proof:
    if not _is(evidence, "download-mode") or evidence.log_starts():
        return None
    return ["no ROM spoke after the reset, and the loader of before still answers"]


# --- quiet ones ------------------------------------------------------------------------------------------------------


def _power_lost(evidence: Evidence) -> Proof:
    """The ROM speaks after each reset, whatever the firmware does."""
    if not _is(evidence, "silence", "alive") or not evidence.chip or not evidence.silent(INTO_APPLICATION):
        return None
    return ["the loader answered before; after a reset not even the ROM speaks"]


def _unknown_rate(evidence: Evidence) -> Proof:
    told = evidence.verdict == "unreadable" or evidence.unknown_rate or evidence.garbled_rates >= RATES
    if not _is(evidence, "alive", "unreadable") or not told:
        return None
    return [f"what comes after the ROM's words is garbage at {max(1, evidence.garbled_rates)} of the usual rates"]


def _mute_firmware(evidence: Evidence) -> Proof:
    if not _is(evidence, "alive") or _power_lost(evidence) is not None or _unknown_rate(evidence) is not None:
        return None
    return ["the ROM loads the image and starts it; then nothing comes at any usual rate, nor an answer to a knock"]


def _silent(evidence: Evidence) -> Proof:
    if not _is(evidence, "silence") or _power_lost(evidence) is not None:
        return None
    return ["not one byte came after the reset, and the ROM of a powered chip always speaks"]


def _other(evidence: Evidence) -> Proof:
    if not _is(evidence, *RUNNING):
        return None
    last = [line.strip() for line in evidence.log.splitlines() if line.strip()]
    return [f'it runs and says "{last[-1]}"'] if last else ["it runs"]


RUNNING: Final = ("firmware", "banner", "prompt", "python-prompt")
RULES: Final = (
    Rule(
        "flash-mode",
        _wrong_mode,
        lambda evidence: (
            f"the flash part or its wiring cannot do the flash mode {evidence.mode}, in which it is read at boot"
        ),
        _mode_action,
    ),
    Rule(
        "read-wrong-at-boot",
        _read_wrong,
        "the ROM cannot read what the flash holds: its frequency, its supply, or something on GPIO6 to GPIO11",
        "take off what hangs on GPIO6 to GPIO11, feed 500 mA at 3.3 V; then `flash: {frequency: 20m}` in the profile",
    ),
    Rule(
        "nothing-bootable",
        _nothing_bootable,
        "there is nothing to start at 0x00000: an empty flash, a damaged image, or a flash mode that does not fit",
        "`flashpipe verify profile=NAME` says which: if the bytes are right, mode=dio or mode=dout; else flash it",
    ),
    Rule(
        "init-data",
        _says(r"rf_cal\[0\]", "rf-cal"),
        "the SDK's init data is missing or damaged, and this firmware does not write it itself",
        "flash again with init_data: auto, which mends it; `flashpipe erase` first, if it comes back",
    ),
    Rule(
        "system-params",
        _says("^system param error", "system-params"),
        "the sectors in which the SDK keeps its parameters hold something else",
        "`flashpipe erase`, then flash again: the firmware writes them anew",
    ),
    Rule(
        "layout-refused",
        _says("too small to support|partition_table_regist|Invalid system partition|invalid alignment", *LAYOUT),
        "the firmware refuses the flash size or partition table that it finds",
        "flash it with the profile of the board's real size: `flashpipe identify` names it",
    ),
    Rule(
        "firmware-crashes",
        _crash,
        lambda evidence: "the firmware itself crashes" + ("; the flash holds it whole" if evidence.verified else ""),
        "take another build of it; the addresses go to whoever built it",
    ),
    Rule(
        "lua-panic",
        _says("^PANIC:", "panic"),
        "a Lua script that runs at boot, mostly init.lua, crashes the firmware",
        "`flashpipe erase` and flash again loses the files and gets you in; then start init.lua with a delay",
    ),
    Rule(
        "watchdog-loop",
        _starts("watchdog"),
        "the firmware hangs, and the hardware watchdog resets the chip",
        "take another build; if every build hangs, mode=dout",
    ),
    Rule(
        "supply-at-boot",
        _starts("brown-out"),
        "the 3.3 V supply collapses when the firmware starts, mostly with its radio",
        feed,
    ),
    Rule(
        "restart-loop",
        _starts("boot-loop"),
        "the chip starts again and again without a word of why",
        "feed it from a stronger 3.3 V supply; then mode=dout; then another build",
    ),
    Rule(
        "gpio0-held",
        _gpio0_held,
        "GPIO0 is still held low, so the chip starts its loader instead of the firmware",
        "take the jumper from GPIO0 (release FLASH) and reset the board",
    ),
    Rule(
        "strapping",
        _strapped,
        "a pin that decides the boot mode is held at the wrong level: GPIO15 must be low, GPIO2 high",
        "take off what hangs on GPIO15 (D8) and GPIO2 (D4), and reset the board",
    ),
    Rule(
        "no-reset-wire",
        _no_wire,
        "the reset line does not reach the chip: it is still in the loader",
        "press RESET yourself: reset=manual on a terminal; or boot=off",
    ),
    Rule(
        "power-lost-at-boot",
        _power_lost,
        "the board lost its power, or is held in reset, since it was written",
        feed,
    ),
    Rule(
        "firmware-mute",
        _mute_firmware,
        "the firmware was started and says nothing",
        "if it is silent by design: boot=any, or boot=off; else take another build",
    ),
    Rule(
        "console-rate",
        _unknown_rate,
        "the firmware talks at a rate that is none of the usual ones",
        "say what it is with `flashpipe monitor baud=RATE`; for the check, boot=any accepts it",
    ),
    Rule(
        "still-formatting",
        _says("Please wait", "formatting"),
        "the firmware is still making its file system, which takes a minute and more on a large flash",
        "wait a minute, then `flashpipe boot`; for next time `boot: {timeout: 180s}` in the profile",
    ),
    Rule(
        "other-firmware",
        _other,
        "it runs, but it is not what was expected",
        lambda evidence: f"if that is right, say boot=any; expected was {evidence.expect or 'NodeMCU'}",
    ),
    Rule(
        "boot-line-dead",
        _silent,
        DEAD,
        "look for a light on the board; `flashpipe ports` names the ports; TX of the board to RX of the adapter",
    ),
)
