"""Backups, audits, profiles that are written, and bundles: what keeps boards well."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.images import Builder
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
    wrong, name = page.locator("main .wrong"), page.get_by_label("Name of the profile")
    expect(wrong).to_contain_text("kitchen.yaml exists already")
    expect(wrong).to_contain_text("next: choose another name; or go back, and choose it as the profile")
    expect(name).to_have_value("kitchen")
    name.fill("CON")
    page.get_by_role("button", name="Show it").click()
    expect(wrong).to_contain_text("choose another name")
    page.get_by_role("link", name="Back", exact=True).click()
    page.wait_for_url(served.address(board))


def test_a_profile_that_is_changed_while_the_page_is_open_is_looked_at_anew(
    page: Page, served: Served, firmware: Path
) -> None:
    profile, shown = served.folder / "kitchen.yaml", page.locator("#flash [data-part=firmware]")
    profile.write_text(f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}}}\n")
    board = served.add("sim://nodemcu-devkit?inline=1&board=changed&fill=ff")
    page.goto(served.address(board))
    page.get_by_label("Profile: what kind").select_option("kitchen")
    expect(shown).to_contain_text("NodeMCU 1.5.4.1")
    (served.folder / "other.bin").write_bytes(Builder().sketch())
    profile.write_text("extends: nodemcu-devkit\nfirmware: {image: other.bin}\n")
    page.reload()
    expect(shown).not_to_contain_text("NodeMCU")
    profile.write_text(f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}}}\n")
    page.locator("#do-plan").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Look at the board")
    expect(shown).to_contain_text("NodeMCU 1.5.4.1")
    expect(page.locator("#flash")).to_contain_text("to this board")
    preview = board.preview
    page.reload()
    expect(shown).to_contain_text("NodeMCU 1.5.4.1")
    assert board.preview is preview
    profile.unlink()
    page.reload()
    expect(shown).to_contain_text("unknown profile 'kitchen'")


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
