"""The firmware is well, and the program that it runs does not let it be: what the maker wrote is the cause."""

from __future__ import annotations

from typing import Final

from flashpipe.board.boot.patterns import SAFE_MODE
from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_line import ended_as
from flashpipe.next_steps import Advice, Wording, command


def _restarts(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "boot-loop") or not evidence.restarts_itself():
        return None
    return [f"{len(evidence.log_starts())} starts in its log, and NodeMCU is up in each one before the next"]


def _keeps_safe(evidence: Evidence) -> Proof:
    return evidence.quote(SAFE_MODE) or None if ended_as(evidence, "boot-loop") else None


RULES: Final = (
    Rule(
        "program-crashes",
        _keeps_safe,
        "ESPHome says that its program has died at each of its last starts: it may be its configuration, or the supply",
        "read what an earlier start said last, correct the configuration, and flash that; or feed it from a stronger"
        " 3.3 V supply. It tries its program again at each reset",
        certain=False,
    ),
    Rule(
        "program-restarts",
        _restarts,
        "NodeMCU comes up and is started again each time: it may be that its init.lua does that, or what it runs",
        Advice(
            command("files", rescue="1"),
            Wording(" puts init.lua aside", ""),
            ": if it stays up then, correct that file; if not, take a stronger 3.3 V supply",
        ),
        certain=False,
    ),
)
