from __future__ import annotations

import os
from pathlib import Path

import pytest
from flashpipe.board.ports.memory import PortMemory
from flashpipe.errors import RecordError

MAC = "5c:cf:7f:d7:1c:89"


def test_what_was_seen_is_remembered_across_processes() -> None:
    PortMemory().remember("1a86:7523@1-1.2", MAC, "kitchen")
    memory = PortMemory()
    seen = memory.seen("1a86:7523@1-1.2")
    assert seen is not None
    assert (seen.mac, seen.profile) == (MAC, "kitchen")
    assert memory.key_for("kitchen") == "1a86:7523@1-1.2"
    assert MAC in memory.describe("1a86:7523@1-1.2")


def test_nothing_is_known_at_first() -> None:
    memory = PortMemory()
    assert memory.seen("x") is None
    assert memory.describe("x") == ""
    assert memory.key_for("kitchen") is None
    assert memory.key_for("") is None


def test_a_port_without_a_profile_forgets_no_profile() -> None:
    PortMemory().remember("a", MAC, "kitchen")
    PortMemory().remember("b", MAC)
    assert PortMemory().key_for("kitchen") == "a"


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_what_others_can_have_written_chooses_no_port() -> None:
    PortMemory().remember("a", MAC, "kitchen")
    PortMemory().path.parent.chmod(0o777)
    assert PortMemory().key_for("kitchen") is None


def test_two_at_once_do_not_lose_each_other() -> None:
    first, second = PortMemory(), PortMemory()
    first.remember("a", MAC, "one")
    second.remember("b", MAC, "two")
    memory = PortMemory()
    assert (memory.key_for("one"), memory.key_for("two")) == ("a", "b")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"ports": {}}', b'{"ports": {"a": 3}, "profiles": {}}', b'{"ports": 1}'],
)
def test_a_damaged_file_is_put_aside(content: bytes) -> None:
    path = PortMemory().path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    memory = PortMemory()
    assert memory.damaged is not None
    assert memory.damaged.read_bytes() == content
    memory.remember("a", MAC)
    assert PortMemory().seen("a") is not None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError):
        PortMemory(tmp_path / "file" / "ports.json").remember("a", MAC)
