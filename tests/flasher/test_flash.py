"""A flash on a virtual board: what is written, in which order, what the records say, and what ends it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flashpipe.board.boot.watcher import Verdict
from flashpipe.board.loader import link as loader
from flashpipe.board.ports.lock import lock_port
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    BootError,
    FlashUnknownError,
    PortBusyError,
    StoppedError,
    VerifyError,
)
from flashpipe.events import Message, Progress
from flashpipe.flash import Region
from flashpipe.flasher.erase import erase
from flashpipe.flasher.flash import flash as run_flash
from flashpipe.flasher.flash import journal_line
from flashpipe.flasher.model import BootExpectation, Outcome, Policy
from flashpipe.flasher.probe import probe
from flashpipe.flasher.verify import verify
from flashpipe.flasher.write_receipt import write_receipt
from flashpipe.records import journal

from tests.flasher.runs import QUIET, Plan, flash, holds

# --- the order of things ---------------------------------------------------------------------------------------------


def test_the_journal_says_writing_before_the_first_erase(bed: Any, plan: Plan) -> None:
    board, seen = bed("fill=byte:0"), list[str]()

    def look(*_: object) -> bool:
        seen.append(board.entry().state)
        return False

    with board.session() as session:
        found = probe(session, plan(), QUIET)
        board.link.board.nor.hook = look
        assert run_flash(session, found, QUIET).outcome == "flashed"
    assert set(seen) == {"writing"}
    assert board.entry().finished(plan().fingerprint)
    assert holds(board, plan())


@pytest.mark.parametrize("read_back", [False, True])
def test_a_write_that_does_not_take_leaves_writing_in_the_journal(bed: Any, plan: Plan, *, read_back: bool) -> None:
    board = bed("fill=ff&fault=weak-page:0x23400")
    with board.session() as session, pytest.raises(VerifyError, match=r"0x0(23400|23000\.\.)"):
        flash(session, plan(), replace(QUIET, read_back=read_back))
    assert board.entry().state == "writing"


def test_read_back_reads(bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Region] = []
    real = loader.EsptoolLoader.read

    def spy(self: loader.EsptoolLoader, region: Region, on_read: Callable[[int], None]) -> bytes:
        read.append(region)
        return real(self, region, on_read)

    monkeypatch.setattr(loader.EsptoolLoader, "read", spy)
    with bed().session() as session:
        flash(session, plan(), QUIET)
        assert all(region.size <= 4 for region in read), "words, in search of files that outlived their firmware"
        flash(session, plan(), replace(QUIET, force=True, read_back=True))
    assert read.count(Region(0, plan().size)) == 1


# --- what is known of a board -----------------------------------------------------------------------------------------


def asked_of(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """Every region whose digest is asked for from now on."""
    asked: list[Region] = []
    real = loader.EsptoolLoader.md5

    def spy(self: loader.EsptoolLoader, region: Region) -> bytes:
        asked.append(region)
        return real(self, region)

    monkeypatch.setattr(loader.EsptoolLoader, "md5", spy)
    return asked


def test_a_known_board_gets_changed_sectors_after_one_digest_of_each_block(
    bed: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    asked = asked_of(monkeypatch)
    wanted = plan(changed=(0x14000, 0x23000))
    with board.session() as session:
        outcome = flash(session, wanted)
    assert outcome.written == (Region(0x14000, 0x15000), Region(0x23000, 0x24000))
    assert holds(board, wanted)
    blocks = list(wanted.segments[0].region.split(0x10000))
    looked = [Region(0, 0x1000), Region(0x10000, 0x11000)]  # what is on the board?
    assert [region for region in asked if region not in looked] == [*blocks, *outcome.written]
    assert [asked.count(region) for region in looked] == [2, 1], "the boot sector was written again and verified"


def test_a_known_board_that_something_else_changed_is_made_whole(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(0x15000, b"other")
    board.put(0x24000, b"other")
    wanted = plan(changed=(0x14000, 0x23000))
    with board.session() as session:
        flash(session, wanted)
    assert holds(board, wanted)


def test_what_is_known_is_forgotten_while_a_board_is_written(bed: Any, plan: Plan) -> None:
    board = bed("fill=ff")
    with board.session() as session:
        flash(session, plan())
        assert board.entry().digests()
    seen: list[int] = []

    def look(*_: object) -> bool:
        seen.append(len(board.entry().digests()))
        return False

    with board.session() as session:
        found = probe(session, plan(changed=(0x14000,)), QUIET)
        board.link.board.nor.hook = look
        run_flash(session, found, QUIET)
    assert set(seen) == {0}


def test_a_run_that_was_cut_short_is_continued(bed: Any, plan: Plan) -> None:
    board, stop = bed("fill=byte:0"), threading.Event()
    with board.session(stop=stop) as session:
        listen = session.listener

        def stop_it(event: Any) -> None:
            listen(event)
            if isinstance(event, Progress) and event.step == "write" and event.done > 0x20000:
                stop.set()

        session.listener = stop_it
        with pytest.raises(StoppedError):
            flash(session, plan())
    (segment,) = plan().segments
    sectors = [part.start for part in segment.region.split(0x1000)]
    bad = [at for at in sectors if board.cells[at : at + 0x1000] != segment.data[at : at + 0x1000]]
    assert bad[0] == 0, "the boot sector comes last"
    board.events.clear()
    with board.session() as session:
        outcome = flash(session, plan())
    assert outcome.sent < plan().size - 0x18000
    assert holds(board, plan())
    said = " ".join(event.text for event in board.events if isinstance(event, Message))
    assert "did not finish" in said
    assert f"continuing at {bad[1]:#08x}: {len(sectors) - len(bad)} of {len(sectors)} sectors" in said


def test_a_run_that_was_cut_short_before_its_last_sector_goes_on_there(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(0, b"\xff" * 0x1000)
    journal.write(replace(board.entry(), state="writing"))
    board.events.clear()
    with board.session() as session:
        flash(session, plan())
    assert holds(board, plan())
    assert any("continuing at 0x000000" in event.text for event in board.events if isinstance(event, Message))


# --- erasing ---------------------------------------------------------------------------------------------------------


def test_erase_all_erases_what_no_segment_covers(bed: Any, plan: Plan) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan())
    board.put(0x300000, b"files")
    board.put(0x23456, b"\x42" * 4)
    with board.session() as session:
        flash(session, plan())
        assert board.cells[0x300000:0x300005] == b"files"
        board.put(0x23456, b"\x42" * 4)
        flash(session, plan(erase_all=True))
    assert board.cells[plan().size :] == b"\xff" * (0x400000 - plan().size)
    assert holds(board, plan())


# --- records ---------------------------------------------------------------------------------------------------------


def test_the_receipt_says_that_the_board_was_virtual(bed: Any, plan: Plan, tmp_path: Path) -> None:
    with bed().session() as session:
        outcome = replace(flash(session, plan()), verdict=Verdict("prompt", "NodeMCU at its prompt"))
        receipt = json.loads(write_receipt(tmp_path, "flash", session, plan(), outcome).read_text())
    assert receipt["virtual"] is True
    assert receipt["verdict"]["virtual"] is True
    assert receipt["verdict"]["firmware_executed"] is False
    assert receipt["device"]["virtual"] is True


@pytest.mark.parametrize(
    ("more", "kind", "passed"), [("fill=ff", "prompt", True), ("fill=ff&fault=dout-only", "wrong-mode", False)]
)
def test_the_journal_keeps_the_verdict(bed: Any, plan: Plan, more: str, kind: str, *, passed: bool) -> None:
    board, policy = bed(more), Policy(boot=BootExpectation(timeout_s=30))
    with (
        board.session(reset="auto") as session,
        nullcontext() if passed else pytest.raises(BootError, match="flash mode dio"),
    ):
        flash(session, plan(), policy)
    entry = board.entry()
    assert (entry.state, entry.plan) == ("clean", plan().fingerprint)
    assert (entry.verdict, entry.passed) == (kind, passed)


def test_a_board_with_another_crystal_is_understood(bed: Any, plan: Plan) -> None:
    board = bed("fill=ff&crystal=40")
    with board.session(reset="auto") as session:
        outcome = flash(session, plan(), Policy(boot=BootExpectation(timeout_s=30)))
    assert outcome.device is not None
    assert outcome.device.crystal_mhz == 40
    assert outcome.verdict.kind == "prompt"
    assert "ets Jan" in outcome.verdict.log


def test_a_half_written_board_is_named(bed: Any, plan: Plan) -> None:
    board = bed("fill=ff&fault=weak-page:0x23400")
    with board.session() as session:
        assert journal_line(StoppedError("x"), session.connected()) == ""
        with pytest.raises(VerifyError) as caught:
            flash(session, plan())
        said = journal_line(caught.value, session.connected())
    assert "5c:cf:7f:00:00:01" in said
    assert "verify-failed" in said
    assert journal_line(caught.value, None) == ""


# --- what ends a session ---------------------------------------------------------------------------------------------


def test_a_port_in_use_is_refused(bed: Any) -> None:
    board = bed()
    with lock_port(board.url), board.session() as session, pytest.raises(PortBusyError):
        session.open()


def test_a_board_whose_flash_is_dead_is_refused_and_goes_on(bed: Any) -> None:
    board = bed("fill=ff&fault=no-flash")
    with board.session(reset="auto") as session, pytest.raises(FlashUnknownError, match="does not answer"):
        session.connect()
    assert board.link.board.mode == "app"


def test_a_rate_that_the_adapter_cannot_do_is_given_up(bed: Any, plan: Plan) -> None:
    board = bed("fill=ff&fault=bad-baud:230400")
    with board.session(reset="auto", declared_baud=460800) as session:
        flash(session, plan())
        assert session.baud == 230400, "one rate lower"
    assert holds(board, plan())


def test_a_stop_is_heeded_between_blocks(bed: Any, plan: Plan) -> None:
    board, stop = bed("fill=byte:0"), threading.Event()
    with board.session(stop=stop) as session:
        found = probe(session, plan(), QUIET)
        listen = session.listener

        def stop_it(event: Any) -> None:
            listen(event)
            if isinstance(event, Progress) and event.step == "write":
                stop.set()

        session.listener = stop_it
        with pytest.raises(StoppedError):
            run_flash(session, found, QUIET)
    writes = [event for event in board.events if isinstance(event, Progress) and event.step == "write"]
    assert len(writes) == 1
    assert writes[0].done < writes[0].total
    assert board.entry().state == "writing"
    assert board.cells[0] == 0xFF, "the boot sector was erased first: no half firmware starts"


def test_every_run_ends_with_the_board_running(bed: Any, plan: Plan) -> None:
    board = bed()
    runs: dict[str, Callable[[Session], Outcome]] = {
        "flashed": lambda session: flash(session, plan()),
        "skipped": lambda session: flash(session, plan()),
        "verified": lambda session: verify(session, plan(), QUIET),
        "erased": lambda session: erase(session, QUIET),
    }
    for outcome, run in runs.items():
        with board.session(reset="auto") as session:
            session.connected()
            assert board.link.board.mode.startswith("stub")
            ended = run(session)
            assert (ended.outcome, ended.in_loader) == (outcome, False)
            assert board.link.board.mode == "app", outcome
