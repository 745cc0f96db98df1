"""Whole runs, mostly with firmware that only looks like one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def predicted() -> Iterator[None]:
    """Images made by a fixture hold no code that could be executed: what they say is predicted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASHPIPE_CORE", "none")
        yield
