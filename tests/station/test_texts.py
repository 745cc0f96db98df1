"""What the operator reads can be translated, and a wrong translation is said in one line."""

from __future__ import annotations

import re
from pathlib import Path

import flashpipe
import pytest
from flashpipe.errors import (
    AcceptanceCommandError,
    AcceptanceError,
    AcceptanceLimitError,
    BadValueError,
    PlaceTakenError,
)
from flashpipe.events import Progress, StepStarted
from flashpipe.station.attempt import AttemptEnd
from flashpipe.station.panel import told
from flashpipe.station.port_line import PortLine
from flashpipe.station.texts import load_texts, shipped


def test_the_shipped_file_is_its_own_translation(tmp_path: Path) -> None:
    (tmp_path / "ours.txt").write_text(shipped())
    assert load_texts(tmp_path / "ours.txt").say("pass.new", seconds=4) == load_texts().say("pass.new", seconds=4)


def test_a_translation_replaces_what_it_names_and_may_add_causes(tmp_path: Path) -> None:
    path = tmp_path / "de.txt"
    path.write_text(
        "state.pass: GUT\ncode.rolled-back: alte Firmware\ncode.boot-rf-cal: Funk\nunit.free: {unit} ist frei\n",
        encoding="utf-8-sig",
    )
    texts = load_texts(path)
    assert (texts.say("state.pass"), texts.say("state.fail")) == ("GUT", "FAIL")
    assert texts.cause("rolled-back", "own words") == "alte Firmware"
    assert texts.say("unit.free", unit="A1", mac="") == "A1 ist frei"
    assert texts.cause("boot-silent", "own words") == "it is written, and says nothing when it starts"
    assert texts.cause("plan-bounds", "own words") == "own words"


@pytest.mark.parametrize(
    "text",
    [
        "state.past: x",
        "no colon",
        "state.pass: {x}",
        "pass.new: {seconds:>99999}",
        "state.pass: {",
        "state.pass: a\nstate.pass: b",
        "state.pass: a\ncode.silence: stumm",
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "de.txt"
    path.write_text(text)
    with pytest.raises(BadValueError, match=rf"de\.txt:{text.count(chr(10)) + 1}:"):
        load_texts(path)


def test_a_request_to_press_a_button_is_seen_while_its_board_is_worked_on() -> None:
    line = PortLine("1-1.2", "1", load_texts(), lambda: None)
    line.begin("/dev/ttyUSB0")
    line(StepStarted("/dev/ttyUSB0", "connect"))
    assert line.ask("hold FLASH, press RESET")
    assert "hold FLASH" in told(line.view)


@pytest.mark.parametrize("kind", [AcceptanceLimitError, AcceptanceCommandError])
def test_what_a_test_has_found_is_said_to_the_operator(kind: type[AcceptanceError]) -> None:
    line = PortLine("1-1.2", "7", load_texts(), lambda: None)
    error = kind("/dev/ttyUSB0: …", found="temp: 99, want 15 to 30")
    ended = AttemptEnd("", passed=False, outcome=error.code, seconds=1.0, error=error)
    line.end(ended, tries=1, limit=3, gone=False, by_key=True)
    assert "temp: 99, want 15 to 30" in line.view.cause


def test_what_no_other_board_could_cure_asks_for_none() -> None:
    line = PortLine("1-1.2", "7", load_texts(), lambda: None)
    taken = AttemptEnd("", passed=False, outcome="place-taken", seconds=1.0, error=PlaceTakenError("it is bob's"))
    line.end(taken, tries=1, limit=3, gone=False, by_key=True)
    assert line.view.action == load_texts().say("fail.else", key="7")


def test_every_step_of_a_board_can_be_called_something_else(tmp_path: Path) -> None:
    texts, package = load_texts(), Path(flashpipe.__file__).parent
    sources = [
        path.read_text(encoding="utf-8") for room in ("flasher", "board") for path in (package / room).rglob("*.py")
    ]
    steps = {name for text in sources for name in re.findall(r"\.(?:step|progress)\(\s*\"([^\"]+)\"", text)}
    assert {"connect", "write", "init.lua", "jig"} < steps
    of_others = {"audit"}  # no station does that
    assert [step for step in sorted(steps - of_others) if not texts.say(f"step.{step}")] == []
    (tmp_path / "de.txt").write_text("step.write: schreiben\n")
    line = PortLine("1-1.2", "1", load_texts(tmp_path / "de.txt"), lambda: None)
    line.begin("/dev/ttyUSB0")
    line(StepStarted("/dev/ttyUSB0", "write"))
    assert "schreiben" in told(line.view)
    line(Progress("/dev/ttyUSB0", "write", 5, 10))
    assert "schreiben" in told(line.view)
    line(StepStarted("/dev/ttyUSB0", "of a later version"))
    assert "of a later version" in told(line.view)


def test_a_printer_that_is_off_and_a_board_of_a_killed_station_can_be_told_in_other_words(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("printer.off: Drucker einschalten\nrecovered.open: {board} neu einstecken\n")
    texts = load_texts(tmp_path / "de.txt")
    assert texts.say("printer.off", error="refused") == "Drucker einschalten"
    assert texts.say("recovered.open", board="a") == "a neu einstecken"
    assert load_texts().say("printer.off", error="refused").startswith("refused; switch the printer on")
