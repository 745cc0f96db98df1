"""Boards that are reached through a lab: a host with virtual boards, and a coordinator that is a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.board.ports.lab_client import VARIABLE
from flashpipe.board.session.session import Session
from flashpipe.cli.main import main
from flashpipe.errors import (
    BadValueError,
    LabError,
    NoLabClientError,
    NoPlaceError,
    NoPortError,
    PlaceTakenError,
    PortBusyError,
)
from flashpipe.jobs import sessions
from flashpipe.jobs.port_choice import named_ports
from flashpipe.lab.board_host import BoardHost
from flashpipe.records.batch_state import ASIDE
from flashpipe.station.sockets import sockets_of

from tests.harness import Project
from tests.images import Builder
from tests.lab.hosting import plan, serving, virtual
from tests.lab.labs import Lab, serial


@pytest.fixture
def host(lab: Lab) -> Iterator[BoardHost]:
    """Two boards, which are the places p1 and p2."""
    with serving(plan(virtual(), virtual())) as (host, _):
        for number, hosted in enumerate(host.ports, 1):
            lab.place(f"p{number}", tags={"row": "a"}, resources=[serial(hosted.url)])
        yield host


def test_a_place_is_ours_from_the_first_byte_to_the_end(lab: Lab, host: BoardHost) -> None:
    session = Session("labgrid://p1")
    assert session.connected().virtual
    assert session.address == host.ports[0].url
    assert lab.holder("p1") == "ci1/alice"
    session.close()
    assert lab.holder("p1") == "ci1/alice"  # a jig may have the port now
    session.open()
    session.release()
    assert lab.holder("p1") == ""
    assert session.step_times[0][0] == "acquire"
    assert lab.commands().count("-p p1 acquire") == 1


def test_another_flashpipe_of_this_user_is_told_which_one_has_the_place(host: BoardHost) -> None:
    del host
    first = Session("labgrid://p1")
    first.open()
    with pytest.raises(PortBusyError):
        Session("labgrid://p1/NetworkSerialPort").open()
    first.release()


def test_an_exporter_that_serves_it_elsewhere_now_is_asked_again(lab: Lab, host: BoardHost) -> None:
    session = Session("labgrid://p1")
    session.open()
    session.close()
    session.lease.address = "rfc2217://127.0.0.1:1"  # type: ignore[union-attr]
    session.open()
    assert session.address == host.ports[0].url
    session.release()
    assert lab.holder("p1") == ""


@pytest.fixture
def image(project: Project) -> Path:
    path = project.folder / "fw.bin"
    path.write_bytes(Builder().combine(Builder().pair_2x(0x4000)))
    return path


@pytest.mark.usefixtures("host")
def test_boards_are_flashed_through_a_lab_and_given_back(
    lab: Lab, project: Project, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    words = ["flash", "profile=nodemcu-devkit", f"image={image}", "boot=off", "keep=none", "port=labgrid://p1,p2"]
    assert main(words) == 0
    assert (lab.holder("p1"), lab.holder("p2")) == ("", "")
    receipts = [path.read_text() for path in sorted(project.folder.glob(".pipeline/receipts/*.json"))]
    assert len(receipts) == 2
    assert all('"virtual": true' in text for text in receipts)
    assert any('"labgrid://p2"' in text for text in receipts)


@pytest.mark.usefixtures("host")
def test_what_somebody_else_has_is_not_touched(lab: Lab, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    lab.place("p1", acquired="ci2/bob")
    assert main(["identify", "port=labgrid://p1"]) == PlaceTakenError.status
    assert lab.holder("p1") == "ci2/bob"
    assert main(["identify", "port=labgrid://?row=a"]) == 0
    assert lab.holder("p2") == ""


def test_a_failure_gives_the_place_back(lab: Lab, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    lab.place("p1", resources=[serial("rfc2217://127.0.0.1:1")])
    assert main(["identify", "port=labgrid://p1"]) != 0
    assert lab.holder("p1") == ""
    assert sessions.find("labgrid://p1") is None


# --- words -----------------------------------------------------------------------------------------------------------


def test_several_places_are_named_with_commas_or_by_a_pattern(lab: Lab) -> None:
    for name, row in (("rack1-a", "a"), ("rack1-b", "b"), ("rack2-a", "a")):
        lab.place(name, tags={"row": row})
    assert list(named_ports("labgrid://x, y,/dev/ttyUSB0,COM3,labgrid://z").values()) == [
        "labgrid://x",
        "labgrid://y",
        "/dev/ttyUSB0",
        "COM3",
        "labgrid://z",
    ]
    assert lab.commands() == []
    assert list(named_ports("labgrid://rack1-*").values()) == ["labgrid://rack1-a", "labgrid://rack1-b"]
    assert list(named_ports("labgrid://*?row=a").values()) == ["labgrid://rack1-a", "labgrid://rack2-a"]
    with pytest.raises(BadValueError, match="there twice"):
        named_ports("labgrid://p1,p1")
    with pytest.raises(NoPlaceError):
        named_ports("labgrid://rack3-*")


def test_places_are_listed_with_who_has_them(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.place("p1", tags={"row": "a"}, acquired="ci2/bob")
    lab.place("p2", tags={"row": "b"})
    lab.place("p3", tags={"row": "b"}, reservation="T")
    assert main(["lab"]) == 0
    out = capsys.readouterr().out
    assert "3 places, 1 free" in out
    assert "ci2/bob" in out
    assert "reserved" in out
    assert main(["lab", "places", "row=a"]) == 0
    assert "1 places, 0 free" in capsys.readouterr().out
    assert main(["lab", "row=c"]) == NoPlaceError.status
    assert main(["lab", "row"]) == BadValueError.status
    assert main(["lab", "release", "p1"]) == BadValueError.status
    assert main(["lab", "release"]) == 0


def test_what_was_left_is_released_on_request(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.place("p1", resources=[serial("rfc2217://127.0.0.1:1")])
    session = Session("labgrid://p1")
    with pytest.raises(NoPortError):
        session.open()
    assert lab.holder("p1") == "ci1/alice"
    assert session.lease is not None
    assert session.lease.record is not None
    session.lease.record.leave()  # the process is killed
    assert main(["lab", "release"]) == 0
    assert "p1 was left" in capsys.readouterr().out
    assert lab.holder("p1") == ""


def test_a_station_takes_places_and_says_before_the_first_board_that_there_are_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.place("rack1-a")
    lab.place("rack1-b")
    assert list(sockets_of("labgrid://rack1-*,/dev/none").present()) == ["rack1-a", "rack1-b"]
    assert list(sockets_of("labgrid://p1,p2").present()) == ["p1", "p2"]
    with pytest.raises(BadValueError):
        sockets_of("labgrid://p1,p1")
    with pytest.raises(NoPlaceError):
        sockets_of("labgrid://rack2-*")
    monkeypatch.setenv(VARIABLE, "/nowhere")
    with pytest.raises(NoLabClientError):
        sockets_of("labgrid://p1")


@pytest.mark.parametrize("kind", [LabError, *LabError.__subclasses__()], ids=lambda kind: kind.code)
def test_what_is_wrong_with_a_lab_makes_no_board_a_bad_one(kind: type[LabError]) -> None:
    assert kind.code in ASIDE or kind.code.startswith("host-")
