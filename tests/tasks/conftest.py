"""Project folders and real images for the tests of whole commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Project, make_project


@pytest.fixture
def project(tmp_path: Path, own_state: Path) -> Project:
    return make_project(tmp_path / "project", own_state)


@pytest.fixture
def second_project(tmp_path: Path, own_state: Path) -> Project:
    """Another folder of the same person."""
    return make_project(tmp_path / "second", own_state)
