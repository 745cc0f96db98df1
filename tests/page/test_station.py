"""The screen above the bench: what a station shows, as it changes; what it was left with; texts that are only text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flashpipe.jobs.station_screen import StationScreen, screen_files, seen_stations
from flashpipe.jobs.station_view import PortView, StationView
from flashpipe.records.batch import Batch, BatchRecord
from flashpipe.records.batch_state import Counts
from flashpipe.records.project_folder import make_folder
from flashpipe.records.station_lives import living
from flashpipe.station.texts import load_texts
from playwright.sync_api import Page, expect

from tests.page.served import Served

GOOD = PortView("bench 1", "1", "pass", mac="5c:cf:7f:00:00:01", unit="SN1", headline="good, 8 s", action="take it out")
BAD = PortView("bench 2", "2", "fail", cause="the board does not answer", action="press 2 for another try", code="x")
BUSY = PortView("bench 3", "3", "working", step="write", share=0.5)
VIEW = StationView("one", "sensor", "NodeMCU", (GOOD, BAD, BUSY, PortView("bench 4", "4")), Counts(passed=3, failed=1))


@pytest.fixture
def folder_of_batch(folder: Path) -> Path:
    make_folder(folder / ".pipeline")
    return Batch.begin(folder / ".pipeline", BatchRecord("one", "sensor", "2026-12-01T00:00:00Z")).folder


@pytest.fixture
def screen(folder_of_batch: Path) -> Iterator[StationScreen]:
    """The screen of a station that works."""
    with living(folder_of_batch) as name:
        yield StationScreen(folder_of_batch, name, load_texts().words(), lambda _view: None)


def test_each_port_has_one_big_state_that_changes_by_itself(page: Page, served: Served, screen: StationScreen) -> None:
    page.get_by_role("link", name="Station").click()
    expect(page.get_by_text("No station works in this project.")).to_be_visible()
    screen(VIEW)
    first, second = page.get_by_role("group", name="bench 1"), page.get_by_role("group", name="bench 2")
    expect(first.locator(".big")).to_have_text("PASS")
    expect(second.locator(".big")).to_have_text("FAIL")
    expect(second).to_contain_text("the board does not answer")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".counts")).to_contain_text("75% yield")
    assert Axe().run(page).response["violations"] == []
    asked = replace(GOOD, state="ask", cause="not blank")
    screen(replace(VIEW, ports=(asked, BAD), halted="5 boards in a row were bad"))
    expect(first.locator(".big")).to_have_text("STOP")
    expect(page.locator(".halted")).to_contain_text("5 boards in a row")
    expect(page.locator("#say-loud")).to_contain_text("not blank")
    page.set_viewport_size({"width": 360, "height": 600})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto(served.url)


def test_a_station_that_has_ended_is_said_to_have(page: Page, served: Served, folder_of_batch: Path) -> None:
    with living(folder_of_batch) as name:
        StationScreen(folder_of_batch, name, load_texts().words(), lambda _view: None)(VIEW)
    page.goto(f"{served.url}/station")
    expect(page.get_by_text("does not run any more")).to_be_visible()
    with living(folder_of_batch) as name:
        StationScreen(folder_of_batch, name, load_texts().words(), lambda _view: None)(replace(VIEW, paused=True))
    expect(page.get_by_text("The shift has ended")).to_be_visible()
    assert len(list(folder_of_batch.glob("screen-*"))) == 1  # what the dead have left is removed


def test_texts_of_a_station_stay_texts(page: Page, served: Served, screen: StationScreen) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    screen(replace(VIEW, batch=evil, ports=(replace(GOOD, place=evil, mac=evil, headline=evil),), notes=(evil,)))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{served.url}/station")
    expect(page.locator(".big")).to_have_text("PASS")
    assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"view": 1, "words": {}}', '{"view": {"ports": 1, "notes": []}}'])
def test_a_damaged_file_is_passed_over(folder_of_batch: Path, text: str) -> None:
    (folder_of_batch / "screen-abc.json").write_text(text)
    assert seen_stations(screen_files(folder_of_batch.parent.parent)) == []


def test_what_a_later_version_shows_is_no_trouble(page: Page, served: Served, screen: StationScreen) -> None:
    screen(VIEW)
    (file,) = screen_files(served.folder / ".pipeline")
    facts = json.loads(file.path.read_text())
    facts["view"]["ports"][0]["state"] = "resting"
    file.path.write_text(json.dumps(facts))
    page.goto(f"{served.url}/station")
    expect(page.locator(".big").first).to_have_text("resting")
