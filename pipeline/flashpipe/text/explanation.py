"""What a boot log proves, as text and as data."""

from __future__ import annotations

from dataclasses import asdict

from flashpipe.board.diagnosis.explanation import Explanation
from flashpipe.next_steps import steps_of


def describe(explanation: Explanation) -> str:
    """The explanation, one thing a line."""
    verdict, diagnosis = explanation.verdict, explanation.diagnosis
    passes = ", ".join(expect for expect, passed in explanation.passes.items() if passed)
    rows = [("verdict", f"{verdict.kind}: {verdict.summary}"), ("passes", passes or "nothing")]
    if explanation.code:
        rows[-1] = ("passes", f"{passes or 'nothing'}; code {explanation.code}")
    if diagnosis.cause:
        rows.append(("cause", f"{diagnosis.cause} [{diagnosis.rule}]"))
    rows += [("proof", line) for line in explanation.proof]
    rows += [("address", place.strip()) for place in explanation.places]
    if explanation.action:
        rows.append(("next", explanation.action))
    return "\n".join(f"{name:<9}{text}" for name, text in rows)


def as_data(explanation: Explanation) -> dict[str, object]:
    """The explanation for programs."""
    verdict, diagnosis = explanation.verdict, explanation.diagnosis
    return {
        "verdict": verdict.kind,
        "summary": verdict.summary,
        "firmware": verdict.firmware,
        "passes": dict(explanation.passes),
        "code": explanation.code,
        "cause": diagnosis.cause,
        "rule": diagnosis.rule,
        "certain": diagnosis.certain,
        "proof": list(explanation.proof),
        "next": explanation.action,
        "next_steps": [step.facts for step in steps_of(explanation.action)],
        "crash": asdict(verdict.crash) if verdict.crash is not None else None,
        "addresses": list(explanation.places),
    }
