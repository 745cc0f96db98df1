"""The firmware crashes: what its registers, and what it said before, leave as causes (facts: esp8266 §2.5)."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.boot.patterns import LOADED, LOADER, ROM
from flashpipe.board.boot.verdict import own_words
from flashpipe.board.diagnosis.evidence import SHOWN, Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_line import ended_as
from flashpipe.masking import mask_cut
from flashpipe.next_steps import Advice, Part, command, setting

SAFEST: Final = "dout"
NEXT_MODE: Final = {"qio": "dio", "qout": "dout", "dio": "dout"}
BYTES_RIGHT: Final = "the flash holds every byte as planned, by digests that the chip computed in its loader"
FETCHED_WRONG: Final = frozenset({0, 2, 3, 20})
"""Exceptions of a processor that is fed with wrong instructions (facts: esp8266 §2.5)."""
FLASH_START: Final = 0x40200000
"""Where the chip maps the flash (facts: image-flashmap §4.1)."""
_CRASH_WORDS: Final = re.compile(
    "exception|Exception|Panic|[Aa]bort|Trap |Guru|[Aa]ssert|[Ss]tack (?:overflow|smash)|CUT HERE|>>>stack"
)
_HALF: Final = re.compile(r"Flash Size & Map: *\w+\((?P<half>512|1024)KB\+")
_JUMP: Final = re.compile(r"jump to run user\d @ (?P<at>[0-9a-fA-F]{1,8})")
HOLE: Final = "image-hole"
ANOTHER_IMAGE: Final = Advice(
    "get the image again, or build it again; ", command("inspect", "FILE"), " shows what it holds"
)
MAPPED: Final = 0x100000
"""Bytes of the flash that the chip maps at once."""


_REASONS: Final = (
    (re.compile(r"bad_alloc_or_abort"), "it ran out of memory, or called abort()"),
    (re.compile(r"bad_alloc|\bOOM\b|last failed alloc|not enough memory"), "it ran out of memory"),
    (re.compile(r"[Ss]tack (?:overflow|smash)"), "its stack overflowed"),
    (re.compile(r"[Aa]ssert(?:ion)?\b.{0,120}\bfail"), "an assertion in it failed"),
    (re.compile(r"[Aa]bort called|abort\(\)|^Panic ", re.MULTILINE), "it stopped itself"),
)
"""Words of a firmware about its own end, and what they mean."""


def meaning(evidence: Evidence) -> str:
    """What the crash explains by itself, whatever the flash holds; empty: nothing."""
    return (evidence.crash.meaning() if evidence.crash is not None else "") or _reason(evidence)


def _reason(evidence: Evidence) -> str:
    """What the firmware itself says of its end."""
    return next((text for pattern, text in _REASONS if pattern.search(evidence.log)), "")


def explained(evidence: Evidence) -> bool:
    """Whether the crash explains itself, or came after words of the firmware: then the flash was read right."""
    return bool(meaning(evidence) or own_words(evidence.log))


def crashed_by_mode(evidence: Evidence) -> bool:
    """Whether wrong instructions came from a flash that holds the right ones."""
    number = evidence.crash.number if evidence.crash is not None else None
    return (
        ended_as(evidence, "exception")
        and number in FETCHED_WRONG
        and evidence.verified
        and evidence.mode not in {"", SAFEST}
        and evidence.hole is None
        and not explained(evidence)
        and LOADER.search(evidence.log) is None
    )


def _crash_lines(evidence: Evidence) -> list[str]:
    return (evidence.quote(_CRASH_WORDS.pattern) + evidence.quote("^epc1=")) or [evidence.message]


def _other_half(evidence: Evidence) -> Proof:
    """The loader has started one half of the flash, and the code that died stands in the other."""
    jump, half = _JUMP.search(evidence.log), _HALF.search(evidence.log)
    if not ended_as(evidence, "exception") or jump is None or evidence.crash is None or not _unexplained(evidence):
        return None
    size = int(half["half"] if half else 512) * 1024
    begin = int(jump["at"], 16) // size * size
    at = (evidence.crash.epc1 or 0) - FLASH_START
    if not 0 <= at < MAPPED or begin <= at < begin + size:
        return None
    return [
        *evidence.quote("jump to run"),
        f"the code that died stands at {at:#08x} of the flash",
        *_crash_lines(evidence),
    ]


def _hole(evidence: Evidence) -> Proof:
    """There is no code where the chip has run into it, whatever the firmware had said before."""
    if not ended_as(evidence, "exception") or evidence.hole is None or meaning(evidence):
        return None
    if _other_half(evidence) is not None:
        return None
    return [
        f"the code that died stands at {evidence.hole:#08x} of the flash: nothing is there",
        *_crash_lines(evidence),
    ]


def hole_words(evidence: Evidence) -> str:
    """Where code is missing, as a proof."""
    return f"at {evidence.hole:#08x} of the flash there is nothing, in the middle of its code"


def _unexplained(evidence: Evidence) -> bool:
    """A crash before any word of the firmware, whose address explains nothing."""
    return evidence.crash is not None and not explained(evidence)


def _crash(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "exception") or _unexplained(evidence) or _hole(evidence) is not None:
        return None
    words = own_words(evidence.log)
    spoke = [f'before it died it said "{mask_cut(words, SHOWN)}": until then the flash was read right'] if words else []
    return [*_crash_lines(evidence), *spoke]


def _crash_cause(evidence: Evidence) -> str:
    why = meaning(evidence)
    cause = "the firmware itself crashes" + (f": {why}" if why else "")
    if evidence.verified:
        return f"{cause}; the flash holds it whole"
    return cause if _crash_certain(evidence) else f"{cause}; it may be a defect of the build, or a damaged image"


def _crash_certain(evidence: Evidence) -> bool:
    """A firmware that has stopped itself, or one that is known to be whole: a damaged one goes wrong in any way."""
    return evidence.verified or evidence.crash is None or bool(_reason(evidence))


def _crash_action(evidence: Evidence) -> str:
    another = "take another build of it; the addresses go to whoever built it"
    return another if _crash_certain(evidence) else compare_first(evidence, another)


def compare_first(evidence: Evidence, *then: Part) -> Advice:
    """What to do, behind the test that tells a damaged flash from all else, unless that was made."""
    if evidence.verified:
        return Advice(*then)
    return Advice(command("verify", "profile=NAME"), " says whether the flash holds the image; if it does, ", *then)


def _crash_at_start(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "exception") or not _unexplained(evidence):
        return None
    if crashed_by_mode(evidence) or _other_half(evidence) is not None or _hole(evidence) is not None:
        return None
    loader = ["a boot loader ran before"] if LOADER.search(evidence.log) else []
    return [*_crash_lines(evidence), *loader, *([BYTES_RIGHT] if evidence.verified else [])]


def _start_causes(evidence: Evidence) -> str:
    mode = f"the flash mode {evidence.mode}" if evidence.mode else "the flash mode"
    damaged = [] if evidence.verified else ["a damaged image"]
    modes = [mode] if evidence.mode != SAFEST else []
    causes = [*damaged, "a build for another place or another flash size", *modes]
    start = ROM.search(evidence.log) or LOADED.search(evidence.log)
    crash = _CRASH_WORDS.search(evidence.log)
    # A log that begins with the crash does not show what the firmware had said.
    when = " before its first word" if start and crash and start.start() < crash.start() else ""
    return f"the firmware crashes{when}: it may be {', '.join(causes)} or a defect of the build"


def _start_action(evidence: Evidence) -> str:
    return compare_first(
        evidence,
        try_mode(evidence, NEXT_MODE.get(evidence.mode, SAFEST)),
        "`flashpipe inspect FILE` says where each part of the build belongs; then take another build",
    )


def try_mode(evidence: Evidence, mode: str) -> str:
    """What tells whether it is the flash mode; nothing where the board is read in the safest one already."""
    if evidence.mode == SAFEST:
        return ""
    return Advice("run it with ", setting(mode=mode), ": if it starts, it was the mode; else ")


def _panic(evidence: Evidence) -> Proof:
    return evidence.quote("PANIC: ") or [evidence.message] if ended_as(evidence, "panic") else None


def _typed(evidence: Evidence) -> bool:
    """Whether it was a line from the keyboard that Lua gave up over."""
    return bool(evidence.quote(r"PANIC: .*\(stdin:\d"))


def _panic_cause(evidence: Evidence) -> str:
    if _typed(evidence):
        return "a line that was typed at its prompt crashed the firmware"
    return "a Lua script that runs at boot, mostly init.lua, crashes the firmware"


def _panic_action(evidence: Evidence) -> str:
    if _typed(evidence):
        return "correct the line that was typed; the board has started again since"
    return Advice(
        command("erase"), " and flash again loses the files and gets you in; then start init.lua with a delay"
    )


RULES: Final = (
    Rule(
        "firmware-crashes",
        _crash,
        _crash_cause,
        _crash_action,
        certain=_crash_certain,
    ),
    Rule(
        "other-half",
        _other_half,
        "it may be the image for the other half of the flash: the boot loader started one, its code runs in the other",
        "flash user1.bin to 0x01000, user2.bin to where the other half begins (0x81000, or 0x101000);"
        " `flashpipe inspect FILE` says which is which",
        certain=False,
    ),
    Rule(
        HOLE,
        _hole,
        "the image is damaged: a sector in the middle of its code is empty",
        ANOTHER_IMAGE,
    ),
    Rule(
        "crash-at-start",
        _crash_at_start,
        _start_causes,
        _start_action,
        certain=False,
    ),
    Rule(
        "lua-panic",
        _panic,
        _panic_cause,
        _panic_action,
    ),
)
