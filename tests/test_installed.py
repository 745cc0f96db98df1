"""What is installed, by its folders: the same as Python's own module says of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from flashpipe import installed


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    installed._folders.cache_clear()
    yield
    installed._folders.cache_clear()


def offer(site: Path, name: str, groups: str) -> None:
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(groups)


@pytest.mark.parametrize("name", ["esptool", "doit", "pyserial", "flashpipe", "ruamel.yaml", "Ruamel_YAML"])
def test_versions_are_those_that_python_knows(name: str) -> None:
    assert installed.version(name) == metadata.version(name)


def test_what_is_not_installed_has_no_version() -> None:
    assert installed.version("no-such-package") == installed.UNKNOWN


def test_a_package_that_lies_in_another_way_is_asked_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "old_one.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old-one\nVersion: 0.3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed.version("old-one") == "0.3"
    assert installed.may_offer("doit.", but="flashpipe"), "nobody knows"


@pytest.mark.parametrize(
    ("groups", "offers"),
    [
        ("[doit.COMMAND]\nfoo = a:b\n", True),
        ("[console_scripts]\nx = y:z\n[ doit.REPORTER ]\nfoo = a:b\n", True),
        ("[console_scripts]\ndoit.COMMAND = y:z\n", False),
        ("", False),
    ],
)
def test_plugins_of_other_packages_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, *, offers: bool
) -> None:
    offer(tmp_path, "plug_in", groups)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing")])
    assert installed.may_offer("doit.", but="flashpipe") is offers
    assert installed.may_offer("doit.", but="Plug.in") is False, "but for the one that asks"


def test_a_folder_that_cannot_be_read_makes_nothing_certain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "site.zip"
    archive.write_bytes(b"PK")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert installed.may_offer("doit.", but="flashpipe")
