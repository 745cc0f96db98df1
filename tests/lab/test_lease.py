"""Places of a lab: acquired, refused, waited for, released in every ending, and what a killed run has left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.ports import lab_client, reservation
from flashpipe.board.ports.lab_client import VARIABLE, LabClient, find_client
from flashpipe.board.ports.lease import Lease, PlaceTaker
from flashpipe.board.ports.lease_record import LeaseRecord, folder
from flashpipe.cli import lab as lab_command
from flashpipe.errors import (
    BadValueError,
    ExporterGoneError,
    LabError,
    NoCoordinatorError,
    NoLabClientError,
    NoPlaceError,
    PipelineError,
    PlaceTakenError,
    PlaceUnfitError,
    StoppedError,
)

from tests.lab.labs import Lab, serial

WAIT_S = 60.0


taken: list[Lease] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    """Whatever a test has taken is let go when it ends, as a process would do it."""
    yield
    for lease in taken:
        if lease.record is not None:
            lease.record.leave()
    taken.clear()


class Run:
    """A run that takes places, and what its person hears."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.told: list[str] = []
        self.taker = PlaceTaker(LabClient.here(), self.told.append, check)

    def take(self, url: str = "labgrid://p1", wait_s: float = 0.0) -> Lease:
        taken.append(self.taker.take(url, wait_s))
        return taken[-1]

    def die(self, lease: Lease) -> None:
        """As if killed: the system unlocks the record, and nothing else happens."""
        assert lease.record is not None
        lease.record.leave()


def records() -> list[Path]:
    return sorted(folder().glob("*.lease"))


def test_a_place_is_acquired_and_released(lab: Lab) -> None:
    lab.place("p1")
    run = Run()
    lease = run.take()
    assert (lease.address, lease.port) == ("rfc2217://127.0.0.1:7101", "labgrid://p1")
    assert lab.holder("p1") == "ci1/alice"
    assert len(records()) == 1
    lease.release(run.told.append)
    lease.release(run.told.append)
    assert lab.holder("p1") == ""
    assert records() == []
    assert run.told == []
    assert lab.commands() == ["-p p1 acquire", "-p p1 show", "-p p1 release"]


def test_a_place_of_somebody_else_is_theirs(lab: Lab) -> None:
    lab.place("p1", acquired="ci2/bob")
    with pytest.raises(PlaceTakenError, match="ci2/bob"):
        Run().take()
    lab.place("p1", acquired="ci2/alice")
    with pytest.raises(PlaceTakenError, match="ci2"):
        Run().take()
    lab.place("p1", acquired=None, reservation="T", reserved_for="ci2/bob")
    with pytest.raises(PlaceTakenError, match="reserved"):
        Run().take()
    assert records() == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"unmatched": True}, ExporterGoneError),
        ({"resources": []}, PlaceUnfitError),
        ({"resources": [serial(word="Orphaned")]}, ExporterGoneError),
        ({"resources": [serial(), serial(name="two")]}, PlaceUnfitError),
    ],
)
def test_a_place_that_cannot_be_used_is_given_back(lab: Lab, fields: dict[str, object], error: type[LabError]) -> None:
    lab.place("p1", **fields)
    with pytest.raises(error):
        Run().take()
    assert lab.holder("p1") == ""
    assert records() == []


def test_a_part_of_a_name_is_no_name(lab: Lab) -> None:
    lab.place("p10")
    with pytest.raises(NoPlaceError, match="p10"):
        Run().take("labgrid://p1")
    assert lab.holder("p10") == ""
    lab.place("p10", acquired="ci2/bob")
    with pytest.raises(NoPlaceError, match="p10"):
        Run().take("labgrid://p1")
    lab.place("p10", acquired=None, aliases=["p1"])
    run = Run()
    lease = run.take("labgrid://p1")
    assert lease.place.name == "p10"
    lease.release(run.told.append)


def test_a_place_or_tag_that_nobody_knows_is_named(lab: Lab) -> None:
    lab.place("p1", tags={"row": "a"})
    lab.place("p2", tags={"row": "b"})
    with pytest.raises(NoPlaceError):
        Run().take("labgrid://x")
    with pytest.raises(NoPlaceError, match=r"row is a, b"):
        Run().take("labgrid://?row=c")
    with pytest.raises(NoPlaceError, match=r"shelf is no tag"):
        Run().take("labgrid://?shelf=c")
    with pytest.raises(BadValueError):
        Run().take("labgrid://p*")


def test_tags_give_the_place_that_was_used_longest_ago(lab: Lab) -> None:
    lab.place("p1", tags={"row": "a"}, changed="2026-01-03")
    lab.place("p2", tags={"row": "a"}, changed="2026-01-01", acquired="ci2/bob")
    lab.place("p3", tags={"row": "a"}, changed="2026-01-02")
    lab.place("p4", tags={"row": "b"}, changed="2026-01-01")
    run = Run()
    assert run.take("labgrid://?row=a").place.name == "p3"
    assert run.take("labgrid://?row=a").place.name == "p1"
    with pytest.raises(PlaceTakenError, match="p2 by ci2/bob"):
        run.take("labgrid://?row=a")


def test_a_place_whose_exporter_is_gone_is_passed_over_where_tags_fit_others(lab: Lab) -> None:
    lab.place("p1", tags={"row": "a"}, changed="2026-11-30 03:00:02")
    lab.place("p2", tags={"row": "a"}, changed="2026-11-30 03:00:01", unmatched=True)
    run = Run()
    lease = run.take("labgrid://?row=a")
    assert lease.place.name == "p1"
    assert run.told == ["place    p2 is passed over: no exporter offers its board now"]
    with pytest.raises(PlaceTakenError, match=r"are taken: p1 by ci1/alice \["):
        Run().take("labgrid://?row=a")
    lease.release(run.told.append)
    lab.place("p1", unmatched=True)
    with pytest.raises(ExporterGoneError):
        Run().take("labgrid://?row=a")
    assert records() == []


def test_a_place_that_its_user_has_acquired_is_used_and_not_released(lab: Lab) -> None:
    lab.place("p1", acquired="ci1/alice")
    run = Run()
    lease = run.take()
    assert "not released" in run.told[0]
    assert records() == []  # whatever happens to this run, the next one takes nothing away
    lease.release(run.told.append)
    assert lab.holder("p1") == "ci1/alice"


# --- killed ----------------------------------------------------------------------------------------------------------


def test_what_a_killed_run_has_left_is_taken_over_where_it_is_wanted(lab: Lab) -> None:
    lab.place("p1")
    first = Run()
    first.die(first.take())
    second = Run()
    lease = second.take()
    assert "was left by a run that was killed" in second.told[0]
    lease.release(second.told.append)
    assert lab.holder("p1") == ""
    assert records() == []


def test_what_a_killed_run_has_left_elsewhere_is_released_and_said(lab: Lab) -> None:
    lab.place("p1")
    lab.place("p2")
    first = Run()
    first.die(first.take())
    second = Run()
    lease = second.take("labgrid://p2")
    assert "p1 was left by a run that was killed" in second.told[0]
    assert lab.holder("p1") == ""
    lease.release(second.told.append)
    assert records() == []


def test_a_run_that_was_killed_while_it_acquired_is_known_too(lab: Lab) -> None:
    lab.place("p1")
    record = LeaseRecord("p1", "lab:20408", "ci1/alice")
    record.hold()
    record.leave()  # it dies, and its client has acquired all the same
    lab.place("p1", acquired="ci1/alice")
    run = Run()
    run.take().release(run.told.append)
    assert lab.holder("p1") == ""


def test_what_a_run_of_another_name_or_at_another_coordinator_has_left_is_left_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.place("p1")
    lab.place("p2")
    first = Run()
    first.die(first.take())
    lab.be("ci1/bob")
    other = Run()
    other.take("labgrid://p2").release(other.told.append)
    with pytest.raises(PlaceTakenError, match="ci1/alice"):
        other.take()
    monkeypatch.setenv("LG_COORDINATOR", "elsewhere:20408")
    lab.be("ci1/alice")
    assert lab_command.main(["release"]) == 0
    assert other.told == []
    assert lab.holder("p1") == "ci1/alice"
    monkeypatch.setenv("LG_COORDINATOR", "lab:20408")
    assert lab_command.main(["release"]) == 0
    assert lab.holder("p1") == ""
    assert records() == []


def test_what_somebody_has_acquired_since_is_left_alone(lab: Lab) -> None:
    lab.place("p1")
    lab.place("p2")
    first = Run()
    first.die(first.take())
    lab.place("p1", changed="later")  # released and acquired again by hand
    second = Run()
    second.take("labgrid://p2")
    assert lab.holder("p1") == "ci1/alice"
    assert second.told == []


def test_of_a_place_that_was_deleted_nothing_is_left(lab: Lab) -> None:
    lab.place("p1")
    first = Run()
    first.die(first.take())
    lab.put(places={})
    lab.place("p2")
    Run().take("labgrid://p2").release(first.told.append)
    assert records() == []


def test_without_a_coordinator_nobody_says_that_nothing_is_left(lab: Lab) -> None:
    lab.place("p1")
    first = Run()
    first.die(first.take())
    lab.put(coordinator=False)
    with pytest.raises(NoCoordinatorError):
        lab_command.main(["release"])
    lab.put(coordinator=True)
    assert lab_command.main(["release"]) == 0
    assert lab.holder("p1") == ""


def test_what_a_living_run_has_is_not_touched(lab: Lab) -> None:
    lab.place("p1")
    lab.place("p2")
    living = Run().take()
    with pytest.raises(PlaceTakenError, match="another flashpipe"):
        Run().take()
    Run().take("labgrid://p2")
    assert lab.holder("p1") == "ci1/alice"
    assert living.record is not None


def test_a_damaged_record_harms_nobody(lab: Lab) -> None:
    lab.place("p1")
    folder().mkdir(parents=True)
    for number, text in enumerate((b"", b"{", b"[]", b"\xff" * 9000, b'{"place": 7}')):
        (folder() / f"x{number}.lease").write_bytes(text)
    run = Run()
    run.take().release(run.told.append)
    assert run.told == []


# --- stopped, failed -------------------------------------------------------------------------------------------------


def test_a_stop_while_it_is_acquired_gives_it_back(lab: Lab) -> None:
    lab.place("p1")
    (lab.path.parent / "lab.json.lingers").touch()  # the client has acquired it, and has not ended yet

    def check() -> None:
        if lab.holder("p1"):
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        Run(check).take()
    assert lab.holder("p1") == ""
    assert records() == []


def test_a_place_that_cannot_be_released_is_left_to_the_next_run(lab: Lab) -> None:
    lab.place("p1")
    run = Run()
    lease = run.take()
    lab.put(coordinator=False)
    lease.release(run.told.append)
    assert "the next run tries again" in run.told[0]
    lab.put(coordinator=True)
    lab.place("p2")
    again = Run()
    again.take("labgrid://p2").release(again.told.append)
    assert lab.holder("p1") == ""


def test_a_coordinator_that_was_started_anew_has_forgotten_whose_it_was(lab: Lab) -> None:
    lab.place("p1")
    run = Run()
    lease = run.take()
    lab.place("p1", acquired="ci2/bob")
    lease.release(run.told.append)
    assert "not ours any more" in run.told[0]
    assert lab.holder("p1") == "ci2/bob"
    assert records() == []


def test_an_exporter_that_was_started_anew_is_found_again(lab: Lab) -> None:
    lab.place("p1")
    lease = Run().take()
    assert not lease.look_again()
    lab.place("p1", resources=[serial("rfc2217://127.0.0.1:9")])
    assert lease.look_again()
    assert lease.address == "rfc2217://127.0.0.1:9"


def test_no_coordinator_and_no_client_are_told_apart(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.put(coordinator=False)
    with pytest.raises(NoCoordinatorError, match="lab:20408"):
        Run().take()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(NoLabClientError):
        find_client()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NoLabClientError):
        find_client()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_client() == str(tmp_path / "labgrid-client")


def test_the_client_of_an_environment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "venv" / "bin" / "labgrid-client"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "venv"))
    assert find_client() == str(program)


@pytest.mark.parametrize(("says", "status"), [("hello", 0), ("", 0), ("Traceback", 2), ("Place ''':\n", 0)])
def test_a_client_that_says_something_else_is_no_client(lab: Lab, says: str, status: int) -> None:
    lab.put(says=says, status=status)
    with pytest.raises(LabError):
        Run().take("labgrid://?row=a")


def test_a_client_that_hangs_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_client, "LIMIT_S", 0.2)
    (lab.path.parent / "lab.json.hang").touch()
    with pytest.raises(LabError, match="does not end"):
        Run().take()


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_a_place_is_waited_for_in_a_reservation(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation, "TELL_S", 0.0)
    lab.place("p1", acquired="ci2/bob")
    run = Run()
    found: list[Lease] = []
    waiting = threading.Thread(target=lambda: found.append(run.take(wait_s=WAIT_S)))
    waiting.start()
    until(lambda: any("still waiting" in line for line in run.told))
    lab.place("p1", acquired=None)
    waiting.join(WAIT_S)
    assert found[0].place.name == "p1"
    assert "ci2/bob" in run.told[0]
    found[0].release(run.told.append)
    assert lab.state["reservations"] == {}
    assert lab.holder("p1") == ""


def test_waiting_for_tags_gives_whichever_is_free_first(lab: Lab) -> None:
    lab.place("p1", acquired="ci2/bob", tags={"row": "a"})
    lab.place("p2", acquired="ci2/bob", tags={"row": "a"})
    run = Run()
    found: list[Lease] = []
    waiting = threading.Thread(target=lambda: found.append(run.take("labgrid://?row=a", WAIT_S)))
    waiting.start()
    until(lambda: any("waiting" in line for line in run.told))
    lab.place("p2", acquired=None)
    waiting.join(WAIT_S)
    assert found[0].port == "labgrid://p2"


def test_who_has_waited_in_vain_is_told_who_has_it(lab: Lab) -> None:
    lab.place("p1", acquired="ci2/bob")
    with pytest.raises(PlaceTakenError, match=r"ci2/bob.*waited"):
        Run().take(wait_s=0.1)
    assert lab.state["reservations"] == {}


def test_a_stop_while_waiting_cancels_the_reservation(lab: Lab) -> None:
    lab.place("p1", acquired="ci2/bob")
    run = Run()

    def check() -> None:
        if any("waiting" in line for line in run.told):
            raise StoppedError("stopped")

    run.taker.check = check
    with pytest.raises(StoppedError):
        run.take(wait_s=WAIT_S)
    assert lab.state["reservations"] == {}


def test_a_reservation_that_its_coordinator_has_forgotten_ends(lab: Lab) -> None:
    lab.place("p1", acquired="ci2/bob")
    run = Run()
    failed: list[PipelineError] = []

    def wait() -> None:
        try:
            run.take(wait_s=WAIT_S)
        except PipelineError as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: any("waiting" in line for line in run.told))
    lab.put(reservations={})
    waiting.join(WAIT_S)
    assert type(failed[0]) is LabError


def test_a_record_says_who_and_when(lab: Lab) -> None:
    lab.place("p1")
    lease = Run().take()
    entry = json.loads(records()[0].read_text())
    assert entry["place"] == "p1"
    assert entry["coordinator"] == "lab:20408"
    assert entry["holder"] == "ci1/alice"
    assert lease.record is not None
    assert records()[0].stat().st_mode & 0o077 == 0


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)
