"""The console beside other work: it comes back after a flash, and names the addresses of a crash."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.elfs import make_elf
from tests.page.served import Served, wait_until

NEW = "sim://nodemcu-devkit?inline=1&fill=random:1"


def test_it_steps_aside_for_a_flash_and_comes_back(page: Page, served: Served, firmware: Path) -> None:
    board = served.add(f"{NEW}&board=aside", "nodemcu-devkit", firmware)
    page.goto(served.address(board))
    page.locator("#console-open").click()
    expect(page.get_by_text("Open at 115200 baud.")).to_be_visible()
    page.locator("#do-flash").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Flash")
    expect(page.get_by_text("Open at 115200 baud.")).to_be_visible()
    expect(page.locator("#console summary")).to_have_text("Boot log of the last start that was watched")
    line = page.get_by_label("To the board (arrow up")
    line.fill("print(6*7)")
    line.press("Enter")
    expect(page.locator("pre.console")).to_have_text(re.compile(r"-- flash: ok.*print\(6\*7\)\s*> ", re.DOTALL))


def test_a_crash_names_its_functions_where_the_profile_names_an_elf(page: Page, served: Served, firmware: Path) -> None:
    (served.folder / "app.elf").write_bytes(make_elf(0x1000))
    (served.folder / "kitchen.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}, elf: app.elf}}\n"
    )
    board = served.add(f"{NEW}&board=crash&app.trouble=exception&app.crash-s=1", "kitchen")
    page.goto(served.address(board))
    page.locator("#do-flash").click()
    expect(page.locator(".verdict.failed")).to_contain_text("[code: boot-exception]")
    expect(page.locator("#work")).to_contain_text("call_user_start+0xf2c")
    expect(page.locator("#console details pre")).to_contain_text("epc1=0x40100f2c")
    page.locator("#console-open").click()
    wait_until(lambda: "call_user_start+0xf2c" in board.console.text)


def test_a_board_that_says_more_than_anybody_reads_leaves_the_page_alive(page: Page, served: Served) -> None:
    board = served.add(f"{NEW}&board=flood")
    page.goto(served.address(board))
    screen = page.locator("pre.console")
    line = "x" * 99 + "\n"
    board.console.put("begin\n")
    expect(screen).to_contain_text("begin")
    for _ in range(20):
        board.console.put(line * 500)
        page.evaluate("1")
    board.console.put("half a wo\b\bord")
    expect(screen).to_contain_text("half a ord")
    expect(screen).to_contain_text("characters left out")
    shown = page.evaluate("document.querySelector('pre.console').textContent.length")
    assert isinstance(shown, int)
    assert 10_000 < shown < 250_000
