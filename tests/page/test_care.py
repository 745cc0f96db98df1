"""Backups, audits, profiles that are written, and bundles: what keeps boards well."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.page.served import Served
from tests.simboard import SimBoard


def test_back_up_restore_and_audit(page: Page, served: Served, firmware: Path, tmp_path: Path) -> None:
    cells = SimBoard(tmp_path / "cells", more="&inline=1")
    board = served.add(cells.url, "esp12", firmware)
    page.goto(served.address(board))
    done = page.locator(".verdict.ok h3")
    page.locator("#care-backup").click()
    expect(done).to_have_text("OK: Back up")
    before = cells.cells()
    page.locator("#do-flash").click()
    expect(done).to_have_text("OK: Flash")
    page.locator("#care-audit").click()
    expect(done).to_have_text("OK: Audit")
    page.get_by_role("link", name="Backups", exact=True).click()
    page.locator("tbody tr", has_text="whole flash").get_by_role("button").click()
    page.wait_for_url(served.address(board))
    expect(page.get_by_role("group", name="Question")).to_contain_text("overwrites the flash of board")
    page.locator("#answer-yes").click()
    expect(page.locator(".verdict:not(.running)")).to_contain_text("Restore")
    assert cells.cells() == before


def test_a_choice_is_saved_as_the_profile_that_the_terminal_uses(page: Page, served: Served, firmware: Path) -> None:
    board = served.add("sim://esp12?inline=1&board=saved", "esp12", firmware, mode="dout")
    page.goto(served.address(board))
    page.get_by_role("link", name="Save as profile").click()
    page.get_by_label("Name of the profile").fill("kitchen")
    page.get_by_role("button", name="Show it").click()
    shown = page.get_by_label("This would be written")
    expect(shown).to_have_value(f"""# kitchen.yaml: written by the page; every line may be changed.
extends: esp12
flash: {{mode: dout}}
firmware: {{image: "{firmware.name}"}}
""")
    assert not list(served.folder.glob("*.yaml"))
    page.get_by_role("button", name="Write it").click()
    page.wait_for_url(served.address(board))
    expect(page.get_by_label("Profile: what kind")).to_have_value("kitchen")
    expect(page.get_by_text("What flashing would write")).to_be_visible()
    assert (served.folder / firmware.name).is_file()
    page.goto(f"{served.address(board)}/profile?name=kitchen")
    expect(page.locator("main .notice.bad")).to_contain_text("exists already")


def test_what_a_bundle_holds_is_shown_before_it_is_downloaded(page: Page, served: Served) -> None:
    board = served.add("sim://esp12?inline=1&board=absent&fault=absent")
    page.goto(served.address(board))
    page.locator("#do-identify").click()
    expect(page.locator(".verdict.failed")).to_contain_text("[code: port-missing]")
    page.get_by_role("link", name="Support bundle").click()
    expect(page.get_by_text("versions.txt")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
