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
    """One next action; where the cause is not certain, the test that would tell."""
    certain: bool | Callable[[Evidence], bool] = True
    """Whether the evidence excludes every other cause. Where not, the cause says `may be`."""

    def is_certain(self, evidence: Evidence) -> bool:
        """Whether this evidence excludes every other cause."""
        return self.certain if isinstance(self.certain, bool) else self.certain(evidence)

    @staticmethod
    def text(text: Text, evidence: Evidence) -> str:
        """A text about this evidence."""
        return text if isinstance(text, str) else text(evidence)
