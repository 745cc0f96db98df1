"""What a boot log proves. `classify` is a pure function of text: the same for a live board, a file and a test.

The rules, in order:

1. A last start that was not from flash ends everything before it.
2. A failure that the log names (bad checksum, no image, missing RF data, exception, Lua panic …) stands, unless it
   came once and the board came up afterwards.
3. What proves life is a firmware's own words or prompt after the last start and after the last line of a boot loader:
   a ROM or a loader that speaks after a sign of life means that the board was reset.
4. Three starts with the same words between them are a boot loop. So are, where nothing more comes, any three, two that
   are alike to the last word, or two that the hardware watchdog caused; and always more than three. A supply that
   collapses shows itself by the reset cause (`resets`).
5. A prompt proves more than a banner, a banner more than any text, any text more than a ROM log.

Messages and their meaning: facts esp8266 §2.1 to §2.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flashpipe.board.boot import resets
from flashpipe.board.boot.crash import read_crash
from flashpipe.board.boot.kinds import HEALTHY, NOT_CHECKED, LogFinding, Verdict, line_at
from flashpipe.board.boot.patterns import (
    BOOT_LINE,
    DEBUG_FORMATS,
    EXPLAINS,
    FAULTS,
    FLOOD,
    FORMAT_DOTS,
    FORMATS,
    HANDS_OVER,
    LOADED,
    LOADER,
    LUA_PROMPT,
    LUA_PROMPT_LOOSE,
    NODE_INFO,
    NODEMCU,
    NODEMCU_3X,
    NODEMCU_SDK,
    OTHERS,
    PYTHON_FORMATS,
    PYTHON_PROMPT,
    PYTHONS,
    REMARKS,
    Fault,
)

__all__ = ["HEALTHY", "NOT_CHECKED", "Verdict", "classify", "conclude", "judge", "nodemcu_name"]

UNREADABLE_IMAGE: Final = frozenset({"no-image", "bad-checksum"})
"""What the ROM says of an image that it cannot read."""
LONGEST_CUT: Final = 24
"""Characters of a line without an end that no line of ROM, loader or SDK has that is cut before it is known as such."""
MANY_STARTS: Final = 10
"""After so many a failure is one, whatever it may be overcome by: loaders try each application three times at most."""
PROMPTS: Final = frozenset({"prompt", "python-prompt"})


def classify(log: str) -> Verdict:
    """Judge a boot log after which nothing more will come: readable text, LF or CR-LF; may begin inside a line."""
    return judge(log)[0]


def conclude(log: str) -> Verdict | None:
    """The verdict on a boot log that is still growing, None until something in it is conclusive."""
    verdict, conclusive = judge(log)
    return verdict if conclusive else None


def judge(log: str) -> tuple[Verdict, bool]:
    """The verdict if nothing more comes, and whether it stands whatever comes: one look at a log for both questions."""
    text = log.replace("\r\n", "\n")
    finding = _judge(text)
    # A line that is still coming may say more, such as the rest of a version; a prompt has no line end. A crash has its
    # addresses on the line behind its heading: without them its cause is another one.
    lines = 2 if finding.verdict.kind == "exception" else 1
    complete = finding.verdict.kind in PROMPTS or text.count("\n", max(0, finding.at)) >= lines
    return _verdict(finding, text), finding.conclusive and complete


def _verdict(finding: LogFinding, text: str) -> Verdict:
    causes = tuple(start.cause for start in resets.find_starts(text) if start.cause is not None)
    verdict = replace(finding.verdict, log=text, causes=causes)
    if verdict.kind not in HEALTHY:
        return verdict
    remarks = [meaning for pattern, meaning in REMARKS if pattern.search(text)]
    if verdict.kind == "alive":
        remarks.append("that it runs is not proven")
    return replace(verdict, summary="; ".join([verdict.summary, *remarks]))


def _judge(text: str) -> LogFinding:
    starts = resets.find_starts(text)
    loaders = [line.end() for line in LOADER.finditer(text)]
    last = max([start.at for start in starts[-1:]] + loaders[-1:], default=-1)
    life = _life(text)
    lives = life is not None and life.at > last
    away = resets.elsewhere(text, starts)
    if away is not None and not lives:
        return away
    fault = _fault(text, life if lives else None, last)
    if fault is not None:
        return _count(fault, len(starts))
    jumps = resets.sdk_loop(text, last)
    if jumps is not None and not (lives and life is not None and life.at > jumps.at):
        return jumps
    again = len(starts) > resets.LOOP_STARTS and life is not None and life.verdict.kind not in PROMPTS
    if life is not None and lives and not again:
        return life
    if starts:
        end = max(starts[-1].end, *loaders[-1:]) if loaders else starts[-1].end
        return resets.loop(text, starts) or _any_text(text, end) or resets.last_start(text, starts)
    loaded = LOADED.search(text)
    words = _any_text(text, max([loaded.end() if loaded else 0, *loaders[-1:]]))
    return (
        words
        or resets.without_start(text)
        or resets.loader_ran(text, 0)
        or resets.sdk_spoke(text)
        or LogFinding(Verdict("silence", "the board says nothing"), -1, conclusive=False)
    )


def of_verified_flash(verdict: Verdict, mode: str) -> Verdict:
    """The verdict, with what is known of the flash: bytes that were verified are right, so it is the way of reading.

    The ROM reads flash in the header's mode, the loader that compared the bytes in its own (facts: esp8266 §2.4).

    Args:
        verdict: Of the boot log.
        mode: Flash mode in the header of the image that the flash was seen to hold; empty where it was not.
    """
    if not mode or verdict.kind not in UNREADABLE_IMAGE:
        return verdict
    if mode == "dout":  # the one mode that every part does
        why = "is it the flash frequency, the supply, or something on GPIO6 to GPIO11?"
        return replace(verdict, summary=f"the flash holds the image, but the ROM cannot read it: {why}")
    summary = f"the flash holds the image, but the ROM cannot read it in flash mode {mode}"
    return replace(verdict, kind="wrong-mode", summary=summary)


def own_words(log: str) -> str:
    """The first line of the firmware itself before anything failed: what was read of the flash until then was right.

    Words of the ROM, of boot loaders and of the SDK are none. Empty where there is none.
    """
    text = log.replace("\r\n", "\n")
    faults = sorted(match.start() for fault in FAULTS for match in fault.pattern.finditer(text) if fault.holds(match))
    starts = resets.find_starts(text)
    # What stands before the first start may be somebody's who passes the log on, unless it failed there already.
    begins = [0] if not starts or any(at < starts[0].at for at in faults) else []
    for begin in (*begins, *(start.end for start in starts)):
        ends = [at for at in (*faults, *(start.at for start in starts)) if at >= begin]
        end = min(ends, default=len(text))
        words = _life(text[begin:end]) or _any_text(text[:end], begin)
        if words is not None:
            return words.verdict.evidence[0]
    return ""


# --- rule 2 ----------------------------------------------------------------------------------------------------------


def _fault(text: str, life: LogFinding | None, last: int) -> LogFinding | None:
    """The failure that stands; `life` is a proof behind `last`, the end of the last start or loader line."""
    findings = [(fault, finding) for fault in FAULTS for finding in _stands(fault, text, life, last)]
    kinds = {finding.verdict.kind for _, finding in findings}
    explained = {EXPLAINS[kind] for kind in kinds if kind in EXPLAINS}
    findings = [(fault, finding) for fault, finding in findings if finding.verdict.kind not in explained]
    strong = [finding for fault, finding in findings if not fault.weak]
    return max(strong or [finding for _, finding in findings], key=lambda finding: finding.at, default=None)


def _stands(fault: Fault, text: str, life: LogFinding | None, last: int) -> Iterator[LogFinding]:
    """The fault's finding, if it is in the log and was not overcome."""
    matches = [match for match in fault.pattern.finditer(text) if fault.holds(match)]
    if not matches:
        return
    first, final = matches[0], matches[-1]  # the first tells the cause, the last whether it is over
    again = len(matches) > 1 if not fault.warns else bool(resets.find_starts(text[first.end() : final.end()]))
    lives_on = life is not None and life.at > final.end() and not (fault.lasts and last < final.end())
    if lives_on and (fault.warns or not again):
        return
    if fault.warns and not again and _goes_on(fault, text, final.end(), last):
        return
    crash = read_crash(text, first) if fault.kind == "exception" and "{crash}" in fault.summary else None
    groups = {name: (value or "").strip() for name, value in first.groupdict().items()}
    summary = fault.summary.format(crash=crash, **groups)
    verdict = Verdict(fault.kind, summary, _proof(text, first.end() - 1), crash=crash)
    yield LogFinding(verdict, final.start(), conclusive=again or not (fault.warns or fault.weak))


def _goes_on(fault: Fault, text: str, begin: int, last: int) -> bool:
    """Whether what warned goes on all the same: a firmware talks, or the loader has found another application."""
    found = fault.kind == "nothing-found" and HANDS_OVER.search(text, begin) is not None
    return found or _any_text(text, max(begin, last)) is not None


def _proof(text: str, at: int) -> tuple[str, ...]:
    """The line and, for a crash, the line of addresses after it."""
    end = text.find("\n", at)
    following = line_at(text, end + 1) if end >= 0 else ""
    line = line_at(text, at)
    return (line, following) if following.startswith("epc1=") else (line,)


def _count(finding: LogFinding, starts: int) -> LogFinding:
    if starts < resets.LOOP_STARTS:
        return finding
    summary = f"{finding.verdict.summary}; {starts} starts seen"
    conclusive = finding.conclusive or starts >= MANY_STARTS
    return replace(finding, verdict=replace(finding.verdict, summary=summary), conclusive=conclusive)


# --- rule 5 ----------------------------------------------------------------------------------------------------------


def _life(text: str) -> LogFinding | None:
    """The last proof that a firmware runs."""
    proofs = [proof for proof in (_nodemcu(text), _prompt(text), _other(text), _formatting(text)) if proof is not None]
    # Formatting ends with a banner and a banner with a prompt: whichever comes later tells the state.
    return max(proofs, key=lambda proof: proof.at, default=None)


def _nodemcu(text: str) -> LogFinding | None:
    banners = list(NODEMCU.finditer(text))
    if not banners:
        return None
    name = nodemcu_name(text)
    evidence = (line_at(text, banners[0].end() - 1),)
    prompts = list(LUA_PROMPT_LOOSE.finditer(text, banners[-1].end()))
    if prompts and len(prompts) < FLOOD:
        return LogFinding(Verdict("prompt", f"{name} at its prompt", (*evidence, "> "), name), prompts[-1].start())
    verdict = Verdict("banner", f"{name} is running, no prompt seen", evidence, name)
    return LogFinding(verdict, banners[-1].start(), conclusive=False)


def nodemcu_name(log: str) -> str:
    """`NodeMCU 3.0.0.0`, or the SDK's version where the banner has none of its own; empty if no NodeMCU spoke."""
    banners = list(NODEMCU.finditer(log))
    if not banners:
        return ""
    version = next((match["version"] for match in reversed(banners) if match["version"]), "") or _asked_version(log)
    sdk = NODEMCU_SDK.search(log)
    return f"NodeMCU {version}" if version else f"NodeMCU (SDK {sdk['version']})" if sdk else "NodeMCU"


def _asked_version(log: str) -> str:
    """The version that a prompt told when it was asked."""
    answer = NODE_INFO.search(log)
    return answer["version"].replace("\t", ".") if answer else ""


def _prompt(text: str) -> LogFinding | None:
    prompts = list(LUA_PROMPT.finditer(text))
    if not prompts or len(prompts) >= FLOOD or NODEMCU.search(text):
        return None
    at = prompts[-1].start()
    info = NODE_INFO.search(text)
    if info is None:
        return LogFinding(Verdict("prompt", "a Lua prompt, the banner was not seen", ("> ",)), at)
    name = f"NodeMCU {_asked_version(text)}"
    return LogFinding(Verdict("prompt", f"{name} answers at its prompt", (line_at(text, info.start()), "> "), name), at)


def _other(text: str) -> LogFinding | None:
    if NODEMCU.search(text):
        return None
    for name, pattern in OTHERS:
        matches = list(pattern.finditer(text))
        if matches:
            versions = [match["version"] for match in matches if "version" in pattern.groupindex and match["version"]]
            full = f"{name} {versions[-1].strip()}" if versions else name
            evidence = (line_at(text, matches[0].start()),)
            if name in PYTHONS:
                return _python(text, full, evidence, matches[-1].start())
            return LogFinding(Verdict("firmware", f"{full} is running", evidence, full), matches[-1].start())
    return None


def _python(text: str, name: str, evidence: tuple[str, ...], at: int) -> LogFinding:
    prompts = list(PYTHON_PROMPT.finditer(text))
    if prompts:
        verdict = Verdict("python-prompt", f"{name} at its prompt", (*evidence, ">>> "), name)
        return LogFinding(verdict, prompts[-1].start())
    return LogFinding(Verdict("firmware", f"{name} is running, no prompt seen", evidence, name), at, conclusive=False)


def _formatting(text: str) -> LogFinding | None:
    dots = FORMAT_DOTS.search(text) if NODEMCU_3X in text else None
    if NODEMCU_3X in text and not NODEMCU.search(text):  # behind a banner a program may write files
        dots = dots or DEBUG_FORMATS.search(text)
    setups = list(PYTHON_FORMATS.finditer(text))
    nodemcu = max(text.rfind(FORMATS), dots.start() if dots is not None else -1)
    at = max(nodemcu, setups[-1].start() if setups else -1)
    if at < 0:
        return None
    name = "NodeMCU" if at == nodemcu else "MicroPython"
    summary = "the firmware is formatting its file system"
    return LogFinding(Verdict("formatting", summary, (line_at(text, at),), name), at, conclusive=False)


def _any_text(text: str, start: int) -> LogFinding | None:
    at = start
    for line in text[start:].splitlines(keepends=True):
        plain = line.strip()
        whole = (line.endswith("\n") or len(plain) > LONGEST_CUT) and (at > start or not start)
        if whole and sum(map(str.isalnum, plain)) >= 3 and not BOOT_LINE.match(line) and not LOADER.match(line):  # noqa: PLR2004
            verdict = Verdict("firmware", "a firmware is running and talks", (plain,))
            return LogFinding(verdict, at, conclusive=False)
        at += len(line)
    return None
