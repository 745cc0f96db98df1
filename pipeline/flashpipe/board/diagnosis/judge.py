"""From evidence to one cause, its proof and one next action. Pure: the same evidence gives the same diagnosis.

The rules stand in `rules`, by where a failure happens. They exclude each other, so their order decides nothing; a test
holds them to that. Where none fits, the diagnosis says so.
"""

from __future__ import annotations

from typing import Final

from flashpipe.board.diagnosis import rules_boot as boot
from flashpipe.board.diagnosis import rules_crash as crash
from flashpipe.board.diagnosis import rules_flash as flash
from flashpipe.board.diagnosis import rules_header as header
from flashpipe.board.diagnosis import rules_host as host
from flashpipe.board.diagnosis import rules_line as line
from flashpipe.board.diagnosis import rules_program as program
from flashpipe.board.diagnosis import rules_starts as starts
from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Rule
from flashpipe.errors import Diagnosis

RULES: Final = tuple(rule for room in (line, flash, boot, starts, header, crash, program, host) for rule in room.RULES)
UNKNOWN: Final = "unknown"
EVIDENT: Final = frozenset({"no-answer", "wire", "write-failed", "verify-failed", "port-lost", "flash-unknown"})
"""Codes that say what failed, not why: the cause has to come out of the evidence. So do those of a boot."""


def judge(evidence: Evidence) -> Diagnosis:
    """The cause of a failure."""
    fitting = fit(evidence)
    if fitting:
        rule, proof = fitting[0]
        return Diagnosis(
            rule.name,
            rule.text(rule.cause, evidence),
            tuple(proof),
            rule.text(rule.action, evidence),
            certain=rule.is_certain(evidence),
        )
    # The board holds something else, and the message says what.
    compared = evidence.code == "verify-failed" and not evidence.written
    if (evidence.code in EVIDENT and not compared) or evidence.verdict:
        return Diagnosis(UNKNOWN, "the evidence proves no cause", tuple(_known(evidence)), "", certain=False)
    return Diagnosis(evidence.code, evidence.message.partition("\n")[0], (), "", told=True)


def fit(evidence: Evidence) -> list[tuple[Rule, tuple[str, ...]]]:
    """Every rule that fits, with its proof: one, or none where the cause is unknown."""
    proofs = [(rule, rule.sees(evidence)) for rule in RULES]
    return [(rule, tuple(proof)) for rule, proof in proofs if proof is not None]


def _known(evidence: Evidence) -> list[str]:
    """What is known, where it proves nothing."""
    known = [f"step {evidence.step}, {evidence.sent} bytes sent, {evidence.received} received"]
    words = evidence.words()
    return [*known, f'the board says "{words}"'] if words else known
