"""Before anything is written: fit the plan to what this very board holds. Reads only."""

from __future__ import annotations

from pipeline.board.session import Session
from pipeline.flasher.records import Policy, Probe


def adapt(session: Session, found: Probe, policy: Policy) -> Probe:
    """What shall be written to this board, and what is left alone on it; called once a write is due.

    Raises:
        PipelineError: the board cannot be written as the user wishes.
    """
    del session, policy
    return found
