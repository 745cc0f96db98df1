"""The log of a batch: what is counted, and what a kill leaves."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError, NoBatchError, RecordError
from flashpipe.records import batch as batch_module
from flashpipe.records.batch import Batch, BatchRecord, batch_folder, batch_names
from flashpipe.records.batch_state import BatchState
from flashpipe.records.manifest import make_manifest, verify_manifest

Line = tuple[str, str, Mapping[str, object]]


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    (tmp_path / "records").mkdir()
    return Batch.begin(tmp_path / "records", BatchRecord("one", "sensor", "2026-12-01T00:00:00.000Z", {"plan": "ab"}))


def state(*lines: Line) -> BatchState:
    """What lines say; each is a second after the one before, unless it says another time."""
    made = BatchState()
    for second, (what, name, more) in enumerate(lines):
        made.add({"at": f"2026-12-01T10:00:{second:02d}.000Z", "what": what, "try": name, **more})
    return made


def good(name: str, mac: str, visit: str = "") -> tuple[Line, ...]:
    end: dict[str, object] = {"outcome": "flashed", "passed": True, "mac": mac, "seconds": 4}
    return ("begin", name, {"visit": visit or name}), ("found", name, {"mac": mac}), ("end", name, end)


def bad(name: str, mac: str = "", visit: str = "") -> tuple[Line, ...]:
    found = (("found", name, {"mac": mac}),) if mac else ()
    return (("begin", name, {"visit": visit or name}), *found, ("end", name, {"outcome": "wire", "mac": mac}))


def test_a_board_counts_once_by_its_last_result() -> None:
    counts = state(*bad("1", "aa"), *good("2", "aa"), *good("3", "bb"), *good("4", "bb")).counts()
    assert (counts.passed, counts.failed, counts.first_time) == (2, 0, 1)
    assert state(*good("1", "aa"), *bad("2", "aa")).counts().failed == 1


def test_what_never_answers_counts_for_each_visit_unless_it_answers_in_the_end() -> None:
    assert state(*bad("1", visit="x"), *bad("2", visit="x"), *bad("3", visit="y")).counts().silent == 2
    counts = state(*bad("1", visit="x"), *good("2", "aa", visit="x")).counts()
    assert (counts.passed, counts.failed, counts.first_time) == (1, 0, 0)


def test_a_board_that_was_only_refused_is_neither_good_nor_bad_and_stays_what_it_was() -> None:
    refused = (("begin", "2", {"visit": "v"}), ("end", "2", {"outcome": "foreign-board", "mac": "bb"}))
    made = state(*good("1", "aa"), *refused)
    assert (made.counts().passed, made.counts().failed, made.counts().aside) == (1, 0, 1)
    assert made.macs == {"aa"}
    tired: tuple[Line, ...] = (("begin", "3", {}), ("end", "3", {"outcome": "too-many-tries", "mac": "aa"}))
    assert state(*bad("1", "aa"), *tired).counts().failed == 1


def test_failures_stand_first_and_the_silent_ones_before_them() -> None:
    rows = state(*good("1", "aa"), *bad("2", "bb"), *bad("3")).rows()
    assert [row.mac for row in rows] == ["", "bb", "aa"]


def test_bad_boards_in_a_row_are_counted_up_to_the_last_good_one() -> None:
    assert state(*bad("1"), *good("2", "aa"), *bad("3"), *bad("4", "bb")).in_a_row() == 2


def at(line: Line, when: str) -> Line:
    return line[0], line[1], {**line[2], "at": when}


BEFORE, AFTER = "2028-01-01T09:00:00.000Z", "2026-12-01T10:00:30.000Z"
"""Times of a batch whose clock was a year ahead until it was set."""


def test_what_was_last_is_told_by_the_lines_whatever_the_clock_says() -> None:
    ahead = [at(line, BEFORE) for line in (*good("1", "aa"), *bad("2", "bb"))]
    made = state(*ahead, *(at(line, AFTER) for line in (*good("3", "aa"), *good("4", "bb"))))
    assert [one.id for one in made.ended_attempts()] == ["1", "2", "3", "4"]
    assert {row.mac: row.id for row in made.rows()} == {"aa": "3", "bb": "4"}
    assert made.in_a_row() == 0
    assert state(*ahead, *(at(line, AFTER) for line in bad("3", "aa"))).in_a_row() == 2


def test_of_two_tries_at_a_time_the_one_that_ended_last_counts() -> None:
    first, second = good("1", "aa"), bad("2", "aa")
    made = state(*first[:2], *second, first[2])
    assert (made.counts().passed, [row.id for row in made.rows()]) == (1, ["1"])


def test_boards_of_an_hour_are_counted_since_the_clock_was_set() -> None:
    def minute(number: int, name: str) -> list[Line]:
        *begin, end = good(name, f"m{name}")
        began, ended = (f"2026-12-01T10:{at_minute:02d}:00.000Z" for at_minute in (number, number + 1))
        return [*(at(line, began) for line in begin), at(end, ended)]

    steady = [*minute(0, "1"), *minute(1, "2"), *minute(2, "3")]
    assert state(*steady).counts().per_hour == 60
    assert state(*(at(line, BEFORE) for line in good("0", "m0")), *steady).counts().per_hour == 60
    assert state().counts().per_hour == 0


def test_a_manifest_goes_by_the_lines_and_proves_itself(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([*[BEFORE] * 3, *[AFTER] * 9])
    monkeypatch.setattr(batch_module, "now_text", lambda: next(times))
    for what, name, more in (*good("1", "aa"), *good("2", "aa"), ("begin", "3", {})):
        batch.append(what, **{"try": name, **more})
    made = make_manifest(batch, tmp_path, virtual=False)
    assert [run["try"] for run in made["runs"]] == ["3", "1", "2"]
    (tmp_path / "manifest").mkdir()
    path = tmp_path / "manifest" / "manifest.json"
    path.write_text(json.dumps(made))
    assert verify_manifest(path, tmp_path).boards == 1


def test_an_end_that_is_told_twice_counts_once() -> None:
    made = state(*good("1", "aa"), ("end", "1", {"outcome": "stopped"}))
    assert made.counts().passed == 1


def test_two_processes_add_lines_and_each_sees_those_of_the_other(batch: Batch, tmp_path: Path) -> None:
    other = Batch.open(tmp_path / "records", "one")
    batch.append("begin", **{"try": "1"}, visit="v")
    other.append("begin", **{"try": "2"}, visit="w")
    assert set(batch.refresh().attempts) == set(other.state.attempts) == {"1", "2"}


def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(batch: Batch, tmp_path: Path) -> None:
    batch.append("begin", **{"try": "1"}, visit="v")
    with (batch.folder / "log.jsonl").open("ab") as stream:
        stream.write(b'{"at":"2026","what":"begin","try":"2"')
    again = Batch.open(tmp_path / "records", "one")
    again.append("begin", **{"try": "3"}, visit="w")
    assert set(again.state.attempts) == {"1", "3"}
    assert set(Batch.open(tmp_path / "records", "one").state.attempts) == {"1", "3"}


def test_a_line_that_did_not_reach_the_disk_is_not_there(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("flashpipe.records.json_lines.os.fsync", full)
        with pytest.raises(RecordError, match="No space"):
            batch.append("begin", **{"try": "1"}, visit="v")
    assert batch.append("begin", **{"try": "2"}, visit="v").attempts.keys() == {"2"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "x" * 65])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadValueError):
        batch_folder(tmp_path, name)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "flashpipe-batch/9"}', '{"format": "flashpipe-batch/1"}'])
def test_a_record_that_is_none_is_named(batch: Batch, tmp_path: Path, text: str) -> None:
    (batch.folder / "batch.json").write_text(text)
    with pytest.raises(RecordError):
        Batch.open(tmp_path / "records", "one")


def test_a_batch_that_is_not_there_names_those_that_are(batch: Batch, tmp_path: Path) -> None:
    assert batch_names(tmp_path / "records") == ["one"]
    with pytest.raises(NoBatchError, match="one"):
        Batch.open(tmp_path / "records", batch.name + "x")


def test_whoever_counts_may_do_so_while_boards_are_worked_on() -> None:
    """Seen with twelve tries of stations that were killed: the panel counted while a board's thread began one more."""
    made, wrong, before = state(), list[BaseException](), sys.getswitchinterval()

    def work() -> None:
        for number in range(400):
            for what, name, more in good(str(number), f"{number:x}"):
                made.add({"at": "2026-12-01T10:00:00.000Z", "what": what, "try": name, **more})

    def count() -> None:
        try:
            while worker.is_alive():
                made.counts(), made.rows(), made.in_a_row(), made.open_attempts(), made.macs, made.all_attempts()
        except RuntimeError as error:
            wrong.append(error)

    worker, counter = threading.Thread(target=work), threading.Thread(target=count)
    sys.setswitchinterval(1e-6)
    try:
        worker.start()
        counter.start()
        worker.join()
        counter.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    assert made.counts().passed == 400
