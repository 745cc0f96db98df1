"""It starts again and again, or hangs: what the ROM's own lines say of the reason (facts: esp8266 §2.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.board.boot.patterns import SAFE_MODE
from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_crash import ANOTHER_IMAGE, HOLE, SAFEST, compare_first, hole_words, try_mode
from flashpipe.board.diagnosis.rules_line import ended_as, feed
from flashpipe.next_steps import Advice, command, setting


def _parameters(evidence: Evidence) -> Proof:
    """The SDK says so; one of 2.x then goes on with what it has, and may die of it again and again without a word."""
    pattern = "^system param error"
    if ended_as(evidence, "boot-loop"):
        return None if evidence.restarts_itself() else evidence.quote(pattern) or None
    return (evidence.quote(pattern) or [evidence.message]) if ended_as(evidence, "system-params") else None


def _loop_hole(evidence: Evidence) -> Proof:
    """It starts again and again, or hangs, and a part of its code is not there."""
    if evidence.hole is None or _soft(evidence) or _parameters(evidence) is not None:
        return None
    starts = _starts("watchdog", "boot-loop")(evidence)
    return None if starts is None else [hole_words(evidence), *starts]


def _hangs(evidence: Evidence) -> Proof:
    return _starts("watchdog")(evidence) if _loop_hole(evidence) is None else None


def _restarts(evidence: Evidence) -> Proof:
    """Nothing else is known than that."""
    known = _parameters(evidence) is not None or _loop_hole(evidence) is not None
    return None if known else _starts("boot-loop")(evidence)


_OLD_DATA: Final = (command("erase"), " and flash again, for old data in the flash; else ")


def _again_and_again(evidence: Evidence) -> Advice:
    feeding = "feed it from a stronger 3.3 V supply; if that is not it, "
    return compare_first(evidence, feeding, *_OLD_DATA, setting(mode="dout"), ", or another build")


def _starts(*kinds: str) -> Callable[[Evidence], Proof]:
    """Rules about how often and why the chip started."""

    def sees(evidence: Evidence) -> Proof:
        if not ended_as(evidence, *kinds):
            return None
        if evidence.verdict == "boot-loop" and (evidence.restarts_itself() or evidence.quote(SAFE_MODE)):
            return None
        starts = evidence.log_starts()
        if len(starts) <= 1:
            return [evidence.message]
        causes = ", ".join(str(cause) for cause, _ in starts[:8])
        return [f"{len(starts)} starts in its log, reset causes {causes}"]

    return sees


def _soft(evidence: Evidence) -> bool:
    """Whether a watchdog of the firmware, which runs then, has told it to stop."""
    return bool(evidence.quote("Soft WDT reset|Task watchdog"))


RULES: Final = (
    Rule(
        "system-params",
        _parameters,
        "the sectors in which the SDK keeps its parameters hold something else",
        Advice(command("erase"), ", then flash again: the firmware writes them anew"),
    ),
    Rule(
        "watchdog-loop",
        _hangs,
        lambda evidence: (
            "the firmware works for too long without a pause, and its own watchdog stops it"
            if _soft(evidence)
            else "a watchdog resets the chip, which hangs: it may be the firmware, old data in the flash,"
            " or a flash that is read wrongly"
        ),
        lambda evidence: (
            "let it pause in long loops (yield, delay, timers), or take another build"
            if _soft(evidence)
            else compare_first(evidence, *_OLD_DATA, try_mode(evidence, SAFEST), "take another build")
        ),
        certain=_soft,
    ),
    Rule(
        "supply-at-boot",
        _starts("brown-out"),
        "the 3.3 V supply collapses when the firmware starts, mostly with its radio",
        feed,
    ),
    Rule(
        "restart-loop",
        _restarts,
        "the chip starts again and again without a word of why: it may be its supply, what else is in its flash, the"
        " flash mode, or the build",
        _again_and_again,
        certain=False,
    ),
    Rule(
        HOLE,
        _loop_hole,
        "the firmware does not come up, and its image may be damaged: a sector in the middle of its code is empty",
        ANOTHER_IMAGE,
        certain=False,
    ),
)
