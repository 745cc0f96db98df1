"""What stays on a board, what is saved of it, and how an interrupted run goes on: on a virtual board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flashpipe.board.session.session import Session
from flashpipe.errors import KeepError, StoppedError
from flashpipe.events import Event, Progress
from flashpipe.firmware.image import Image
from flashpipe.firmware.partition_table import LFS, SPIFFS, parse_partitions, place_partitions, with_places
from flashpipe.flash import Region
from flashpipe.flasher import flash as running
from flashpipe.flasher.fit_to_board import fit_to_board
from flashpipe.flasher.model import BootExpectation, Outcome, Policy
from flashpipe.flasher.probe import probe
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import FlashPlan
from flashpipe.records.backups import Store

from tests.firmware.flashes import put_files
from tests.flasher.conftest import DIO_4MB, MAC
from tests.images import Builder

MAKE = Builder()
DATA = Random(7).randbytes(0x300)


@pytest.fixture
def quiet(tmp_path: Path) -> Policy:
    return Policy(boot=BootExpectation(check=False), backups=tmp_path / "backups")


def plan_of(data: bytes, *, erase_all: bool = False) -> FlashPlan:
    return make_plan("esp12", "esp8266", DIO_4MB, {0: Image("new.bin", data, "x")}, erase_all=erase_all)


def flash(session: Session, wanted: FlashPlan, policy: Policy) -> Outcome:
    return running.flash(session, probe(session, wanted, policy), policy)


def blank(bed: Any) -> Any:
    board = bed()
    with board.session() as session:
        session.open()
    return board


def booted(bed: Any, kind: str, *, size: int = 0x30000, start: int = 0x60000, data: bytes = DATA) -> Any:
    """A board with NodeMCU on it that has run: file system, parameters, RF data."""
    board = blank(bed)
    image = bytearray(MAKE.combine(MAKE.pair_2x(size) if kind == "2.x" else MAKE.pair_3x(size, layout=kind[4:])))
    image[3] = 0x40
    if kind != "2.x":
        image[0x10000:0x11000] = with_places(bytes(image[0x10000:0x11000]), {SPIFFS: Region(start, 0x3FA000)}) or b""
    board.put(0, bytes(image))
    places = {
        "2.x": (0x3FB000, 0x3FC000, 0x3FD000),
        "3.x-new": (0xD000, 0xF000, 0x3FD000),
        "3.x-old": (0xB000, 0xC000, 0xD000),
    }
    for address, content in zip(places[kind], (b"cal", b"\5phy", b"wifi"), strict=True):
        board.put(address, content)
    cells = bytearray(b"\xff" * 0x400000)
    blocks = (0x3FA000 - start) // 0x2000
    put_files(cells, start, blocks, data=data)
    board.put(start, bytes(cells[start : start + blocks * 0x2000]))
    return board


def table_of(board: Any) -> dict[int, Region]:
    table = parse_partitions(board.cells[0x10000:0x11000])
    assert table is not None
    return place_partitions(table, 0x400000)


def said(board: Any) -> str:
    return "\n".join(str(event) for event in board.events)


def test_the_gap_of_an_aggregated_image_leaves_the_firmwares_data_alone(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    wanted = plan_of(MAKE.combine(MAKE.pair_3x(0x2F000)))
    with board.session() as session:
        done = flash(session, wanted, quiet)
        assert done.outcome == "flashed"
        assert (board.cells[0xD000:0xD003], board.cells[0xF000:0xF004]) == (b"cal", b"\5phy")
        assert board.cells[0x40100:0x40400] == DATA
        assert not any(region.overlaps(Region(0xD000, 0xE000)) for region in done.written)
        assert board.entry().kept == ((0xD000, 0xE000), (0xF000, 0x10000))
        assert probe(session, wanted, quiet).up_to_date, "what was kept is no difference"
        forced = flash(session, wanted, replace(quiet, force=True))
        assert forced.outcome == "flashed"
    assert board.cells[0xD000:0xD003] == b"cal"
    assert not (quiet.backups or Path()).exists()


def test_the_new_partition_table_gets_the_place_of_the_old_files(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "2.x")
    wanted = plan_of(MAKE.combine(MAKE.pair_3x()))
    with board.session() as session:
        done = flash(session, wanted, quiet)
        assert probe(session, wanted, quiet).up_to_date, "it is still the same wish"
    assert table_of(board)[SPIFFS] == Region(0x60000, 0x3FA000)
    assert LFS not in table_of(board)
    assert board.cells[0x60100:0x60400] == DATA
    assert [item["how"] for item in done.keeping["kept"] if item["what"] == "spiffs"] == ["table"]


def test_what_was_kept_is_no_difference_though_the_image_has_bytes_there(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    wanted = plan_of(MAKE.combine(MAKE.pair_3x(0x2F000)).ljust(0x60000, b"\xff"))
    with board.session() as session:
        assert flash(session, wanted, quiet).outcome == "flashed"
        assert board.cells[0x40100:0x40400] == DATA
        assert probe(session, wanted, quiet).up_to_date, "the file system stands where the image has FF"


def test_wifi_settings_move_with_the_layout(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-old")
    with board.session() as session:
        flash(session, plan_of(MAKE.combine(MAKE.pair_3x())), quiet)
    assert board.cells[0x3FD000:0x3FD004] == b"wifi"
    assert board.cells[0xD000:0x10000] == b"\xff" * 0x3000


def test_what_is_lost_is_backed_up_first_and_its_rest_cleared(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    held = board.cells
    with board.session() as session:
        done = flash(session, plan_of(MAKE.combine(MAKE.pair_3x(0x40000))), quiet)
    store = Store(quiet.backups or Path(), MAC)
    manifest = store.read(done.keeping["backup"])
    files = Region(0x40000, 0x3FA000)
    assert store.content(manifest, files) == held[files.start : files.end]
    for block in range(0x50000, 0x56000, 0x2000):
        assert board.cells[block : block + 0x1000] == b"\xff" * 0x1000, "else it would be taken for a whole one"
    assert board.cells[0x58000:0x59000] == held[0x58000:0x59000], "no more is erased than need be"
    assert "lost: file system" in said(board)


def test_an_empty_file_system_is_no_loss_to_back_up(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-new", start=0x40000, data=b"")
    with board.session() as session:
        done = flash(session, plan_of(MAKE.combine(MAKE.pair_3x(0x40000))), quiet)
    assert done.keeping["backup"] == ""
    assert "is empty" in said(board)


def test_a_foreign_firmware_is_backed_up_where_it_is_overwritten(bed: Any, quiet: Policy) -> None:
    board = blank(bed)
    board.put(0, MAKE.sketch())
    board.put(0x300000, b"settings")
    held = board.cells
    with board.session() as session:
        done = flash(session, plan_of(MAKE.combine(MAKE.pair_3x())), quiet)
    store = Store(quiet.backups or Path(), MAC)
    manifest = store.read(done.keeping["backup"])
    assert store.content(manifest, Region(0, 0x40000)) == held[:0x40000]
    assert store.content(manifest, Region(0x300000, 0x301000)) == held[0x300000:0x301000], "NodeMCU would format it"


def test_erase_all_saves_what_it_loses(bed: Any, quiet: Policy) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    with board.session() as session:
        done = flash(session, plan_of(MAKE.combine(MAKE.pair_3x()), erase_all=True), quiet)
    manifest = Store(quiet.backups or Path(), MAC).read(done.keeping["backup"])
    assert all(
        any(held.contains(region) for held in manifest.regions)
        for region in (Region(0x40000, 0x3FA000), Region(0x3FD000, 0x400000))
    )
    assert board.cells[0x3FD000:] == b"\xff" * 0x3000


@pytest.mark.parametrize("more", ["fill=ff", "fill=factory"])
def test_nothing_is_backed_up_of_a_blank_or_factory_board(bed: Any, quiet: Policy, more: str) -> None:
    board = bed(more)
    with board.session() as session:
        assert flash(session, plan_of(MAKE.combine(MAKE.pair_3x())), quiet).outcome == "flashed"
    assert not (quiet.backups or Path()).exists()
    assert "kept" not in said(board)


# --- insisting -------------------------------------------------------------------------------------------------------


def insisting(policy: Policy, ask: Callable[[str], bool] | None = None, allow: str = "") -> Policy:
    return replace(policy, keep=("spiffs",), insists=True, ask=ask, allow=frozenset({allow} - {""}))


@pytest.mark.parametrize("asked", [False, True])
def test_what_the_profile_insists_on_is_refused_before_the_first_erase(bed: Any, quiet: Policy, *, asked: bool) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    held, questions = board.cells, list[str]()

    def no(text: str) -> bool:
        questions.append(text)
        return False

    with board.session() as session, pytest.raises(KeepError, match="keep: spiffs"):
        flash(session, plan_of(MAKE.combine(MAKE.pair_3x(0x40000))), insisting(quiet, no if asked else None))
    assert board.cells == held
    assert board.entry().state == "unknown"
    assert len(questions) == asked


@pytest.mark.parametrize("way", ["yes", "allow"])
def test_a_loss_that_somebody_agreed_to_is_noted(bed: Any, quiet: Policy, way: str) -> None:
    board = booted(bed, "3.x-new", start=0x40000)
    policy = insisting(quiet, lambda _text: True) if way == "yes" else insisting(quiet, allow="would-lose-data")
    with board.session() as session:
        done = flash(session, plan_of(MAKE.combine(MAKE.pair_3x(0x40000))), policy)
    assert [override.code for override in done.overridden] == ["would-lose-data"]
    assert done.keeping["backup"]


# --- going on --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["2.x", "3.x-old"])
@pytest.mark.parametrize("blocks", [1, 6, 10])
def test_an_interrupted_run_goes_on_as_it_began(bed: Any, quiet: Policy, kind: str, blocks: int) -> None:
    board = booted(bed, kind)
    image = bytearray(MAKE.combine(MAKE.pair_3x()))
    image[0x12000:0x38000] = Random(1).randbytes(0x26000)  # what cannot be packed takes several blocks
    held, wanted, written = board.cells, plan_of(bytes(image)), list[Event]()
    with board.session() as session:

        def listen(event: Event) -> None:
            if isinstance(event, Progress) and event.step == "write":
                written.append(event)
                if len(written) == blocks:
                    session.stop.set()

        session.listener = listen
        with pytest.raises(StoppedError):
            flash(session, wanted, quiet)
    assert len(written) == blocks
    assert board.entry().state == "writing"
    with board.session() as session:
        done = flash(session, wanted, quiet)
    assert done.outcome == "flashed"
    assert table_of(board)[SPIFFS] == Region(0x60000, 0x3FA000)
    assert board.cells[0x60000:0x3FA000] == held[0x60000:0x3FA000]
    assert board.cells[0x3FD000:0x3FD004] == b"wifi"
    assert (board.entry().before, board.entry().saved) == ({}, "")


def test_what_the_journal_knows_is_not_read_again(bed: Any, quiet: Policy) -> None:
    board = bed()
    with board.session() as session:
        flash(session, plan_of(MAKE.combine(MAKE.pair_2x())), quiet)
        wanted = plan_of(MAKE.combine(MAKE.pair_2x(0x31000)))
        decision = fit_to_board(session, probe(session, wanted, quiet), quiet).decision
    assert decision is not None
    assert (decision.row.board, decision.contents.sdk_line, decision.contents.version) == ("same", "2.x", "2.2.1")
