from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from flashpipe.errors import RecordError
from flashpipe.files import STATE_VARIABLE, make_private, state_folder, virtual_ports_folder, write_atomic


def test_state_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))
    assert state_folder() == tmp_path
    assert virtual_ports_folder().parent == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_state_folder_is_the_users_otherwise(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(STATE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(STATE_VARIABLE, value)
    assert state_folder().is_absolute()
    assert "flashpipe" in state_folder().parts


def test_file_is_written_in_folders_that_did_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["record.json"]


def test_records_that_cannot_be_written_can_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / ".pipeline").write_text("a file in their place")
    folder = tmp_path / ".pipeline" / "receipts"
    with pytest.raises(RecordError) as written:
        write_atomic(folder / "x.json", b"")
    with pytest.raises(RecordError) as made:
        make_private(folder)
    assert all("FLASHPIPE_RECORDS=DIR" in caught.value.hint for caught in (written, made))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps other rights")
def test_only_the_owner_may_read_unless_asked(tmp_path: Path) -> None:
    for name, mode in (("private", None), ("public", 0o644)):
        path = tmp_path / name
        write_atomic(path, b"x", **({} if mode is None else {"mode": mode}))
        assert stat.S_IMODE(path.stat().st_mode) == (mode or 0o600)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RecordError, match=r"record\.json: cannot be written: No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError):
        write_atomic(tmp_path / "file" / "record.json", b"x")


def test_interrupt_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "record.json", b"x")
    assert list(tmp_path.iterdir()) == []
