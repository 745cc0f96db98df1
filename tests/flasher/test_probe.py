"""Does a board hold the plan? What belongs to the firmware since its first boot is no difference."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from flashpipe.errors import (
    VerifyError,
)
from flashpipe.events import StepStarted
from flashpipe.flash import Region
from flashpipe.flasher.model import Policy
from flashpipe.flasher.probe import probe
from flashpipe.flasher.verify import verify
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal

from tests.flasher.runs import QUIET, TABLE, Plan, adjusting, flash, holds

CHANGED = b"\x00\xa0"
"""Another size of the first partition: as if the firmware had written its own table."""


@pytest.mark.parametrize(("policy", "expected"), [(QUIET, 0), (Policy(), 1)])
def test_the_boot_check_is_loaded_while_the_flash_is_digested(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch, policy: Policy, expected: int
) -> None:
    board, loaded = bed(), list[tuple[str, list[str]]]()

    def note(name: str) -> None:
        loaded.append((name, [event.step for event in board.events if isinstance(event, StepStarted)]))

    monkeypatch.setattr("flashpipe.flasher.probe.import_module", note)
    with board.session() as session:
        probe(session, plan(), policy)
    assert loaded == [("flashpipe.flasher.first_boot", ["connect"])] * expected


def test_what_a_new_board_will_be_given_is_packed_while_its_stub_is_on_the_line(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, packed = bed(), list[bool]()

    def note(_pieces: object, _baud: int, *, prove_line: bool) -> None:
        assert not prove_line
        packed.append(any(chunk.count > 0x1000 for chunk in session.traffic.chunks()))

    monkeypatch.setattr("flashpipe.board.loader.writer.prepare", note)
    with board.session() as session:
        probe(session, plan(), QUIET)
    assert packed == [False], "before the first large frame"
    with board.session() as session:
        flash(session, plan())
    packed.clear()
    with board.session() as session:
        probe(session, plan(), QUIET)
        assert packed == [], "it holds the plan, as far as is known"
    with board.session() as session:
        probe(session, plan(), replace(QUIET, force=True))
    assert packed == [False]


def test_volatile_parts_are_verified_before_the_first_boot(bed: Any, plan: Plan) -> None:
    assert Region(TABLE, TABLE + 0x1000) in plan().volatile_regions()
    with bed(f"fill=ff&fault=weak-page:{TABLE}").session() as session, pytest.raises(VerifyError, match="0x010000"):
        flash(session, plan())


def test_volatile_parts_count_before_the_first_boot(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        session.connected()
        (segment,) = plan().segments
        board.put(0, segment.data)
        assert probe(session, plan(), QUIET).up_to_date
        board.put(TABLE + 0x800, b"\0")
        found = probe(session, plan(), QUIET)
        assert found.difference is not None
        assert found.difference.contains(Region(TABLE, TABLE + 0x1000))


def test_what_the_firmware_changed_is_no_difference(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(TABLE + 12, CHANGED)
    with board.session() as session:
        assert probe(session, plan(), QUIET).up_to_date
        verify(session, plan(), QUIET)


def test_a_volatile_part_that_was_erased_is_a_difference(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(TABLE, b"\xff" * 0x1000)
    with board.session() as session:
        assert flash(session, plan()).outcome == "flashed"
    assert holds(board, plan())


@pytest.mark.parametrize("cut", [b"\x6a\0\0\0" + b"\xff" * 200, b"\xff" * 0x800])
def test_a_table_that_was_cut_off_while_it_was_written_is_a_difference(cut: bytes, bed: Any, plan: Plan) -> None:
    """As by a power failure in the first boot of executed 3.0: it refuses such a table at each start from then on."""
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(TABLE + 64, cut)
    with board.session() as session:
        assert flash(session, plan()).written == (Region(TABLE, TABLE + 0x1000),)
    assert holds(board, plan())


@pytest.mark.parametrize("named", [0x40, 0x20])
def test_a_size_that_the_firmware_has_set_in_its_header_is_no_difference(named: int, bed: Any) -> None:
    board, wanted = bed(), adjusting(named)
    with board.session() as session:
        flash(session, wanted)
    board.put(3, b"\x40")  # what it finds on this board
    with board.session() as session:
        assert probe(session, wanted, QUIET).up_to_date
        verify(session, wanted, QUIET)


@pytest.mark.parametrize("other", [0x4F, 0x90, 0x20, 0x60, 0xFF])
def test_another_clock_or_size_in_the_header_is_a_difference(other: int, bed: Any) -> None:
    board, wanted = bed(), adjusting()
    with board.session() as session:
        flash(session, wanted)
    board.put(3, bytes([other]))
    with board.session() as session:
        with pytest.raises(VerifyError, match="0x000000"):
            verify(session, wanted, QUIET)
        assert flash(session, wanted).written == (Region(0, 0x1000),)
    assert board.cells[3] == 0x40


def test_what_the_firmware_changed_is_left_alone_by_a_repair(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(TABLE + 12, CHANGED)
    board.put(0x23456, b"\x42" * 4)
    with board.session() as session:
        outcome = flash(session, plan())
    assert outcome.written == (Region(0x23000, 0x24000),)
    assert holds(board, plan(), but=64)
    assert board.cells[TABLE + 12 : TABLE + 14] == CHANGED


def with_code(wanted: FlashPlan) -> FlashPlan:
    """The plan with a boot image that does not end in its first sector, as no real one does."""
    (segment,) = wanted.segments
    data = segment.data[:0x1000] + Random(2).randbytes(0x6000) + segment.data[0x7000:]
    return replace(wanted, segments=(replace(segment, data=data),))


def booted_and_damaged(board: Any, wanted: FlashPlan, *places: int) -> None:
    """A board that was given the plan, has changed its table since, and lost some bytes at `places`."""
    with board.session() as session:
        flash(session, wanted)
    board.put(TABLE + 12, CHANGED)
    for place in places:
        board.put(place, b"\x42" * 64)


def test_what_the_firmware_changed_outlives_a_damaged_boot_sector(bed: Any, plan: Plan) -> None:
    board, wanted = bed(), with_code(plan())
    booted_and_damaged(board, wanted, 0x400)
    with board.session() as session:
        with pytest.raises(VerifyError, match="0x000000"):
            verify(session, wanted, QUIET)
        outcome = flash(session, wanted)
    assert outcome.written == (Region(0, 0x1000),)
    assert holds(board, wanted, but=64)
    assert board.cells[TABLE + 12 : TABLE + 14] == CHANGED


def test_a_board_that_starts_with_other_code_gets_the_plans_own_table(bed: Any, plan: Plan) -> None:
    board, wanted = bed(), with_code(plan())
    booted_and_damaged(board, wanted, 0x400, 0x1400)
    with board.session() as session:
        flash(session, wanted)
    assert holds(board, wanted)


def test_nothing_but_blank_behind_a_damaged_boot_sector_proves_no_firmware(bed: Any, plan: Plan) -> None:
    board = bed()
    booted_and_damaged(board, plan(), 0x400)
    with board.session() as session:
        flash(session, plan())
    assert holds(board, plan())


def test_only_a_finished_entry_is_trusted(bed: Any, plan: Plan) -> None:
    board, trusting = bed(), replace(QUIET, trust_journal=True)
    for state in ("unknown", "writing", "erased", "clean"):
        journal.write(journal.JournalEntry("5c:cf:7f:00:00:01", state=state, plan=plan().fingerprint))
        with board.session() as session:
            assert probe(session, plan(), trusting).up_to_date == (state == "clean")
    journal.write(journal.JournalEntry("5c:cf:7f:00:00:01", state="clean", plan="another"))
    with board.session() as session:
        assert not probe(session, plan(), trusting).up_to_date


def test_a_board_that_holds_the_plan_already_is_recorded(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        session.connected()
        (segment,) = plan().segments
        board.put(0, segment.data)
        outcome = flash(session, plan())
    assert (outcome.outcome, outcome.sent, outcome.written) == ("skipped", 0, ())
    assert board.entry().finished(plan().fingerprint)
