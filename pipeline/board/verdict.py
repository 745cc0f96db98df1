"""What a boot log proves. `classify` is a pure function of text: the same for a live board, a file and a test.

The rules, in order:

1. A failure that the log names (bad checksum, no image, missing RF data, exception, Lua panic …) stands, unless it
   came once and the board came up afterwards.
2. The last start counts: a ROM log after the last sign of life means that the board was reset.
3. Three starts with the same words between them are a boot loop. So are, where nothing more comes, any three, two that
   are alike to the last word, or two that the hardware watchdog caused; and always more than three.
4. A prompt proves more than a banner, a banner more than any text, any text more than a ROM log.

Messages and their meaning: facts esp8266 §2.1 to §2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from pipeline.board.bootwords import (
    BOOT_LINE,
    FAULTS,
    LOADED,
    LUA_PROMPT,
    LUA_PROMPT_LOOSE,
    NODEMCU,
    NODEMCU_SDK,
    OTHERS,
    ROM,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the boot log proved."""

    kind: str
    """prompt, banner, firmware, alive, formatting, download-mode, boot-loop, bad-checksum, no-image, rf-cal, exception,
    panic, silence, unexpected or not-checked."""
    summary: str
    """One line for people: `NodeMCU 3.0.0.0 at its prompt`."""
    evidence: tuple[str, ...] = ()
    """The lines that prove it."""
    firmware: str = ""
    """Name and version as the firmware says them: `NodeMCU 3.0.0.0`."""
    log: str = ""
    """Everything the board said, garbage removed."""
    seconds: float = 0.0
    """Time from the reset to the verdict."""


HEALTHY: Final = frozenset({"prompt", "banner", "firmware", "alive", "formatting"})
"""Kinds that are a sign of life: the ROM started a firmware, and nothing says that it failed."""
NOT_CHECKED: Final = Verdict("not-checked", "the boot was not checked")
LOOP_STARTS: Final = 3
"""Starts that make a loop: a first boot of NodeMCU 3.x legitimately makes two (facts: esp8266 §2.5)."""
WATCHDOG: Final = "4"
"""Reset cause of the hardware watchdog (facts: esp8266 §2.2)."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Something found at `at` in the log."""

    verdict: Verdict
    at: int
    conclusive: bool = True


def classify(log: str) -> Verdict:
    """Judge a boot log after which nothing more will come: readable text, LF or CR-LF; may begin inside a line."""
    text = log.replace("\r\n", "\n")
    return replace(_judge(text).verdict, log=text)


def conclude(log: str) -> Verdict | None:
    """The verdict on a boot log that is still growing, None until something in it is conclusive."""
    text = log.replace("\r\n", "\n")
    sign = _judge(text)
    # A line that is still coming may say more, such as the rest of a version; a prompt has no line end.
    prompts = sign.verdict.kind == "prompt" or text.endswith(">>> ")
    complete = prompts or "\n" in text[max(0, sign.at) :]
    return replace(sign.verdict, log=text) if sign.conclusive and complete else None


def _judge(text: str) -> _Sign:
    starts = list(ROM.finditer(text))
    life = _life(text)
    fault = _fault(text, life)
    if fault is not None:
        return _count(fault, len(starts))
    again = len(starts) > LOOP_STARTS and life is not None and life.verdict.kind != "prompt"
    if not again and life is not None and life.at > (starts[-1].start() if starts else -1):
        return life
    if starts:
        return _after_start(text, starts)
    loaded = LOADED.search(text)
    if loaded is not None:
        return _any_text(text, loaded.end()) or _started(text, loaded)
    return _any_text(text, 0) or _Sign(Verdict("silence", "the board says nothing"), -1, conclusive=False)


def _line_at(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : len(text) if end < 0 else end].strip()


# --- rule 1 ----------------------------------------------------------------------------------------------------------


def _fault(text: str, life: _Sign | None) -> _Sign | None:
    signs = []
    for kind, pattern, summary in FAULTS:
        found = list(pattern.finditer(text))
        if not found:
            continue
        first, last = found[0], found[-1]  # the first tells the cause, the last whether it is over
        survived = life is not None and life.at > last.end() and len(found) == 1
        if not survived:
            signs.append(_Sign(Verdict(kind, summary(first), _proof(text, first.end() - 1)), last.start()))
    return max(signs, key=lambda sign: sign.at, default=None)


def _proof(text: str, at: int) -> tuple[str, ...]:
    """The line and, for a crash, the line of addresses after it."""
    end = text.find("\n", at)
    following = _line_at(text, end + 1) if end >= 0 else ""
    line = _line_at(text, at)
    return (line, following) if following.startswith("epc1=") else (line,)


def _count(sign: _Sign, starts: int) -> _Sign:
    if starts < LOOP_STARTS:
        return sign
    return replace(sign, verdict=replace(sign.verdict, summary=f"{sign.verdict.summary}; {starts} starts seen"))


# --- rules 2 and 3 ---------------------------------------------------------------------------------------------------


def _after_start(text: str, starts: list[re.Match[str]]) -> _Sign:
    last = starts[-1]
    mode = int(last["mode"])
    line = _line_at(text, last.start())
    if mode != 3:  # noqa: PLR2004  SPI boot, facts: esp8266 §2.1
        what = (
            "in download mode: GPIO0 was low"
            if mode == 1
            else f"not from flash (boot mode {mode}): check GPIO15 and GPIO2"
        )
        return _Sign(Verdict("download-mode", f"the chip started {what}", (line,)), last.start())
    loop = _loop(text, starts)
    if loop is not None:
        return loop
    said = _any_text(text, last.end())
    if said is not None:
        return said
    loaded = LOADED.search(text, last.end())
    if loaded is not None:
        return _started(text, loaded, line)
    if text.find("load 0x", last.end()) >= 0:
        return _Sign(Verdict("alive", "the ROM was loading the image", (line,)), last.start(), conclusive=False)
    summary = "the ROM found nothing to load: the flash is empty or unreadable"
    return _Sign(Verdict("no-image", summary, (line,)), last.start(), conclusive=False)


def _started(text: str, loaded: re.Match[str], *before: str) -> _Sign:
    evidence = (*before, _line_at(text, loaded.start()))
    verdict = Verdict("alive", "the ROM started the firmware, which says nothing", evidence)
    return _Sign(verdict, loaded.start(), conclusive=False)


def _loop(text: str, starts: list[re.Match[str]]) -> _Sign | None:
    ends = [*(text.rfind("\n", 0, start.start()) + 1 for start in starts[1:]), len(text)]
    bodies = [text[start.end() : end].split() for start, end in zip(starts, ends, strict=True)]
    alike = len(starts) >= LOOP_STARTS and bodies[-2] == bodies[-3] and "NodeMCU" not in bodies[-2]
    certain = alike or len(starts) > LOOP_STARTS
    repeated = len(starts) >= LOOP_STARTS or (len(starts) > 1 and bodies[-1] == bodies[-2] != [])
    watchdog = [start for start in starts if start["cause"] == WATCHDOG]
    if not certain and not repeated and len(watchdog) < LOOP_STARTS - 1:
        return None
    causes = {start["cause"] for start in starts[-LOOP_STARTS:]}
    if watchdog:
        why = "the hardware watchdog resets it: the firmware hangs (wrong flash mode or size, damaged image)"
    elif causes == {"1"}:
        why = "each is a power-on: the 3.3 V supply collapses"
    else:
        why = "the firmware dies without a word (wrong flash mode or size, damaged image, weak supply)"
    evidence = tuple(_line_at(text, start.start()) for start in starts[-LOOP_STARTS:])
    verdict = Verdict("boot-loop", f"the chip started {len(starts)} times; {why}", evidence)
    return _Sign(verdict, starts[-1].start(), conclusive=certain)


# --- rule 4 ----------------------------------------------------------------------------------------------------------


def _life(text: str) -> _Sign | None:
    """The last proof that a firmware runs."""
    signs = [sign for sign in (_nodemcu(text), _prompt(text), _other(text), _formatting(text)) if sign is not None]
    # Formatting ends with a banner and a banner with a prompt: whichever comes later tells the state.
    return max(signs, key=lambda sign: sign.at, default=None)


def _nodemcu(text: str) -> _Sign | None:
    found = list(NODEMCU.finditer(text))
    if not found:
        return None
    name = nodemcu_name(text)
    evidence = (_line_at(text, found[0].end() - 1),)
    prompt = list(LUA_PROMPT_LOOSE.finditer(text, found[-1].end()))
    if prompt:
        return _Sign(Verdict("prompt", f"{name} at its prompt", (*evidence, "> "), name), prompt[-1].start())
    verdict = Verdict("banner", f"{name} is running, no prompt seen", evidence, name)
    return _Sign(verdict, found[-1].start(), conclusive=False)


def nodemcu_name(log: str) -> str:
    """`NodeMCU 3.0.0.0`, or the SDK's version where the banner has none of its own; empty if no NodeMCU spoke."""
    found = list(NODEMCU.finditer(log))
    if not found:
        return ""
    version = next((match["version"] for match in reversed(found) if match["version"]), "")
    sdk = NODEMCU_SDK.search(log)
    return f"NodeMCU {version}" if version else f"NodeMCU (SDK {sdk['version']})" if sdk else "NodeMCU"


def _prompt(text: str) -> _Sign | None:
    found = list(LUA_PROMPT.finditer(text))
    if not found or NODEMCU.search(text):
        return None
    return _Sign(Verdict("prompt", "a Lua prompt, the banner was not seen", ("> ",)), found[-1].start())


def _other(text: str) -> _Sign | None:
    if NODEMCU.search(text):
        return None
    for name, pattern in OTHERS:
        found = list(pattern.finditer(text))
        if found:
            versions = [match["version"] for match in found if "version" in pattern.groupindex and match["version"]]
            full = f"{name} {versions[-1].strip()}" if versions else name
            evidence = (_line_at(text, found[0].start()),)
            return _Sign(Verdict("firmware", f"{full} is running", evidence, full), found[-1].start())
    return None


def _formatting(text: str) -> _Sign | None:
    at = text.rfind("file system. Please wait")  # the first letters may be lost while the rate is changed
    if at < 0:
        return None
    summary = "the firmware is formatting its file system"
    return _Sign(Verdict("formatting", summary, (_line_at(text, at),), "NodeMCU"), at, conclusive=False)


def _any_text(text: str, start: int) -> _Sign | None:
    at = start
    for line in text[start:].splitlines(keepends=True):
        plain = line.strip()
        whole = line.endswith("\n") and (at > start or not start)
        if whole and sum(map(str.isalnum, plain)) >= 3 and not BOOT_LINE.match(line):  # noqa: PLR2004
            verdict = Verdict("firmware", "a firmware is running and talks", (plain,))
            return _Sign(verdict, at, conclusive=False)
        at += len(line)
    return None


# --- what a profile expects ------------------------------------------------------------------------------------------


def accepts(expect: str, verdict: Verdict, *, image_is_nodemcu: bool) -> bool:
    """Whether a verdict is what `boot.expect` of a profile asks for.

    | expect | passes |
    | --- | --- |
    | auto | as `nodemcu` if the image is NodeMCU, else as `any` |
    | nodemcu | NodeMCU's banner, or a Lua prompt |
    | any | any sign of life |
    | another text | the text stands in the log and nothing failed |

    A verdict `not-checked` passes: nobody asked.
    """
    if verdict.kind == "not-checked":
        return True
    if verdict.kind not in HEALTHY:
        return False
    if expect == "auto":
        expect = "nodemcu" if image_is_nodemcu else "any"
    if expect == "nodemcu":
        return verdict.kind in {"prompt", "banner"}
    return expect == "any" or expect in verdict.log
