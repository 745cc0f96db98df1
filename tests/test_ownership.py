"""Whose a file or folder is: owners, modes, links, sticky folders, trust. As any user, the owners are made up."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from flashpipe import ownership
from flashpipe.errors import NotTrustedError
from flashpipe.ownership import Standing, keep_trust, kept_trust, look, require_own, require_owners

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
OTHER = 54321


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that this test's user owns belongs to somebody else, who is no root either."""
    monkeypatch.setattr(ownership, "trusted_owners", lambda: frozenset({OTHER}))


def test_what_nobody_else_can_change_is_ones_own(folder: Path) -> None:
    assert look(folder, folder).standing is Standing.OWN
    assert look(folder / "not-yet-there" / "x", folder).standing is Standing.OWN


@pytest.mark.usefixtures("somebody_else")
def test_what_belongs_to_one_other_user_is_shared(folder: Path) -> None:
    assert look(folder, folder).standing is Standing.SHARED
    require_owners(folder / "file", folder)
    with pytest.raises(NotTrustedError) as caught:
        require_own(folder)
    assert "belongs to" in caught.value.message
    assert f"flashpipe trust {folder}" in caught.value.hint


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_a_root_that_all_can_write_is_foreign_even_where_it_is_sticky(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert look(folder, folder).standing is Standing.FOREIGN
    assert look(folder / "kitchen.yaml", folder).standing is Standing.FOREIGN


def test_above_the_root_sticky_is_enough(folder: Path) -> None:
    inner = folder / "mine"
    inner.mkdir()
    folder.chmod(0o1777)
    assert look(inner / "x", inner).standing is Standing.OWN
    folder.chmod(0o777)
    assert look(inner / "x", inner).standing is Standing.FOREIGN


def test_a_group_of_ones_own_is_nobody_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.chmod(0o775)
    monkeypatch.setattr(ownership, "_is_private", lambda _gid, _uid: True)
    assert look(folder, folder).standing is Standing.OWN
    monkeypatch.setattr(ownership, "_is_private", lambda _gid, _uid: False)
    finding = look(folder, folder)
    assert finding.standing is Standing.FOREIGN
    assert "the group" in finding.why


def test_a_file_counts_too(folder: Path) -> None:
    path = folder / "kitchen.yaml"
    path.touch()
    path.chmod(0o666)
    assert look(path, folder).standing is Standing.FOREIGN
    assert look(path, folder).path == path


def test_a_link_counts_where_it_stands_and_where_it_leads(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.yaml").touch()
    link = folder / "x.yaml"
    link.symlink_to(elsewhere / "x.yaml")
    assert look(link, folder).standing is Standing.OWN
    elsewhere.chmod(0o777)
    assert look(link, folder).standing is Standing.FOREIGN
    elsewhere.chmod(0o755)
    folder.chmod(0o777)
    assert look(link, folder).standing is Standing.FOREIGN


def test_what_is_trusted_is_ones_own_with_all_below(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.chmod(0o777)
    monkeypatch.setenv("FLASHPIPE_TRUST", os.pathsep.join(("/nowhere", str(folder))))
    assert look(folder / "a" / "b", folder).standing is Standing.OWN
    beside = tmp_path / "project-2"
    beside.mkdir()
    beside.chmod(0o777)
    assert look(beside, beside).standing is Standing.FOREIGN


def test_trust_is_kept_unless_others_can_write_the_list(folder: Path, own_state: Path) -> None:
    keep_trust((folder,))
    assert kept_trust() == (folder,)
    path = own_state / "trusted.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o666)
    assert kept_trust() == ()
    path.chmod(0o600)
    for text in ("", "{", "[]", '{"format": "flashpipe-trusted/1"}', '{"format": "x", "folders": ["/"]}'):
        path.write_text(text)
        assert kept_trust() == ()


def test_whoever_called_sudo_is_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert ownership.trusted_owners() == {0, OTHER}
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert ownership.trusted_owners() == {0, 1000}


def test_a_file_system_without_rights_shows_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.chmod(0o777)
    monkeypatch.setattr(ownership, "_has_no_rights", lambda _device: True)
    assert look(folder, folder).standing is Standing.OWN


def test_this_file_system_has_rights(folder: Path) -> None:
    assert not ownership._has_no_rights(folder.stat().st_dev)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no access lists on this system")
def test_an_access_list_names_others_who_can_write(tmp_path: Path) -> None:
    folder = tmp_path / "listed"
    folder.mkdir(mode=0o770)
    entries = ((1, 7, 0xFFFFFFFF), (2, 7, 4242), (4, 7, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", value)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert look(folder, folder).standing is Standing.FOREIGN
