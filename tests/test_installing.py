"""Which command installs something where this program runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from flashpipe import installing
from flashpipe.installing import install_command


@pytest.mark.parametrize(
    ("has_pip", "on_path", "expected"),
    [
        (True, "here", "pip install --no-deps 'a>=1'"),
        (True, "elsewhere", f"{sys.executable} -m pip install --no-deps 'a>=1'"),
        (True, "", f"{sys.executable} -m pip install --no-deps 'a>=1'"),
        (False, "elsewhere", f"uv pip install --python {sys.executable} --no-deps 'a>=1'"),
    ],
)
def test_the_command_is_of_this_environment(
    has_pip: bool,  # noqa: FBT001
    on_path: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = {"here": str(Path(sys.executable).parent / "pip"), "elsewhere": "/usr/bin/pip", "": None}
    monkeypatch.setattr(shutil, "which", lambda _name: places[on_path])
    monkeypatch.setattr(installing, "find_spec", lambda _name: object() if has_pip else None)
    assert install_command("--no-deps", "a>=1") == expected
