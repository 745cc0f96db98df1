"""What a profile cannot be called."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.jobs import secrets
from flashpipe.lab import host_file
from flashpipe.profile.names import bad_profile_name
from flashpipe.profile.search import own_profiles
from flashpipe.sources.lock_file import LOCK_NAME

OTHERS = (secrets.FILE, host_file.FILE, LOCK_NAME, "exporter.yaml")


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_is_no_profile_whatever_it_holds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("extends: esp12\n")
    (tmp_path / "kitchen.yaml").write_text("extends: esp12\n")
    assert own_profiles(tmp_path) == ["kitchen"]
    assert bad_profile_name(Path(name).stem)
    assert bad_profile_name(Path(name).stem.upper()), "macOS and Windows know no upper case"


@pytest.mark.parametrize("name", ["CON", "com1", "nul", "x" * 65, "lpt1.old"])
def test_what_not_every_system_can_store_is_no_name(name: str) -> None:
    assert bad_profile_name(name)


@pytest.mark.parametrize("name", ["kitchen", "hosts", "host-1", "secret", "images", "lock", "console", "x" * 64])
def test_other_names_are_names(name: str) -> None:
    assert not bad_profile_name(name)
