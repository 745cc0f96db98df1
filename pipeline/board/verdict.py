"""What a boot log proves. `classify` is a pure function of text: the same for a live board, a file and a test.

The rules, in order:

1. A failure that the log names (bad checksum, no image, missing RF data, exception, Lua panic …) stands, unless it
   came once and the board came up afterwards.
2. The last start counts: a ROM log after the last sign of life means that the board was reset.
3. Three starts with nothing between them are a boot loop; so are two that the hardware watchdog caused.
4. A prompt proves more than a banner, a banner more than any text, any text more than a ROM log.

Messages and their meaning: facts esp8266 §2.1 to §2.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final


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
_WATCHDOG: Final = "4"

# --- what the ROM and the SDK say ------------------------------------------------------------------------------------

ROM: Final = re.compile(r"rst cause:(?P<cause>\d+), ?boot mode:\((?P<mode>\d),\s*(?P<extra>\d)\)")
LOADED: Final = re.compile(r"^csum 0x[0-9a-f]{2}\s*$(?!\s*csum err)", re.MULTILINE)
"""The last line of a ROM log that found a good image; the ROM jumps into it at once."""
_BOOT_LINE: Final = re.compile(
    r"""\s*(?:
    ets\s|.*rst\ cause:|load\ 0x|tail\ \d|chksum\ 0x|csum\ |ho\ \d|wdt\ reset|ets_main|waiting\ for\ host|flash\ read
    |ver:\ [0-9a-f]|rf\ cal\ sector|rf_cal|freq\ trace|rf\[\d+\]|SDK\ ver|phy\ ver|pp\ ver|system\ SPI
    |system\ param|Writing\ Init
    |2nd\ boot|\s*SPI\ (?:Speed|Mode|Flash)|jump\ to\ run|user\ code\ done|don't\ use\ rtc|slot\ boot|rBoot
    |v[0-9a-f]{8}\s*$|~ld|@cp|mode\ :\ |add\ if|del\ if|usl$|sul\ |pm\ open|bcn\ |dhcp\ server|scandone|state:
    |Restore\ init\ data|Self\ adjust|\.+$
    )""",
    re.VERBOSE,
)
"""Lines of the ROM, the SDK and the usual boot loaders: they do not show that an application runs."""

# --- failures --------------------------------------------------------------------------------------------------------

EXCEPTIONS: Final = {
    0: "illegal instruction",
    2: "instruction fetch error",
    3: "load or store error",
    4: "level-1 interrupt",
    6: "division by zero",
    9: "unaligned load or store",
    20: "instruction fetch prohibited",
    28: "load prohibited",
    29: "store prohibited",
}
"""Xtensa exception causes (facts: esp8266 §2.5)."""


def _exception(found: re.Match[str]) -> str:
    cause = int(found["cause"])
    return f"the firmware crashed: exception {cause} ({EXCEPTIONS.get(cause, 'unknown cause')})"


def _say(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_FAULTS: Final[tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = tuple(
    (kind, re.compile(pattern, re.MULTILINE), summary)
    for kind, pattern, summary in (
        ("bad-checksum", r"^csum err", _say("the image in flash has a bad checksum")),
        (
            "bad-checksum",
            r"^load 0xffffffff, len -1",
            _say("the image in flash is cut short: a segment reads as erased"),
        ),
        ("no-image", r"^flash read err", _say("the ROM cannot read the flash")),
        (
            "no-image",
            r"boot mode:\(3,\d\)\s*(?:wdt reset\s*)?^ets_main\.c",
            _say("no image at 0x00000: the flash is empty there, or unreadable in this flash mode"),
        ),
        (
            "rf-cal",
            r"^rf_cal\[0\] ?!=0x05,is 0x(?P<value>[0-9A-Fa-f]{2})",
            lambda found: f"the SDK's init data is missing or damaged (first byte {found['value']}, want 05)",
        ),
        ("exception", r"^Fatal exception ?\(?(?P<cause>\d+)", _exception),
        ("exception", r"^Exception \((?P<cause>\d+)\)", _exception),
        ("exception", r"^\s*Soft WDT reset", _say("the software watchdog stopped the firmware")),
        ("exception", r"^(?:User exception|Panic |abort\(\)|Guru Meditation)", _say("the firmware stopped itself")),
        ("panic", r"^PANIC: (?P<what>.*)", lambda found: f"Lua panic: {found['what'].strip()}"),
        (
            "boot-loop",
            r"^Flash size \(?\S+\)? too small to support NodeMCU",
            _say("the firmware refuses the flash size in its header"),
        ),
        ("boot-loop", r"^Invalid system partition table|invalid alignment$", _say("the partition table is invalid")),
    )
)

# --- who is there ----------------------------------------------------------------------------------------------------

NODEMCU: Final = re.compile(
    r"^\s*NodeMCU (?:(?P<version>\d+\.[\w.\-]+)|custom build|.*\bbuil[td]\b)|powered by Lua 5"
    r"|^(?:lua: )?cannot open init\.lua",
    re.MULTILINE,
)
_NODEMCU_SDK: Final = re.compile(r"powered by Lua [\d.]+ on SDK (?P<version>[^\s(]+)")
_LUA_PROMPT: Final = re.compile(r"^(?:> )+(?=$|\n)", re.MULTILINE)
_LUA_PROMPT_LOOSE: Final = re.compile(r"^> ", re.MULTILINE)
"""Enough behind a NodeMCU banner, where something may already stand after the prompt."""

_OTHERS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (name, re.compile(pattern, re.MULTILINE))
    for name, pattern in (
        ("CircuitPython", r"CircuitPython v?(?P<version>\d[\w.\-]*)"),
        ("MicroPython", r"MicroPython v?(?P<version>\d[\w.\-]*)|^>>> (?!\w+>>>)|^>>>$"),
        ("Espruino", r"espruino\.com|Espruino (?P<version>[12]v\d\d(?:\.\d+)*)"),
        ("Tasmota", r"Project (?:tasmota|sonoff)\b.*?Version (?P<version>\d[\w.]*)"),
        ("ESPHome", r"ESPHome version (?P<version>\d[\w.\-]*)|^\[?(?:\d\d:\d\d:\d\d\]\[)?[EWICDV]\]\[[\w.]+:\d+\]"),
        ("ESP Easy", r"INIT : Booting (?:version|Build nr)\S* ?(?P<version>[^\r\n]*)"),
        ("Mongoose OS", r"\bmgos_\w+|Mongoose OS (?P<version>\d[\w.]*)"),
        ("AT firmware", r"^AT version:(?P<version>\d[\d.]*\d)|Ai-Thinker Technology|ai-thinker\.com|^ready\s*$"),
    )
)


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
    return replace(sign.verdict, log=text) if sign.conclusive else None


def _judge(text: str) -> _Sign:
    starts = list(ROM.finditer(text))
    life = _life(text)
    fault = _fault(text, life)
    if fault is not None:
        return _count(fault, len(starts))
    if life is not None and life.at > (starts[-1].start() if starts else -1):
        return life
    if starts:
        return _after_start(text, starts)
    return _any_text(text, 0) or _Sign(Verdict("silence", "the board says nothing"), -1, conclusive=False)


def _line_at(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : len(text) if end < 0 else end].strip()


# --- rule 1 ----------------------------------------------------------------------------------------------------------


def _fault(text: str, life: _Sign | None) -> _Sign | None:
    signs = []
    for kind, pattern, summary in _FAULTS:
        found = list(pattern.finditer(text))
        if not found:
            continue
        last = found[-1]
        survived = life is not None and life.at > last.end() and len(found) == 1
        if not survived:
            at = last.end() - 1
            signs.append(_Sign(Verdict(kind, summary(last), _proof(text, at)), last.start()))
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
        summary = "the ROM started the firmware, which says nothing"
        return _Sign(Verdict("alive", summary, (line, loaded[0].strip())), loaded.start(), conclusive=False)
    if text.find("load 0x", last.end()) >= 0:
        return _Sign(Verdict("alive", "the ROM was loading the image", (line,)), last.start(), conclusive=False)
    summary = "the ROM found nothing to load: the flash is empty or unreadable"
    return _Sign(Verdict("no-image", summary, (line,)), last.start(), conclusive=False)


def _loop(text: str, starts: list[re.Match[str]]) -> _Sign | None:
    ends = [start.start() for start in starts[1:]]
    bodies = [text[start.end() : end] for start, end in zip(starts[:-1], ends, strict=True)]
    quiet = [not NODEMCU.search(body) for body in bodies]
    alike = len(bodies) >= LOOP_STARTS - 1 and bodies[-1].split() == bodies[-2].split() and all(quiet[-2:])
    certain = alike or len(starts) > LOOP_STARTS
    watchdog = [start for start in starts if start["cause"] == _WATCHDOG]
    if not certain and len(watchdog) < LOOP_STARTS - 1:
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
    prompt = list(_LUA_PROMPT_LOOSE.finditer(text, found[-1].end()))
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
    sdk = _NODEMCU_SDK.search(log)
    return f"NodeMCU {version}" if version else f"NodeMCU (SDK {sdk['version']})" if sdk else "NodeMCU"


def _prompt(text: str) -> _Sign | None:
    found = list(_LUA_PROMPT.finditer(text))
    if not found or NODEMCU.search(text):
        return None
    return _Sign(Verdict("prompt", "a Lua prompt, the banner was not seen", ("> ",)), found[-1].start())


def _other(text: str) -> _Sign | None:
    if NODEMCU.search(text):
        return None
    for name, pattern in _OTHERS:
        found = list(pattern.finditer(text))
        if found:
            versions = [match["version"] for match in found if "version" in pattern.groupindex and match["version"]]
            full = f"{name} {versions[-1].strip()}" if versions else name
            evidence = (_line_at(text, found[0].start()),)
            return _Sign(Verdict("firmware", f"{full} is running", evidence, full), found[-1].start())
    return None


def _formatting(text: str) -> _Sign | None:
    at = text.rfind("Formatting file system")
    if at < 0:
        return None
    summary = "the firmware is formatting its file system"
    return _Sign(Verdict("formatting", summary, (_line_at(text, at),), "NodeMCU"), at, conclusive=False)


def _any_text(text: str, start: int) -> _Sign | None:
    at = start
    for line in text[start:].splitlines(keepends=True):
        plain = line.strip()
        if (at > start or not start) and sum(map(str.isalnum, plain)) >= 3 and not _BOOT_LINE.match(line):  # noqa: PLR2004
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
