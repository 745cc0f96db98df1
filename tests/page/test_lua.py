"""Console and Lua files, on NodeMCU itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flashpipe.page.board import BoardOnPage
from playwright.sync_api import Page, expect

from tests.nodemcu import IN_PACKAGE, NodeMcu
from tests.page.served import Served, payload, wait_until

PASTED = "a=1700 -- a comment ends with its line\nb=77\nprint(a+b)"


@pytest.fixture
def board(executed: Served, page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> BoardOnPage:
    """A board that runs NodeMCU, and its page."""
    found = executed.add(NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request).url)
    page.goto(executed.address(found))
    return found


def test_the_console_goes_both_ways_and_steps_aside(page: Page, board: BoardOnPage) -> None:
    screen, line = page.locator("pre.console"), page.get_by_label("To the board (arrow up")
    page.locator("#console-open").click()
    expect(page.get_by_text("Open at 115200 baud.")).to_be_visible()
    expect(screen).to_contain_text("> ")
    line.fill("print(6*7)")
    line.press("Enter")
    expect(screen).to_contain_text("42")
    expect(line).to_have_value("")
    line.press("ArrowUp")
    expect(line).to_have_value("print(6*7)")
    line.press("ControlOrMeta+a")
    page.keyboard.insert_text(PASTED)
    expect(line).to_have_value(PASTED)
    line.press("ArrowUp")
    expect(line).to_have_value(PASTED)
    line.press("Enter")
    expect(screen).to_have_text(re.compile(r"^(?:> )*1777$", re.MULTILINE))
    expect(line).to_have_value("")
    page.locator("#do-files").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: List files")
    expect(page.get_by_text("Open at 115200 baud.")).to_be_visible()
    page.reload()
    expect(screen).to_contain_text("42")
    page.locator("#console-close").click()
    expect(page.get_by_text("Closed.", exact=True)).to_be_visible()
    assert not board.console.open


@pytest.mark.usefixtures("board")
def test_the_file_of_the_row_goes_and_no_other(page: Page) -> None:
    names = ("x", "y", "x,y", "x*")
    page.get_by_label("Send files to the board").set_input_files([payload(name, b"print(1)\n") for name in names])
    cells = page.locator("#lua tbody th")
    expect(cells).to_have_count(4)
    page.on("dialog", lambda dialog: dialog.accept())
    for name, left in (("x,y", ["x", "x*", "y"]), ("x*", ["x", "y"])):
        page.get_by_role("button", name=f"Delete {name}", exact=True).click()
        expect(cells).to_have_text(left)


def test_a_file_goes_up_is_edited_run_comes_down_and_goes(page: Page, board: BoardOnPage) -> None:
    page.get_by_label("Send files to the board").set_input_files([payload("app.lua", b"print('one')\n")])
    row = page.locator("tr", has_text="app.lua")
    expect(row).to_contain_text("13")
    expect(page.locator("#lua")).to_contain_text("bytes free")
    row.get_by_role("button", name="Open").click()
    text = page.get_by_label("Its text")
    expect(text).to_have_value("print('one')\n")
    expect(page.locator("[data-numbers]")).to_have_text("1\n2")
    text.fill("x = 20\nprint(x + 3)\n")
    page.get_by_role("button", name="Save & run").click()
    expect(page.locator(".verdict.ok .printed")).to_have_text("23")
    with page.expect_download() as download:
        row.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == b"x = 20\nprint(x + 3)\n"
    text.fill("print(1)\nprint(2+\n")
    page.get_by_role("button", name="Save & run").click()
    expect(page.locator(".verdict.failed")).to_contain_text("[code: lua-syntax]")  # and the old one is not run
    wait_until(lambda: not board.busy)
    assert board.log is not None
    assert board.log.task == "files"
    page.locator("#do-heap").click()
    expect(page.locator(".verdict.ok")).to_contain_text("bytes of memory are free")
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(page.locator("#lua")).to_contain_text("There are no files on the board.")


@pytest.mark.usefixtures("board")
def test_a_selection_is_run_and_what_the_firmware_is_is_shown(page: Page) -> None:
    text = page.get_by_label("Its text")
    text.fill("error('no')\nprint('yes')\n")
    text.evaluate("area => area.setSelectionRange(12, 24)")
    page.get_by_role("button", name="Send selection").click()
    expect(page.locator("pre.console")).to_contain_text("yes")
    page.locator("#do-node").click()
    expect(page.locator("#lua .facts")).to_contain_text("NodeMCU1.5.4")
    text.evaluate("area => area.setSelectionRange(0, 0)")
    page.get_by_role("button", name="Send selection").click()
    expect(page.locator(".verdict.failed")).to_contain_text("[code: lua-error]")


def test_what_the_editor_would_change_is_not_opened_in_it_and_what_is_not_saved_is_asked_for(
    page: Page, board: BoardOnPage
) -> None:
    wrong, text = page.locator("#editor .wrong"), page.get_by_label("Its text")
    dropped = [
        payload("latin.lua", b"print('gr\xfc\xdfe')\n"),
        payload("mixed.lua", b"a = 1\r\nb = 2\n"),
        payload("crlf.lua", b"a = 1\r\nb = 2\r\n"),
    ]
    page.get_by_label("Send files to the board").set_input_files(dropped)
    expect(page.locator(".verdict.ok")).to_contain_text("mixed.lua (13 bytes)")
    for name, why in (("latin.lua", "no text in UTF-8"), ("mixed.lua", "line ends of several kinds")):
        page.get_by_role("button", name=f"Open {name}").click()
        expect(wrong).to_contain_text(f"{name} is {why}" if "UTF" in why else f"{name} has {why}")
        expect(text).to_have_value("")
    page.get_by_role("button", name="Open crlf.lua").click()
    expect(text).to_have_value("a = 1\nb = 2\n")
    text.fill("a = 3\nb = 4\n")
    with page.expect_event("dialog") as asked:
        page.get_by_role("button", name="Open crlf.lua").click()
    assert "crlf.lua is not saved" in asked.value.message
    asked.value.dismiss()
    expect(text).to_have_value("a = 3\nb = 4\n")
    page.get_by_role("button", name="Save", exact=True).click()
    wait_until(lambda: board.log is not None and board.log.label == "Send crlf.lua" and board.log.ended)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download crlf.lua").click()
    assert Path(download.value.path()).read_bytes() == b"a = 3\r\nb = 4\r\n"


def test_what_the_editor_has_not_seen_is_replaced_only_after_a_question(
    page: Page, board: BoardOnPage, executed: Served
) -> None:
    def save(where: Page) -> None:
        where.get_by_role("button", name="Save", exact=True).click()

    def ended(heading: str) -> None:
        expect(page.locator(".verdict h3")).to_have_text(heading)
        wait_until(lambda: not board.busy)

    page.get_by_label("Send files to the board").set_input_files(
        [payload("a.lua", b"print('a')\n"), payload("b.lua", b"print('b')\n")]
    )
    expect(page.get_by_role("button", name="Open b.lua")).to_be_visible()
    other = page.context.new_page()
    other.goto(executed.address(board))
    for tab in (page, other):
        tab.get_by_role("button", name="Open b.lua").click()
        expect(tab.get_by_label("Its text")).to_have_value("print('b')\n")
    other.get_by_label("Its text").fill("print('theirs')\n")
    save(other)
    ended("OK: Send b.lua")
    page.get_by_label("Its text").fill("print('mine')\n")
    save(page)
    expect(page.get_by_role("group", name="Question")).to_contain_text(
        "this replaces b.lua on the board, which has changed since it was opened"
    )
    page.locator("#answer-no").click()
    ended("Left as it was: Send b.lua")
    page.get_by_role("button", name="Download b.lua").click()
    ended("OK: Read a file")
    assert board.fetched["b.lua"] == b"print('theirs')\n"
    with page.expect_event("dialog") as asked:  # the board has not got it
        page.get_by_role("button", name="Open a.lua").click()
    asked.value.dismiss()
    save(page)
    page.locator("#answer-yes").click()
    ended("OK: Send b.lua")
    page.get_by_label("Its text").fill("print('again')\n")
    save(page)
    ended("OK: Send b.lua")
    expect(page.get_by_role("group", name="Question")).to_have_count(0)
    page.get_by_label("Name of the file").fill("a.lua")
    save(page)
    expect(page.get_by_role("group", name="Question")).to_contain_text("a.lua on the board, which was not opened here")
    page.locator("#answer-no").click()
    ended("Left as it was: Send a.lua")
    page.get_by_label("Name of the file").fill("new.lua")
    save(page)
    ended("OK: Send new.lua")


def test_files_that_no_board_can_have_are_refused_by_the_name_that_they_came_with(
    page: Page, board: BoardOnPage
) -> None:
    dropped = [payload("ümlaut.lua", b"x = 1\n"), payload("ömlaut.lua", b"x = 2\n"), payload("hello.lua", b"x = 3\n")]
    page.get_by_label("Send files to the board").set_input_files(dropped)
    wrong = page.locator("[data-put] .wrong")
    expect(wrong).to_contain_text("ümlaut.lua: ")
    expect(wrong).to_contain_text("ömlaut.lua: ")
    expect(wrong).to_contain_text("nothing else was sent either")
    expect(wrong).to_contain_text("drop all of them again")
    editor = page.locator("#editor .wrong")
    for name, verb, why in (("a b.lua", "Save", "a b.lua: want"), (" ", "Save & run", "no name: want 1 to 31")):
        page.get_by_label("Name of the file").fill(name)
        page.get_by_role("button", name=verb, exact=True).click()
        expect(editor).to_contain_text(why)
        expect(editor).to_contain_text("give it another name")
    assert board.log is None
