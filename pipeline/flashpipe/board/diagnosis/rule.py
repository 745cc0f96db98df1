"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.values import dataclass

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

    def said(self, text: Text, evidence: Evidence) -> str:
        """A text about this evidence."""
        return text if isinstance(text, str) else text(evidence)
