from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from flashpipe.digests import md5, region_digests
from flashpipe.errors import RecordError
from flashpipe.flash import Region
from flashpipe.records import journal
from flashpipe.records.journal import JournalEntry

SHORT = '{"start": 0, "size": 8192, "blocks": "", "sectors": "abcd"}'
MAC = "5c:cf:7f:d7:1c:89"


def test_an_unknown_board_is_unknown() -> None:
    entry = journal.read(MAC)
    assert entry.state == "unknown"
    assert not entry.finished("")


def test_an_entry_comes_back_as_written() -> None:
    stored = journal.write(JournalEntry(MAC, state="clean", plan="ab", profile="esp12", verdict="prompt", passed=True))
    assert journal.read(MAC) == stored
    assert stored.finished("ab")
    assert not stored.finished("cd")


def test_writing_is_not_finished() -> None:
    assert not journal.write(JournalEntry(MAC, state="writing", plan="ab")).finished("ab")


def test_digests_come_back_and_count_only_when_clean() -> None:
    given = region_digests(0x10000, bytes(0x13000))
    stored = journal.write(JournalEntry(MAC, state="clean", plan="ab", held=(given,)))
    assert journal.read(MAC) == stored
    assert stored.digests()[Region(0x20000, 0x23000)] == md5(bytes(0x3000))
    assert stored.digests()[Region(0x22000, 0x23000)] == md5(bytes(0x1000))
    assert len(stored.digests()) == 0x13 + 2
    for state in ("writing", "unknown", "erased"):
        assert replace(stored, state=state).digests() == {}


def test_boards_do_not_share_an_entry() -> None:
    journal.write(JournalEntry(MAC, state="clean", plan="ab"))
    assert journal.read("5c:cf:7f:d7:1c:8a").state == "unknown"


def test_the_file_is_private(own_state: Path) -> None:
    journal.write(JournalEntry(MAC, state="clean"))
    (path,) = (own_state / "boards").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 99, "mac": "5c:cf:7f:d7:1c:89"}',
        '{"format": 1, "mac": "00:00:00:00:00:00"}',
        '{"format": 1, "mac": "5c:cf:7f:d7:1c:89", "other": 1}',
        '{"format": 1, "mac": "5c:cf:7f:d7:1c:89", "held": [{"start": 0}]}',
        '{"format": 1, "mac": "5c:cf:7f:d7:1c:89", "state": "clean", "held": [' + SHORT + "]}",
        "\udcff",
    ],
)
def test_a_damaged_entry_is_moved_aside_and_counts_as_unknown(own_state: Path, text: str) -> None:
    journal.write(JournalEntry(MAC, state="clean", plan="ab"))
    (path,) = (own_state / "boards").glob("*.json")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert journal.read(MAC).state == "unknown"
    assert not path.exists()
    assert len(list(path.parent.glob("*.damaged"))) == 1


def test_what_stands_in_the_place_of_an_entry_is_put_aside(own_state: Path) -> None:
    (own_state / "boards" / "5ccf7fd71c89.json").mkdir(parents=True)
    assert journal.read(MAC) == JournalEntry(MAC)
    assert journal.write(JournalEntry(MAC)).mac == MAC


@pytest.mark.parametrize("folder", [".json", ".damaged"])
def test_neither_is_in_the_way_of_the_other_when_it_is_put_aside(own_state: Path, folder: str) -> None:
    boards = own_state / "boards"
    (boards / f"5ccf7fd71c89{folder}" / "full").mkdir(parents=True)
    other = boards / f"5ccf7fd71c89{'.damaged' if folder == '.json' else '.json'}"
    other.write_text("[]")
    assert journal.read(MAC) == JournalEntry(MAC)
    assert journal.write(JournalEntry(MAC)).mac == MAC


def test_an_entry_that_may_not_be_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(journal, "read_json", refuse)
    with pytest.raises(RecordError, match="cannot be read"):
        journal.read(MAC)


def test_a_journal_that_cannot_be_written_says_so(own_state: Path) -> None:
    (own_state / "boards").write_text("in the way")
    with pytest.raises(RecordError):
        journal.write(JournalEntry(MAC, state="writing"))


def test_an_interrupted_write_leaves_the_old_entry(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.write(JournalEntry(MAC, state="writing", plan="ab"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        journal.write(JournalEntry(MAC, state="clean", plan="ab"))
    (path,) = (own_state / "boards").iterdir()
    assert json.loads(path.read_text())["state"] == "writing"


def test_a_firmware_that_knows_two_beginnings_of_macs_means_the_board_with_that_end() -> None:
    told = "18:fe:34:d7:1c:89"
    assert journal.chip_mac(told) == told, "no board is known"
    journal.write(JournalEntry(MAC, state="clean", plan="ab"))
    journal.write(JournalEntry("5c:cf:7f:00:1c:89", state="clean", plan="ab"))
    assert journal.chip_mac(told) == journal.chip_mac("ac:d0:74:d7:1c:89") == MAC
    assert journal.chip_mac("84:f3:eb:d7:1c:89") == "84:f3:eb:d7:1c:89", "a firmware that knows this one knows all"
    assert journal.chip_mac("") == ""
    journal.write(JournalEntry("a0:20:a6:d7:1c:89", state="clean", plan="ab"))
    assert journal.chip_mac(told) == told, "two of them: nobody knows which"


def test_what_this_run_has_begun_is_told_apart_from_what_an_earlier_one_left(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = set[str]()
    monkeypatch.setattr(journal, "BEGUN", begun)
    entry = journal.write(JournalEntry(MAC, "writing", plan="p", profile="kitchen"))
    assert journal.unfinished(entry, "write-failed").startswith(
        f"board {MAC} holds an incomplete image (write-failed); "
    )
    assert "run the same command again" in journal.unfinished(entry)
    begun.clear()  # as in a later process
    later = (
        (entry, "`flashpipe flash profile=kitchen` continues"),
        (replace(entry, profile=""), "`flashpipe flash …` continues"),
        (replace(entry, plan="", backup="20261130T1"), "`flashpipe restore backup=20261130T1` continues"),
        (replace(entry, plan=""), "`flashpipe erase` continues"),
    )
    for left, told in later:
        said = journal.unfinished(left)
        assert "since an earlier run" in said
        assert told in said
    journal.write(JournalEntry(MAC, "writing", plan="p"))
    journal.write(JournalEntry(MAC, "clean", plan="p"))
    assert not begun
