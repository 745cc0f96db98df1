"""Whole runs, mostly with firmware that only looks like one."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def predicted(own_state: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images made by a fixture hold no code that could be executed: what they say is predicted."""
    del own_state
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
