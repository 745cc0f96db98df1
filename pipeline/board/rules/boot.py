"""Written and verified, and it does not run: what its boot log says of the reason (facts: esp8266 §2.4 to §2.6)."""

from __future__ import annotations

import re
from typing import Final

from pipeline.board.evidence import INTO_APPLICATION, Evidence
from pipeline.board.rules.line import DEAD, SDIO, UART_DOWNLOAD, feed, starved
from pipeline.board.rules.rule import Proof, Rule

UNREADABLE: Final = frozenset({"no-image", "bad-checksum"})
EXCEPTION: Final = re.compile(r"^.*(?:Fatal exception|Exception) ?\(?(?P<number>\d+).*$", re.MULTILINE)
FETCHED_WRONG: Final = frozenset({"0", "2", "3", "20"})
"""Exceptions of a processor that is fed with wrong instructions (facts: esp8266 §2.5)."""
SAFEST: Final = "dout"
NEXT_MODE: Final = {"qio": "dio", "qout": "dout", "dio": "dout"}
RATES: Final = 2
"""One garbled rate may be the SDK, which still speaks at the ROM's (facts: esp8266 §2.5)."""
RESTARTS: Final = "boot-loop"
NOT_A_MODE: Final = re.compile(r"too small to support NodeMCU|Invalid system partition table|invalid alignment")


def _boot(evidence: Evidence) -> bool:
    return bool(evidence.verdict) and not starved(evidence)


def _line(evidence: Evidence, pattern: str) -> str:
    found = re.search(rf"^.*(?:{pattern}).*$", evidence.log, re.MULTILINE)
    return found[0].strip() if found else ""


def _quote(evidence: Evidence, pattern: str) -> list[str]:
    line = _line(evidence, pattern)
    return [f'its log says "{line}"'] if line else []


def _exception(evidence: Evidence) -> str:
    found = EXCEPTION.search(evidence.log)
    return found["number"] if found else ""


# --- how the flash is read -------------------------------------------------------------------------------------------


def _wrong_mode(evidence: Evidence) -> Proof:
    if not _boot(evidence) or not evidence.verified or not evidence.mode:
        return None
    fed_wrong = evidence.verdict == "exception" and _exception(evidence) in FETCHED_WRONG
    if evidence.verdict not in UNREADABLE and not (fed_wrong and evidence.mode != SAFEST):
        return None
    bytes_right = "the flash holds every byte as planned, by digests that the chip computed in its loader"
    return [bytes_right, *_quote(evidence, r"ets_main|csum err|flash read err|exception|Exception|load 0xffffffff")]


def _mode_action(evidence: Evidence) -> str:
    following = NEXT_MODE.get(evidence.mode)
    if following is None:
        return "force=1 writes everything again; if it recurs, the flash part or its supply is bad"
    return f"run it again with mode={following}" + (f", then mode={SAFEST}" if following != SAFEST else "")


def _unreadable(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict not in UNREADABLE or (evidence.verified and evidence.mode):
        return None
    return _quote(evidence, r"ets_main|csum err|flash read err|load 0xffffffff") or [
        f'after "{evidence.rom_line()}" comes nothing'
    ]


# --- what the firmware says ------------------------------------------------------------------------------------------


def _rf_cal(evidence: Evidence) -> Proof:
    return _quote(evidence, r"rf_cal\[0\]") if _boot(evidence) and evidence.verdict == "rf-cal" else None


def _size_refused(evidence: Evidence) -> Proof:
    if not _boot(evidence) or not NOT_A_MODE.search(evidence.log):
        return None
    return _quote(evidence, NOT_A_MODE.pattern)


def _crash(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != "exception" or _wrong_mode(evidence) is not None:
        return None
    return _quote(evidence, "exception|Exception|WDT") + _quote(evidence, "^epc1=")


def _panic(evidence: Evidence) -> Proof:
    return _quote(evidence, "PANIC:") if _boot(evidence) and evidence.verdict == "panic" else None


def _watchdog(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != RESTARTS or NOT_A_MODE.search(evidence.log):
        return None
    causes = [cause for cause, _ in evidence.log_starts()]
    if 4 not in causes:  # noqa: PLR2004  hardware watchdog (facts: esp8266 §2.2)
        return None
    return [f"{len(causes)} starts, reset cause 4 among them: the hardware watchdog"]


def _loop(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != RESTARTS or NOT_A_MODE.search(evidence.log):
        return None
    if _watchdog(evidence) is not None:
        return None
    return [f"{len(evidence.log_starts())} starts within the check, and no word of the firmware between them"]


# --- pins ------------------------------------------------------------------------------------------------------------


def _gpio0_held(evidence: Evidence) -> Proof:
    modes = [mode for _, mode in evidence.log_starts()]
    if not _boot(evidence) or evidence.verdict != "download-mode" or not modes or modes[-1] != UART_DOWNLOAD:
        return None
    return [f'the ROM says "{evidence.rom_line()}": boot mode 1 is the serial loader']


def _strapped(evidence: Evidence) -> Proof:
    modes = [mode for _, mode in evidence.log_starts()]
    if not _boot(evidence) or not evidence.chip or not modes or modes[-1] not in {0, 2, *SDIO}:
        return None
    return [f'the ROM says "{evidence.rom_line()}"']


def _no_wire(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != "download-mode" or evidence.log_starts():
        return None
    return ["no ROM spoke after the reset, and the loader of before still answers"]


# --- quiet ones ------------------------------------------------------------------------------------------------------


def _power_lost(evidence: Evidence) -> Proof:
    """The ROM speaks after each reset, whatever the firmware does."""
    quiet = evidence.verdict in {"silence", "alive"} and evidence.chip and evidence.silent(INTO_APPLICATION)
    if not _boot(evidence) or not quiet:
        return None
    return ["the loader answered before; after a reset not even the ROM speaks"]


def _speaks_now(evidence: Evidence) -> bool:
    return not evidence.silent(INTO_APPLICATION)


def _mute_firmware(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != "alive" or not _speaks_now(evidence) or _unknown_rate(evidence):
        return None
    return ["the ROM loads the image and starts it; then nothing comes at any usual rate, nor an answer to a knock"]


def _unknown_rate(evidence: Evidence) -> Proof:
    told = "unknown baud rate" in evidence.message or "make no text" in evidence.message
    quiet = evidence.verdict in {"alive", "unexpected"}
    if not _boot(evidence) or not quiet or not (told or evidence.garbled_rates >= RATES):
        return None
    return [f"what comes after the ROM's words is garbage at {max(1, evidence.garbled_rates)} of the usual rates"]


def _formatting(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.verdict != "formatting":
        return None
    return _quote(evidence, "Please wait")


def _other(evidence: Evidence) -> Proof:
    if not _boot(evidence) or evidence.code != "boot-unexpected" or evidence.verdict not in {
        "firmware", "banner", "prompt",
    }:  # fmt: skip
        return None
    last = [line.strip() for line in evidence.log.splitlines() if line.strip()]
    return [f'it runs and says "{last[-1]}"'] if last else ["it runs"]


def _silent(evidence: Evidence) -> Proof:
    """The loader was never reached in this run: `doit boot` on a line that carries nothing."""
    if not _boot(evidence) or evidence.verdict != "silence" or evidence.chip:
        return None
    return ["not one byte came after the reset, and the ROM of a powered chip always speaks"]


RULES: Final = (
    Rule(
        "flash-mode",
        _wrong_mode,
        lambda evidence: (
            f"the flash part or its wiring cannot do the flash mode {evidence.mode}, in which it is read at boot"
        ),
        _mode_action,
        (2,),
    ),
    Rule(
        "nothing-bootable",
        _unreadable,
        "there is nothing to start at 0x00000: an empty flash, a damaged image, or a flash mode that does not fit",
        "`doit verify profile=NAME` says which: if the bytes are right, mode=dio or mode=dout; else flash it",
        (2, 14),
    ),
    Rule(
        "init-data",
        _rf_cal,
        "the SDK's init data is missing or damaged, and this firmware does not write it itself",
        "`doit erase`, then flash a firmware that brings it along (NodeMCU since December 2016)",
        (3,),
    ),
    Rule(
        "layout-refused",
        _size_refused,
        "the firmware refuses the flash size or partition table that it finds",
        "flash it with the profile of the board's real size: `doit identify` names it",
        (4,),
    ),
    Rule(
        "firmware-crashes",
        _crash,
        "the firmware itself crashes; flash and mode are as they should be",
        "take another build of it; the addresses go to whoever built it",
        (2,),
    ),
    Rule(
        "lua-panic",
        _panic,
        "a Lua script that runs at boot, mostly init.lua, crashes the firmware again and again",
        "`doit erase` and flash again loses the files and gets you in; then start init.lua with a delay",
        (19,),
    ),
    Rule(
        "watchdog-loop",
        _watchdog,
        "the firmware hangs, and the hardware watchdog resets the chip",
        "take another build; if every build hangs, mode=dout",
        (2,),
    ),
    Rule(
        "restart-loop",
        _loop,
        "the chip starts again and again without a word of why",
        "feed it from a stronger 3.3 V supply; then mode=dout; then another build",
        (2, 9),
    ),
    Rule(
        "gpio0-held",
        _gpio0_held,
        "GPIO0 is still held low, so the chip starts its loader instead of the firmware",
        "take the jumper from GPIO0 (release FLASH) and reset the board",
        (16,),
    ),
    Rule(
        "strapping",
        _strapped,
        "a pin that decides the boot mode is held at the wrong level: GPIO15 must be low, GPIO2 high",
        "take off what hangs on GPIO15 (D8) and GPIO2 (D4), and reset the board",
        (1, 16),
    ),
    Rule(
        "no-reset-wire",
        _no_wire,
        "the reset line does not reach the chip: it is still in the loader",
        "press RESET yourself: reset=manual on a terminal; or boot=off",
        (16,),
    ),
    Rule(
        "power-lost-at-boot",
        _power_lost,
        "the board lost its power, or is held in reset, since it was written",
        feed,
        (9,),
    ),
    Rule(
        "firmware-mute",
        _mute_firmware,
        "the firmware was started and says nothing",
        "if it is silent by design: boot=any, or boot=off; else take another build",
        (17,),
    ),
    Rule(
        "console-rate",
        _unknown_rate,
        "the firmware talks at a rate that is none of the usual ones",
        "say what it is with `doit monitor baud=RATE`; for the check, boot=any accepts it",
        (17,),
    ),
    Rule(
        "still-formatting",
        _formatting,
        "the firmware is still making its file system, which takes a minute and more on a large flash",
        "wait a minute, then `doit boot`; for next time `boot: {timeout: 180s}` in the profile",
        (20,),
    ),
    Rule(
        "other-firmware",
        _other,
        "it runs, but it is not what was expected",
        lambda evidence: f"if that is right, say boot=any; expected was {evidence.expect or 'NodeMCU'}",
        (),
    ),
    Rule(
        "boot-line-dead",
        _silent,
        DEAD,
        "look for a light on the board; `doit ports` names the ports; TX of the board to RX of the adapter",
        (1, 7),
    ),
)
