"""Seals: what this user has written is told from what somebody else has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flashpipe.records import journal, seal
from flashpipe.records.journal import JournalEntry
from hypothesis import given
from hypothesis import strategies as st

MAC = "5c:cf:7f:00:00:01"


def store(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    path.write_text(json.dumps(record))
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_a_sealed_record_is_ones_own_until_it_is_changed(tmp_path: Path) -> None:
    record = store(tmp_path / "x.json", seal.sealed({"a": 1, "b": {"c": ["ä", None, 1.5]}}))
    assert seal.is_own(record, tmp_path / "x.json")
    assert not seal.is_own({**record, "a": 2}, tmp_path / "x.json")
    assert not seal.is_own({**record, "more": 2}, tmp_path / "x.json")
    assert not seal.is_own({**record, "seal": "0" * 64}, tmp_path / "x.json")


def test_one_from_before_the_key_is_taken_and_sealed(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    record = store(path, {"a": 1})
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert seal.is_own(record, path)
    assert set(json.loads(path.read_text())) == {"a", "seal"}
    assert path.stat().st_mtime == 1_000_000_000
    assert seal.is_own(json.loads(path.read_text()), path)


def test_one_without_a_seal_from_after_is_foreign(tmp_path: Path) -> None:
    seal.sealed({})
    path = tmp_path / "new.json"
    record = store(path, {"a": 1})
    later = path.stat().st_mtime + 5
    os.utime(path, (later, later))
    assert not seal.is_own(record, path)


def test_one_in_a_folder_of_others_is_foreign(tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("rights of POSIX")
    path = tmp_path / "x.json"
    record = store(path, {"a": 1})
    path.chmod(0o666)
    assert not seal.is_own(record, path)


def test_the_key_is_private_or_not_used(own_state: Path) -> None:
    assert seal.user_key() is None
    made = seal.user_key(make=True)
    assert made == seal.user_key()
    assert made is not None
    path = own_state / "key"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o644)  # as a copy or a backup has it
        assert seal.user_key() == made
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in own_state.iterdir() if not one.is_dir()) == ["key"]


@pytest.mark.parametrize("damage", ["cut", "written by others"])
def test_a_key_that_cannot_be_used_is_told_and_made_anew(
    own_state: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, path = seal.user_key(make=True), own_state / "key"
    if damage == "cut":
        path.write_bytes(b"x")
    elif os.name == "posix":
        path.chmod(0o666)
    else:
        pytest.skip("rights of POSIX")
    held = path.read_bytes()
    again = seal.user_key(make=True)
    assert again is not None
    assert again != made
    assert "cannot be used" in caplog.text
    assert (own_state / "key.unusable").read_bytes() == held
    assert seal.user_key() == again


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_state_folder_that_others_can_write_is_told_once_and_counts_for_nothing(
    own_state: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_state.chmod(0o777)
    for _ in range(2):
        journal.write(JournalEntry(MAC, state="clean", plan="x"))
    assert journal.read(MAC) == JournalEntry(MAC)
    (told,) = caplog.messages
    assert f"{own_state}: what is kept there of boards and ports counts for nothing" in told
    assert "can be written by everybody" in told
    assert f"chmod go-w {own_state}" in told
    monkeypatch.setenv("FLASHPIPE_TRUST", str(own_state))
    journal.write(JournalEntry(MAC, state="clean", plan="x"))
    assert journal.read(MAC).plan == "x"


def test_a_foreign_journal_loses_what_it_says(own_state: Path) -> None:
    journal.write(JournalEntry(MAC, state="clean", plan="x"))
    assert journal.read(MAC).state == "clean"
    (path,) = (own_state / "boards").iterdir()
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "plan": "y"}))
    assert journal.read(MAC) == JournalEntry(MAC)
    assert path.exists(), "it is not damaged, and the next run replaces it"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_any_record_keeps_its_seal_through_a_file(value: Any) -> None:
    record = json.loads(json.dumps(seal.sealed({"value": value})))
    assert seal.is_own(record, Path("/nowhere"))
