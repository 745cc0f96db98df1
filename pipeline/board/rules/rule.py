"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.board.evidence import Evidence

Proof = Sequence[str] | None
"""What proves the cause, one line each; None: the rule does not fit."""
Text = str | Callable[[Evidence], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One cause. The rules exclude each other: of any evidence, one fits or none."""

    name: str
    """Stable, for receipts and scripts: `gpio0-high`."""
    sees: Callable[[Evidence], Proof]
    cause: Text
    action: Text
    """One next action."""
    pains: tuple[int, ...] = ()
    """Numbers of the complaints that users bring, which this cause explains (`pains`)."""
    told: bool = False
    """The error's own words say it all: nothing is printed beside them."""

    def said(self, text: Text, evidence: Evidence) -> str:
        """A text about this evidence."""
        return text if isinstance(text, str) else text(evidence)
