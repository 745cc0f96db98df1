"""Keyboard, screen reader, large letters, narrow screens, dark and light; and texts that would be more than text."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flashpipe.page import actions
from flashpipe.page.firmware import look
from flashpipe.page.job_log import JobLog, LogLine
from playwright.sync_api import Page, expect

from tests.page.served import Served, payload, wait_until

EVIL = "<img src=x onerror=alert(1)>\"'&amp;</script><script>alert(2)</script>\x1b[2J\u202e"
NEW = "sim://esp12?inline=1&fill=random:1"
WIDTHS = {"phone": 360, "1280 pixels at 200 %": 640, "window": 1280}


@pytest.fixture
def states(served: Served, firmware: Path) -> list[str]:
    """Addresses of the main states, of boards that something was done with."""
    good, bad = (
        served.add(
            f"sim://esp12?inline=1&board={name}&mac=5c:cf:7f:00:02:0{number}&fill=random:1{more}", "esp12", firmware
        )
        for number, (name, more) in enumerate({"good": "", "bad": "&fault=stuck-sector:0x10000"}.items())
    )
    for board in (good, bad):
        board.firmware = look(board.choice, board.folders)
        for action in ("identify", "plan", "flash", "backup"):
            board.start(actions.work(action, {}))
    asked = served.add("sim://esp12?inline=1&board=asked")
    asked.log = JobLog("erase", "Erase", "flashpipe erase", question="this erases its whole flash")
    asked.files = {
        "files": [{"name": "a-name-as-long-as-they-get.lua", "size": 123456, "state": "not the profile's"}],
        "missing": ["x"],
        "room": (1, 2, 3),
    }
    wait_until(lambda: not (good.busy or bad.busy))
    receipt = next((served.folder / ".pipeline").glob("receipts/*-flashed.json")).name
    boards = [f"/boards/{board.slug}" for board in (good, bad, asked)]
    return [
        "/",
        *boards,
        f"{boards[0]}/profile?name=kitchen",
        "/receipts",
        f"/receipts/{receipt}",
        "/backups",
        "/bundle",
        "/station",
        "/nosuch",
        "/boards/nosuch",
    ]


def complaints(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core has to say of a page."""
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {[node['html'][:150] for node in one['nodes']]}" for one in found]


def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(page: Page, served: Served, states: list[str]) -> None:
    found = list[str]()
    for address in states:
        page.emulate_media(color_scheme="light")
        page.goto(served.url + address)
        page.locator("h1").wait_for()
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found += [f"{address}: {text}" for text in complaints(page, {})]
        page.emulate_media(color_scheme="dark")
        found += [f"{address} dark: {text}" for text in complaints(page, {"runOnly": ["color-contrast"]})]
        for name, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 600})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{address} {name}: {wide} pixels too wide"] * (wide > 0)
    assert found == []


def test_by_keyboard_alone(page: Page, served: Served) -> None:
    board = served.add("sim://esp12?inline=1&board=keys")
    page.goto(served.address(board))
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "care-erase":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#answer-no")).to_be_focused()
    expect(page.locator("#say-loud")).to_contain_text("erases its whole flash")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Erase")
    expect(page.locator("#say")).to_contain_text("Erase")


def test_the_keyboard_stays_where_a_button_goes_that_was_pressed(served: Served, page: Page) -> None:
    board = served.add("sim://esp12?inline=1&board=stays")
    page.goto(served.address(board))
    page.locator("#do-identify").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.ok")).to_be_visible()
    expect(page.locator("#do-identify")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('[data-part]').dataset.part") == "device"


def test_hostile_texts_stay_texts(page: Page, served: Served) -> None:
    (served.folder / "evil.yaml").write_text(f"extends: esp12\nabout: {json.dumps(EVIL)}\n")
    board = served.add("sim://esp12?inline=1&board=evil")
    board.about = dict.fromkeys(("adapter", "usb", "location", "seen"), EVIL)
    board.device = dict.fromkeys(("chip", "mac", "flash_part", "crystal_mhz"), EVIL) | {"virtual": 0, "flash_size": 0}
    board.fitting = [EVIL]
    board.log = JobLog("flash", EVIL, EVIL, lines=[LogLine("text", EVIL), LogLine("step", EVIL, EVIL)], question=EVIL)
    board.files = {"files": [{"name": EVIL, "size": 1, "state": EVIL}], "missing": [EVIL], "room": None}
    board.node = {
        "version": EVIL,
        "lua": EVIL,
        "heap": None,
        "modules": [EVIL],
        "findings": [{"text": EVIL, "passed": 0}],
    }
    board.console.put(EVIL)
    board.console.booted(EVIL, 115200)
    receipts = served.folder / ".pipeline" / "receipts"
    receipts.mkdir(parents=True)
    record: dict[str, object] = {
        "format": "flashpipe-receipt/3",
        "command": EVIL,
        "outcome": "flashed",
        "time": "2026-11-30T00:00:00Z",
        "profile": EVIL,
    }
    record |= {"verdict": {"kind": EVIL, "log": EVIL}, "written": [EVIL], "steps": [[EVIL, 1.0]], "error": EVIL}
    (receipts / "20261130T000000000-x-y.json").write_text(json.dumps(record))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(served.address(board))
    page.get_by_label("Firmware file").set_input_files([payload("<b>x<script>.bin", EVIL.encode())])
    expect(page.locator("#flash .notice.bad")).to_be_visible()
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for number in range(2):
            archive.writestr(f"{EVIL}{number}.bin", b"\xe9" * 2000)
    page.get_by_label("Firmware file").set_input_files([payload("<i>.zip", stream.getvalue())])
    page.locator("#offer-2").check()
    expect(page.locator("#flash .notice.bad")).to_contain_text("script>\\x1b[2J\\u202e1.bin")
    assert page.locator("img, script:not([src]), i").count() == 0
    board.changed("work")
    for address in (served.address(board), served.url, f"{served.url}/receipts", f"{served.url}/backups"):
        page.goto(address)
        page.locator("h1").wait_for()
        assert page.locator("img, script:not([src])").count() == 0
        shown = page.locator("body").inner_text()
        assert [char for char in shown if not (char.isprintable() or char in "\n\t")] == []
    page.goto(f"{served.url}/receipts/20261130T000000000-x-y.json")
    expect(page.locator("h1")).to_contain_text("<script>alert(2)")
    assert page.locator("img, script:not([src])").count() == 0
