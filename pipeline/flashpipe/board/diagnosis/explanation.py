"""A boot log explained: verdict, what it passes, cause, proof, next step. The rules are those of a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from flashpipe.board.boot.expectations import PASSES
from flashpipe.board.boot.kinds import HEALTHY, Verdict, error_class
from flashpipe.board.boot.patterns import LOADED, ROM
from flashpipe.board.boot.stay import NOISE
from flashpipe.board.boot.verdict import classify, of_verified_flash
from flashpipe.board.diagnosis.evidence import of_boot
from flashpipe.board.diagnosis.judge import judge
from flashpipe.errors import Diagnosis

NOTHING_WRONG: Final = Diagnosis("", "", (), "")


@dataclass(frozen=True)
class Known:
    """What is known beside the log. Empty: not known."""

    mode: str = ""
    """Flash mode in the header of the image."""
    size: str = ""
    """Flash size in it."""
    right_size: str = ""
    """The one that it should name for its build; empty where the build takes any."""
    chip: str = ""
    verified: bool = False
    """The flash was seen to hold the image."""
    places: Callable[[str], list[str]] = field(default=lambda _line: [])
    """Names the addresses of a line."""


@dataclass(frozen=True)
class Explanation:
    """What a log proves."""

    verdict: Verdict
    passes: Mapping[str, bool]
    """`boot.expect` to whether the verdict passes."""
    code: str
    """Of the error that a boot check ends with; empty where `any` passes."""
    diagnosis: Diagnosis
    """Its cause; `NOTHING_WRONG` where something runs."""
    proof: tuple[str, ...]
    action: str
    """What to do next; empty where nothing is wrong."""
    places: tuple[str, ...]
    """Function and line of each address in the log."""


def _classify(text: str) -> Verdict:
    """As `classify`; but where a log ends with the first line of another start, nobody knows what came of that."""
    verdict = classify(text)
    starts = list(ROM.finditer(text))
    if verdict.kind != "no-image" or not starts or text[starts[-1].end() :].strip():
        return verdict
    begin = text.rfind("\n", 0, starts[-1].start()) + 1
    if LOADED.search(text, 0, begin) is None:  # it is the ROM that found nothing
        return verdict
    before = classify(text[:begin])
    if before.kind not in HEALTHY:
        return before
    summary = "the chip started again, and the log ends there; that it runs is not proven"
    return replace(before, kind="alive", summary=summary, evidence=(text[begin:].strip(),), log=text)


def explain_log(text: str, known: Known, received: int = 0) -> Explanation:
    """Judge a boot log after which nothing more comes; `received`: bytes of which it is the readable part."""
    verdict = of_verified_flash(_classify(text), known.mode if known.verified else "")
    if verdict.kind == "silence" and max(received, len(text.strip())) >= NOISE:
        summary = f"{received or len(text)} bytes, and no words of a ROM, a boot loader or a firmware"
        verdict = replace(verdict, kind="unreadable", summary=summary)
    passes = {expect: verdict.kind in kinds for expect, kinds in PASSES.items()}
    places = tuple(dict.fromkeys(place for line in text.splitlines() for place in known.places(line)))
    if verdict.kind in HEALTHY and verdict.kind != "alive":  # which proves nothing, although it passes
        return Explanation(verdict, passes, "", NOTHING_WRONG, verdict.evidence, "", places)
    kind = error_class(verdict.kind)
    code = "" if verdict.kind in HEALTHY else kind.code
    sizes = {"size": known.size, "right_size": known.right_size}
    diagnosis = judge(of_boot(verdict, mode=known.mode, chip=known.chip, verified=known.verified, **sizes))
    proof = diagnosis.proof or verdict.evidence
    return Explanation(verdict, passes, code, diagnosis, proof, diagnosis.action or kind.remedy, places)
