"""Lines of a station without a terminal: in the operator's own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.jobs.station_view import PortView
from flashpipe.station.panel import line_of
from flashpipe.station.texts import load_texts


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("state.pass: GUT\nstate.fail: SCHLECHT\nno-answer: keine Antwort\n")
    return path


def test_a_line_says_what_the_texts_say(theirs: Path) -> None:
    say = load_texts(theirs).say
    good = PortView("usb1", "1", state="pass", mac="5c:cf:7f:00:0a:01", headline="gut, 2 s")
    assert line_of(good, say) == "GUT   usb1  5c:cf:7f:00:0a:01  gut, 2 s"
    assert line_of(PortView("usb1", "1", state="fail", cause="x"), say) == "SCHLECHT  usb1  keine Antwort  x"
    assert line_of(good, load_texts(None).say).startswith("PASS  usb1")
