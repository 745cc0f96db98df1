"""Several boards: each has its own run, none stops another, and what failed stands first."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.page.served import Served, wait_until


def url(number: int, more: str = "") -> str:
    return f"sim://esp12?inline=1&board=b{number}&mac=5c:cf:7f:00:01:{number:02x}&fill=random:{number}{more}"


def test_of_two_boards_one_is_bad(page: Page, served: Served, firmware: Path) -> None:
    good = served.add(url(1), "esp12", firmware)
    bad = served.add(url(2, "&fault=stuck-sector:0x10000"), "esp12", firmware)
    page.goto(served.url)
    cards = page.locator("#boards > section")
    expect(cards.nth(0)).to_have_attribute("data-board", good.slug)
    page.get_by_role("button", name="Flash all that are ticked").click()
    expect(cards.nth(0)).to_have_attribute("data-board", bad.slug)
    expect(cards.nth(0)).to_contain_text("FAILED")
    expect(cards.nth(1)).to_contain_text("OK")
    cards.nth(0).get_by_role("link", name="Open").click()
    expect(page.locator(".verdict.failed")).to_contain_text("[code: verify-failed]")


def test_a_tab_that_nobody_sees_leaves_its_connection_to_others(page: Page, served: Served) -> None:
    page.goto(served.url)
    board = served.add(url(9))
    expect(page.locator(f"#card-{board.slug}")).to_be_visible()
    see = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    see += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(see, True)  # noqa: FBT003  what the function is given
    wait_until(lambda: not served.site.hub.watched)
    other = served.add(url(10))
    page.evaluate(see, False)  # noqa: FBT003  likewise
    expect(page.locator(f"#card-{other.slug}")).to_be_visible()


def test_sixteen_at_once(page: Page, served: Served, firmware: Path) -> None:
    boards = [served.add(url(number), "esp12", firmware, boot="off") for number in range(101, 117)]
    page.goto(served.url)
    expect(page.locator("#boards > section")).to_have_count(16)
    page.get_by_role("button", name="Flash all that are ticked").click()
    wait_until(lambda: all(board.log and board.log.ended for board in boards))
    assert [board.log.failure for board in boards if board.log and board.log.failure] == []
    expect(page.locator("#boards > section .state.ok")).to_have_count(16)
    assert len(list((served.folder / ".pipeline").glob("receipts/*.json"))) == 16


def test_boards_come_and_go_and_profiles_can_be_chosen_for_all(page: Page, served: Served) -> None:
    expect(page.locator("#no-boards")).to_be_visible()
    served.add(url(1))
    second = served.add(url(2))
    expect(page.locator("#boards > section")).to_have_count(2)
    page.get_by_label("Profile for all of them").select_option("esp12")
    every = page.locator("#tick-all")
    expect(every).to_be_checked()
    page.locator("#ticks input").first.uncheck()
    expect(every).not_to_be_checked()
    assert every.evaluate("box => box.indeterminate")
    page.get_by_role("button", name="Flash all that are ticked").click()
    expect(page.locator(f"#card-{second.slug}")).to_contain_text("FAILED")
    page.goto(served.address(second))
    expect(page.locator(".verdict.failed")).to_contain_text("[code: no-image]")
    page.locator("#care-remove").click()
    expect(page.locator("#boards > section")).to_have_count(1)
