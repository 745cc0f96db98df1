"""Synthetic firmware for what is fetched, pinned and read."""

from __future__ import annotations

import pytest

from tests.images import Builder


@pytest.fixture(scope="session")
def build() -> Builder:
    return Builder()
