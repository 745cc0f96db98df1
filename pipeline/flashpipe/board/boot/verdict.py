"""What a boot log proves. `classify` is a pure function of text: the same for a live board, a file and a test.

The rules, in order:

1. A last start that was not from flash ends everything before it.
2. A failure that the log names (bad checksum, no image, missing RF data, exception, Lua panic …) stands, unless it
   came once and the board came up afterwards.
3. The last start counts: a ROM log after the last sign of life means that the board was reset.
4. Three starts with the same words between them are a boot loop. So are, where nothing more comes, any three, two that
   are alike to the last word, or two that the hardware watchdog caused; and always more than three. A supply that
   collapses shows itself by the reset cause (`starts`).
5. A prompt proves more than a banner, a banner more than any text, any text more than a ROM log.

Messages and their meaning: facts esp8266 §2.1 to §2.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flashpipe.board.boot import resets as rom
from flashpipe.board.boot.crash import read_crash
from flashpipe.board.boot.kinds import HEALTHY, NOT_CHECKED, LogFinding, Verdict, line_at
from flashpipe.board.boot.patterns import (
    BOOT_LINE,
    EXPLAINS,
    FAULTS,
    LOADED,
    LUA_PROMPT,
    LUA_PROMPT_LOOSE,
    NODE_INFO,
    NODEMCU,
    NODEMCU_SDK,
    OTHERS,
    PYTHON_PROMPT,
    PYTHONS,
    Fault,
)

__all__ = ["HEALTHY", "NOT_CHECKED", "Verdict", "classify", "conclude", "nodemcu_name"]

PROMPTS: Final = frozenset({"prompt", "python-prompt"})


def classify(log: str) -> Verdict:
    """Judge a boot log after which nothing more will come: readable text, LF or CR-LF; may begin inside a line."""
    text = log.replace("\r\n", "\n")
    return _told(_judge(text), text)


def conclude(log: str) -> Verdict | None:
    """The verdict on a boot log that is still growing, None until something in it is conclusive."""
    text = log.replace("\r\n", "\n")
    sign = _judge(text)
    # A line that is still coming may say more, such as the rest of a version; a prompt has no line end.
    complete = sign.verdict.kind in PROMPTS or "\n" in text[max(0, sign.at) :]
    return _told(sign, text) if sign.conclusive and complete else None


def _told(sign: LogFinding, text: str) -> Verdict:
    causes = tuple(int(start["cause"]) for start in rom.find_starts(text))
    return replace(sign.verdict, log=text, causes=causes)


def _judge(text: str) -> LogFinding:
    starts = rom.find_starts(text)
    last = starts[-1].start() if starts else -1
    life = _life(text)
    lives = life is not None and life.at > last
    away = rom.elsewhere(text, starts)
    if away is not None and not lives:
        return away
    fault = _fault(text, life)
    if fault is not None:
        return _count(fault, len(starts))
    again = len(starts) > rom.LOOP_STARTS and life is not None and life.verdict.kind not in PROMPTS
    if life is not None and lives and not again:
        return life
    if starts:
        end = starts[-1].end()
        return rom.loop(text, starts) or _any_text(text, end) or rom.last_start(text, starts)
    loaded = LOADED.search(text)
    said = _any_text(text, loaded.end() if loaded else 0)
    return (
        said
        or rom.without_start(text)
        or LogFinding(Verdict("silence", "the board says nothing"), -1, conclusive=False)
    )


# --- rule 2 ----------------------------------------------------------------------------------------------------------


def _fault(text: str, life: LogFinding | None) -> LogFinding | None:
    signs = [sign for fault in FAULTS for sign in _stands(fault, text, life)]
    kinds = {sign.verdict.kind for sign in signs}
    explained = {EXPLAINS[kind] for kind in kinds if kind in EXPLAINS}
    signs = [sign for sign in signs if sign.verdict.kind not in explained]
    return max(signs, key=lambda sign: sign.at, default=None)


def _stands(fault: Fault, text: str, life: LogFinding | None) -> Iterator[LogFinding]:
    """The fault's sign, if it is in the log and was not overcome."""
    found = list(fault.pattern.finditer(text))
    if not found:
        return
    first, last = found[0], found[-1]  # the first tells the cause, the last whether it is over
    again = len(found) > 1 if not fault.warns else bool(rom.find_starts(text[first.end() : last.end()]))
    lives_on = life is not None and life.at > last.end()
    if lives_on and (fault.warns or not again):
        return
    if fault.warns and not again and _any_text(text, last.end()) is not None:
        return
    crash = read_crash(text, first) if fault.kind == "exception" and "{crash}" in fault.summary else None
    groups = {name: (value or "").strip() for name, value in first.groupdict().items()}
    summary = fault.summary.format(crash=crash, **groups)
    verdict = Verdict(fault.kind, summary, _proof(text, first.end() - 1), crash=crash)
    yield LogFinding(verdict, last.start(), conclusive=again or not fault.warns)


def _proof(text: str, at: int) -> tuple[str, ...]:
    """The line and, for a crash, the line of addresses after it."""
    end = text.find("\n", at)
    following = line_at(text, end + 1) if end >= 0 else ""
    line = line_at(text, at)
    return (line, following) if following.startswith("epc1=") else (line,)


def _count(sign: LogFinding, starts: int) -> LogFinding:
    if starts < rom.LOOP_STARTS:
        return sign
    return replace(sign, verdict=replace(sign.verdict, summary=f"{sign.verdict.summary}; {starts} starts seen"))


# --- rule 5 ----------------------------------------------------------------------------------------------------------


def _life(text: str) -> LogFinding | None:
    """The last proof that a firmware runs."""
    signs = [sign for sign in (_nodemcu(text), _prompt(text), _other(text), _formatting(text)) if sign is not None]
    # Formatting ends with a banner and a banner with a prompt: whichever comes later tells the state.
    return max(signs, key=lambda sign: sign.at, default=None)


def _nodemcu(text: str) -> LogFinding | None:
    found = list(NODEMCU.finditer(text))
    if not found:
        return None
    name = nodemcu_name(text)
    evidence = (line_at(text, found[0].end() - 1),)
    prompt = list(LUA_PROMPT_LOOSE.finditer(text, found[-1].end()))
    if prompt:
        return LogFinding(Verdict("prompt", f"{name} at its prompt", (*evidence, "> "), name), prompt[-1].start())
    verdict = Verdict("banner", f"{name} is running, no prompt seen", evidence, name)
    return LogFinding(verdict, found[-1].start(), conclusive=False)


def nodemcu_name(log: str) -> str:
    """`NodeMCU 3.0.0.0`, or the SDK's version where the banner has none of its own; empty if no NodeMCU spoke."""
    found = list(NODEMCU.finditer(log))
    if not found:
        return ""
    version = next((match["version"] for match in reversed(found) if match["version"]), "") or _told_version(log)
    sdk = NODEMCU_SDK.search(log)
    return f"NodeMCU {version}" if version else f"NodeMCU (SDK {sdk['version']})" if sdk else "NodeMCU"


def _told_version(log: str) -> str:
    """The version that a prompt told when it was asked."""
    told = NODE_INFO.search(log)
    return told["version"].replace("\t", ".") if told else ""


def _prompt(text: str) -> LogFinding | None:
    found = list(LUA_PROMPT.finditer(text))
    if not found or NODEMCU.search(text):
        return None
    info = NODE_INFO.search(text)
    if info is None:
        return LogFinding(Verdict("prompt", "a Lua prompt, the banner was not seen", ("> ",)), found[-1].start())
    name = f"NodeMCU {_told_version(text)}"
    evidence = (line_at(text, info.start()), "> ")
    return LogFinding(Verdict("prompt", f"{name} at its prompt, which was asked", evidence, name), found[-1].start())


def _other(text: str) -> LogFinding | None:
    if NODEMCU.search(text):
        return None
    for name, pattern in OTHERS:
        found = list(pattern.finditer(text))
        if found:
            versions = [match["version"] for match in found if "version" in pattern.groupindex and match["version"]]
            full = f"{name} {versions[-1].strip()}" if versions else name
            evidence = (line_at(text, found[0].start()),)
            if name in PYTHONS:
                return _python(text, full, evidence, found[-1].start())
            return LogFinding(Verdict("firmware", f"{full} is running", evidence, full), found[-1].start())
    return None


def _python(text: str, name: str, evidence: tuple[str, ...], at: int) -> LogFinding:
    prompts = list(PYTHON_PROMPT.finditer(text))
    if prompts:
        verdict = Verdict("python-prompt", f"{name} at its prompt", (*evidence, ">>> "), name)
        return LogFinding(verdict, prompts[-1].start())
    return LogFinding(Verdict("firmware", f"{name} is running, no prompt seen", evidence, name), at, conclusive=False)


def _formatting(text: str) -> LogFinding | None:
    at = text.rfind("file system. Please wait")  # the first letters may be lost while the rate is changed
    if at < 0:
        return None
    summary = "the firmware is formatting its file system"
    return LogFinding(Verdict("formatting", summary, (line_at(text, at),), "NodeMCU"), at, conclusive=False)


def _any_text(text: str, start: int) -> LogFinding | None:
    at = start
    for line in text[start:].splitlines(keepends=True):
        plain = line.strip()
        whole = line.endswith("\n") and (at > start or not start)
        if whole and sum(map(str.isalnum, plain)) >= 3 and not BOOT_LINE.match(line):  # noqa: PLR2004
            verdict = Verdict("firmware", "a firmware is running and talks", (plain,))
            return LogFinding(verdict, at, conclusive=False)
        at += len(line)
    return None
