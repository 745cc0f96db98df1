"""What a station does with boards that are plugged in: which it takes, how it counts, what it asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BatchClosedError, LockMismatchError, RecordError
from flashpipe.records import journal, json_lines
from flashpipe.sim.ports import registry
from flashpipe.station.texts import load_texts

from tests import schema
from tests.station.conftest import Shop, address, board


def test_blank_boards_are_flashed_as_they_come_and_each_counts_once(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.plug("a", board(1))
        shift.plug("b", board(2))
        assert shift.end("a").state == shift.end("b").state == "pass"
        shift.pull("a")
        again = shift.visit("a", board(1))
        assert (again.state, again.mac) == ("pass", address(1))
        assert "once" in again.headline
        counts = shift.station.view().counts
    assert (counts.passed, counts.failed, counts.first_time, counts.rate) == (2, 0, 2, 1.0)
    assert counts.seconds > 0
    assert journal.read(address(1)).state == "clean"
    receipts = shop.project.receipts()
    assert [receipt["outcome"] for receipt in receipts].count("flashed") == 2
    assert {receipt["station"]["batch"] for receipt in receipts} == {"one"}
    assert {one.receipt for one in shop.batch().state.attempts.values()} == {
        path.name for path in (shop.records / "receipts").glob("*.json")
    }


def test_any_other_board_stops_its_port_with_its_name_until_the_key_is_pressed(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.visit("a", board(1))
    (shop.folder / "other.yaml").write_text(
        "extends: nodemcu-devkit\nfirmware: {image: other.bin}\nboot: off\nkeep: []\n"
    )
    (shop.folder / "other.bin").write_bytes((shop.folder / "sensor.bin").read_bytes() + bytes(16))
    with shop.shift(batch="two", flash={"profile": "other"}) as shift:
        asked = shift.visit("a", board(1))
        assert (asked.state, asked.code) == ("ask", "foreign-board")
        assert "NodeMCU" in asked.cause
        held = bytes(registry.boards()["b1"].board.cells[:0x1000])
        counts = shift.station.view().counts
        assert (counts.passed, counts.failed, counts.aside) == (0, 0, 1)
        shift.press("a")
        shift.until(lambda: shift.state("a") == "pass")
        assert held != b"\xff" * 0x1000
        assert shift.station.view().counts.passed == 1
    assert shop.project.receipts()[-2]["outcome"] == "foreign-board"
    assert schema.checked(shop.project.receipts()[-2])["written"] == []


def test_two_boards_of_one_mac_at_once_are_not_both_good(shop: Shop) -> None:
    twin = board(1).replace("board=b1", "board=twin")
    with shop.shift() as shift:
        shift.visit("a", board(1))
        second = shift.visit("b", twin)
        assert (second.state, second.code) == ("fail", "mac-twice")
        counts = shift.station.view().counts
        assert (counts.passed, counts.failed) == (1, 0)
        assert bytes(registry.boards()["twin"].board.cells[:4]) == b"\xff" * 4
        shift.pull("a")
        shift.press("b")  # that one alone is a board as any other
        shift.until(lambda: shift.state("b") == "pass")


def test_a_flash_part_that_is_not_the_first_boards_stops_its_port(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.visit("a", board(1))
        other = shift.visit("b", board(2, "fill=ff&part=w25q16"))
        assert (other.state, other.code) == ("ask", "part-differs")
        shift.press("b")
        shift.until(lambda: shift.state("b") in {"pass", "fail"})
        assert shift.port("b").code != "part-differs"  # type: ignore[union-attr]


def test_a_board_that_fails_again_and_again_is_refused_and_a_key_gives_one_more_try(shop: Shop) -> None:
    with shop.shift(tries="2", stop_after="0") as shift:
        bad = board(1, "fill=ff&fault=stuck-sector:0x0")
        first = shift.visit("a", bad)
        assert first.state == "fail", first
        shift.press("a")
        shift.until(lambda: len(shop.ended) == 2)
        shift.press("a")
        shift.until(lambda: shift.state("a") == "ask")
        assert shift.port("a").code == "too-many-tries"  # type: ignore[union-attr]
        shift.press("a")
        shift.until(lambda: len(shop.ended) == 4)
        assert shop.ended[-1].outcome == first.code
        assert shift.station.view().counts.failed == 1


def test_a_unit_that_was_given_to_another_board_is_not_called_free_any_more(shop: Shop) -> None:
    with shop.shift(serial="SN{n}", stop_after="0") as shift:
        shift.visit("a", board(1, "fill=ff&fault=stuck-sector:0x0"))
        assert "unit SN1 is free again" in shift.station.view().notes
        shift.visit("b", board(2, "fill=ff&fault=stuck-sector:0x0"))
        assert "unit SN1 is free again" in shift.station.view().notes
        assert shift.visit("c", board(3)).unit == "SN1"
        assert shift.station.view().notes == ()


def test_boards_that_never_answer_are_counted_once_for_each_visit(shop: Shop) -> None:
    with shop.shift(stop_after="0") as shift:
        shift.visit("a", board(1, "fill=ff&fault=absent"))
        shift.press("a")
        shift.until(lambda: len(shop.ended) == 2)
        shift.pull("a")
        shift.visit("a", board(2, "fill=ff&fault=absent"))
        counts = shift.station.view().counts
    assert (counts.failed, counts.silent, counts.rate) == (2, 2, 0.0)
    assert [row.mac for row in shop.batch().state.rows()] == ["", ""]


def test_bad_boards_in_a_row_stop_the_station_until_the_operator_goes_on(shop: Shop) -> None:
    with shop.shift(stop_after="2") as shift:
        for mac in (1, 2):
            shift.visit("a", board(mac, "fill=ff&fault=absent"))
            shift.pull("a")
        assert shift.station.view().halted
        shift.plug("a", board(3))
        shift.plug("b", board(4))
        shift.until(lambda: bool(shift.port("b") and shift.port("b").headline))  # type: ignore[union-attr]
        assert shift.state("a") == "waiting"
        assert shift.port("b").headline == load_texts().say("halt.waits")  # type: ignore[union-attr]
        shift.station.keys.press("c")
        assert shift.end("a").state == shift.end("b").state == "pass"
        assert not shift.station.view().halted


def test_a_board_that_is_tried_again_is_one_bad_board_in_a_row(shop: Shop) -> None:
    with shop.shift(stop_after="2") as shift:
        shift.visit("a", board(1, "fill=ff&fault=stuck-sector:0x0"))
        shift.press("a")
        shift.until(lambda: len(shop.ended) == 2)
        assert not shift.station.view().halted
        shift.visit("b", board(2, "fill=ff&fault=absent"))
        shift.until(lambda: bool(shift.station.view().halted))


def test_a_board_that_came_between_two_looks_is_another_board(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.bench.nodes["a"] = (1, 1)
        assert shift.visit("a", board(1)).mac == address(1)
        shift.bench.plugged["a"] = board(1).replace("board=b1", "board=b2").replace(address(1), address(2))
        shift.until(lambda: len(shop.ended) == 2)
        shift.bench.nodes["a"] = (1, 2)  # under the same name; it was the second board all the time
        shift.until(lambda: len(shop.ended) == 3)
    assert [one.mac for one in shop.ended] == [address(1), address(2), address(2)]


def test_with_next_key_nothing_is_touched_before_the_key(shop: Shop) -> None:
    with shop.shift(next="key") as shift:
        shift.plug("a", board(1))
        shift.until(lambda: shift.port("a") is not None)
        assert shop.batch().state.attempts == {}
        shift.press("a")
        assert shift.end("a").state == "pass"
        shift.bench.plugged["a"] = board(2)  # the adapter stays plugged in: the port is the same one
        shift.station.keys.press("1")
        shift.until(lambda: len(shop.ended) == 2)
        assert {one.mac for one in shop.batch().state.attempts.values()} == {address(1), address(2)}


def test_other_bytes_stop_the_station_until_a_new_batch(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.visit("a", board(1))
        (shop.folder / "sensor.yaml").write_text((shop.folder / "sensor.yaml").read_text() + "about: other\n")
        shift.plug("b", board(2))
        shift.until(lambda: bool(shift.station.view().halted))
        assert "lock-mismatch" in shift.station.view().halted
    assert len(shop.batch().state.attempts) == 1
    with pytest.raises(LockMismatchError) as caught:
        shop.open()
    assert "sensor.yaml" in caught.value.message
    shop.open(batch="two")


def test_a_closed_batch_takes_no_more_boards(shop: Shop) -> None:
    shop.open().batch.append("closed", sha256="0" * 64)
    with pytest.raises(BatchClosedError):
        shop.open()


def test_a_board_that_is_pulled_out_is_a_failure_that_says_so(shop: Shop) -> None:
    with shop.shift() as shift:
        shift.plug("a", board(1, "fill=ff&fault=unplug:14000"))
        shift.until(lambda: shift.state("a") == "working" or bool(shop.ended))
        del shift.bench.plugged["a"]
        shift.until(lambda: bool(shop.ended))
        assert shop.ended[0].outcome == "port-lost"
        shift.until(lambda: shift.state("a") == "fail")
        assert shift.port("a").action == load_texts().say("gone")  # type: ignore[union-attr]
        shift.plug("a", board(2))
        shift.until(lambda: shift.state("a") == "pass")


def test_the_next_board_may_be_in_before_anybody_looks_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.shift() as shift:
        shift.plug("a", board(1, "fill=ff&fault=unplug:14000"))
        shift.until(lambda: shift.state("a") == "working")
        station = shift.station
        (slot,), look, looks = station._slots.values(), station._look, list[bool]()

        def look_while_busy() -> None:
            if slot.busy:
                look()
                looks.append("a" not in shift.bench.plugged)

        with monkeypatch.context() as patch:
            patch.setattr(station, "_look", look_while_busy)
            del shift.bench.plugged["a"]
            shift.until(lambda: shift.state("a") == "fail" and not slot.busy)
            assert any(looks), "it was seen to be gone while it was worked on"
            shift.plug("a", board(2))
        shift.station.wake.set()
        shift.until(lambda: shift.state("a") == "pass")


def test_a_full_disk_stops_the_station_before_the_next_board_is_touched(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop.shift() as shift:
        shift.visit("a", board(1))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("flashpipe.records.json_lines.os.fsync", full)
            shift.plug("b", board(2))
            shift.until(lambda: bool(shift.station.view().halted))
        assert "b2" not in registry.boards()
    lines = (shop.records / "batches/one/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in lines].count("begin") == 1


def test_the_end_of_a_try_that_the_disk_had_no_room_for_is_written_down_when_there_is_room(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = json_lines.append

    def full(path: Path, line: Mapping[str, Any]) -> None:
        if line["what"] == "end":
            raise RecordError("the disk is full")
        append(path, line)

    with shop.shift() as shift:
        with monkeypatch.context() as patch:
            patch.setattr(json_lines, "append", full)
            shift.plug("a", board(1))
            shift.until(lambda: bool(shift.station.view().halted))
            assert shop.batch().state.counts().passed == 0
        shift.station.keys.press("c")
        shift.visit("b", board(2))
        counts = shop.batch().state.counts()
        assert (counts.passed, counts.running) == (2, 0)
