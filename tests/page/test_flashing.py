"""From the first visit to a flashed board, and what else can come of it."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
from flashpipe.events import Event, Progress
from flashpipe.page import actions
from flashpipe.page.face import PageFace
from playwright.sync_api import Page, expect

from tests.harness import make_project
from tests.images import Builder
from tests.page.served import END_S, Served, payload, wait_until
from tests.simboard import SimBoard

NOT_FOUND = b"<!doctype html><html><title>404 Not Found</title></html>"
NEW = "fill=ff&start=rom"


def flash(page: Page) -> None:
    page.locator("#do-flash").click()


def test_first_visit_to_flashed_demo_board(page: Page, served: Served) -> None:
    page.get_by_role("button", name="Add a virtual board").click()
    expect(page.get_by_role("heading", name="sim://demo")).to_be_visible()
    expect(page.get_by_text("What flashing would write")).to_be_visible()
    expect(page.locator("svg.map rect.write").first).to_be_visible()
    page.locator("#do-identify").click()
    expect(page.get_by_role("button", name="nodemcu-devkit", exact=True)).to_be_visible()
    page.locator("#do-plan").click()
    expect(page.get_by_text("What flashing would do to this board")).to_be_visible()
    assert not list((served.folder / ".pipeline").glob("receipts/*"))
    page.locator("#do-flash").dblclick()  # as people are used to
    expect(page.locator(".verdict.ok h3")).to_have_text("OK: Flash")
    assert len(list((served.folder / ".pipeline").glob("receipts/*"))) == 1
    assert not any(board.waiting for board in served.site.boards.all())
    expect(page.locator("#same-command")).to_have_text("flashpipe flash profile=demo port=sim://demo")
    page.get_by_role("link", name="Receipt", exact=True).click()
    expect(page.get_by_role("heading", name="flash: flashed")).to_be_visible()
    expect(page.locator("svg.plot")).to_be_visible()
    page.get_by_role("link", name="What was done").click()
    expect(page.get_by_text("OK: flashed")).to_be_visible()


def test_a_page_that_is_no_firmware_is_refused_with_the_next_step(page: Page, served: Served) -> None:
    board = served.add(f"sim://esp12?{NEW}&board=refused")
    page.goto(served.address(board))
    page.get_by_label("Firmware file").set_input_files([payload("nodemcu.bin", NOT_FOUND)])
    refusal = page.locator("#flash .notice.bad")
    expect(refusal).to_contain_text("HTML page")
    expect(refusal).to_contain_text("Next:")
    flash(page)
    expect(page.locator(".verdict.failed")).to_contain_text("[code: image-format]")
    assert board.device == {}


def test_a_split_pair_and_an_archive_are_taken_as_they_come(page: Page, served: Served, firmware: Path) -> None:
    board = served.add(f"sim://esp12?{NEW}&board=pair", profile="esp12")
    page.goto(served.address(board))
    data = firmware.read_bytes()
    pair = {"0x10000.bin": data[0x10000:], "0x00000.bin": data[:0x10000].rstrip(b"\xff")}
    page.get_by_label("Firmware file").set_input_files([payload(name, part) for name, part in pair.items()])
    expect(page.locator("#flash")).to_contain_text("File: 0x00000.bin + 0x10000.bin")
    expect(page.get_by_text("What flashing would write")).to_be_visible()
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr("nodemcu.bin", data)
    page.get_by_label("Firmware file").set_input_files([payload("build.zip", stream.getvalue())])
    expect(page.locator("#flash")).to_contain_text("File: nodemcu.bin")
    expect(page.get_by_text("What flashing would write")).to_be_visible()
    page.get_by_role("button", name="Forget the file").click()
    expect(page.locator("#flash")).to_contain_text("No firmware yet")


def test_of_several_firmwares_in_an_archive_one_is_chosen_by_name(page: Page, served: Served, firmware: Path) -> None:
    board = served.add(f"sim://esp12?{NEW}&board=several", profile="esp12")
    page.goto(served.address(board))
    data = firmware.read_bytes()
    pair = {"pair/0x00000.bin": data[:0x10000].rstrip(b"\xff"), "pair/0x10000.bin": data[0x10000:]}
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        for name, member in {"whole.bin": data, **pair}.items():
            archive.writestr(name, member)
    page.get_by_label("Firmware file").set_input_files([payload("build.zip", stream.getvalue())])
    offers = page.get_by_role("group", name="2 firmwares are in what was dropped")
    expect(offers).to_contain_text("NodeMCU 1.5.4")
    flash(page)
    expect(page.locator(".verdict.failed")).to_contain_text("choose one of them")
    assert board.device == {}
    offers.get_by_label("pair/0x00000.bin + pair/0x10000.bin").check()
    expect(page.get_by_text("What flashing would write")).to_be_visible()
    assert board.choice.image == "0x00000:build.zip!pair/0x00000.bin,0x10000:build.zip!pair/0x10000.bin"
    flash(page)
    expect(page.locator(".verdict.ok h3")).to_have_text("OK: Flash")
    command = page.locator(".same")
    expect(command).to_contain_text("0x10000:build.zip!pair/0x10000.bin")
    expect(command).to_contain_text("say where you have it")
    assert "page" not in command.inner_text().partition("board=")[0]


def test_what_was_dropped_beside_a_firmware_is_named(page: Page, served: Served, firmware: Path) -> None:
    page.goto(served.address(served.add("sim://esp12?board=beside")))
    files = [payload("n.bin", firmware.read_bytes()), payload("notes.py", b"print(1)")]
    page.locator("#choice input[type=file]").set_input_files(files)
    expect(page.get_by_text("Left out: notes.py")).to_be_visible()
    expect(page.get_by_text("File: n.bin")).to_be_visible()


def test_a_board_that_is_unplugged_in_mid_flash(page: Page, served: Served, firmware: Path) -> None:
    board = served.add("sim://esp12?fill=random:1&board=gone&fault=unplug:150000", "esp12", firmware)
    page.goto(served.address(board))
    flash(page)
    failed = page.locator(".verdict.failed")
    expect(failed).to_contain_text("[code: port-lost]")
    expect(failed).to_contain_text("Cause:")
    expect(failed).to_contain_text("Next:")


def test_a_board_that_does_not_start_is_helped_by_the_next_button(page: Page, served: Served, firmware: Path) -> None:
    board = served.add("sim://esp12?board=dout&fault=dout-only", "nodemcu-devkit", firmware)
    page.goto(served.address(board))
    flash(page)
    expect(page.locator(".verdict.failed")).to_contain_text("mode=dout")
    expect(page.get_by_role("link", name="Support bundle")).to_be_visible()
    page.get_by_role("button", name="Flash with mode=dout").click()
    expect(page.locator(".verdict.ok h3")).to_have_text("OK: Flash")
    assert dict(board.choice.more) == {"mode": "dout"}
    expect(page.locator("select[name=mode]")).to_have_value("dout")
    expect(page.get_by_text("What was written to this board")).to_be_visible()


def test_what_a_terminal_asks_is_asked_here(page: Page, served: Served) -> None:
    board = served.add("sim://esp12?board=asked")
    page.goto(served.address(board))
    page.locator("#care-erase").click()
    question = page.get_by_role("group", name="Question")
    expect(question).to_contain_text("erases its whole flash, files and settings included")
    expect(page.locator("#answer-no")).to_be_focused()
    page.locator("#answer-no").click()
    expect(page.locator(".verdict.declined h3")).to_have_text("Left as it was: Erase")
    page.locator("#care-erase").click()
    page.locator("#answer-yes").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Erase")


def test_without_a_profile_the_question_names_what_is_lost_and_shows_the_map(
    page: Page, served: Served, firmware: Path, tmp_path: Path
) -> None:
    cells = SimBoard(tmp_path / "cells", name="esp12")
    cells.flash.write_bytes(Builder().sketch().ljust(0x400000, b"\xff"))
    board = served.add(cells.url, image=firmware)
    page.goto(served.address(board))
    flash(page)
    question = page.get_by_role("group", name="Question")
    expect(question).to_contain_text("what is overwritten is backed up first")
    expect(question).not_to_contain_text("sim://")
    expect(page.get_by_text("What is to be written to this board")).to_be_visible()
    expect(page.get_by_text("No board was asked yet")).to_have_count(0)
    page.locator("#stop").click()
    expect(page.locator(".verdict.stopped h3")).to_have_text("Stopped: Flash")
    page.get_by_role("button", name="Go on").click()
    page.locator("#answer-no").click()
    expect(page.locator(".verdict.declined h3")).to_have_text("Left as it was: Flash")
    assert len(list((served.folder / ".pipeline").glob("receipts/*"))) == 1  # that of the stop: a no is no run


def test_what_comes_next_is_a_button_also_where_it_went_well(page: Page, served: Served, firmware: Path) -> None:
    board = served.add("sim://esp12?board=next", image=firmware)
    page.goto(served.address(board))
    page.locator("#care-erase").click()
    page.locator("#answer-yes").click()
    expect(page.locator(".verdict.ok h3")).to_have_text("OK: Erase")
    page.locator(".verdict").get_by_role("button", name="Flash").click()
    page.locator("#answer-yes").click()
    expect(page.locator(".verdict.ok").get_by_role("button", name="Ask the firmware")).to_be_visible()


def test_the_flash_mode_in_which_it_starts_is_told_and_asked_for_from_then_on(
    page: Page, served: Served, firmware: Path
) -> None:
    board = served.add("sim://nodemcu-devkit?inline=1&board=dout&fault=dout-only", "", firmware)
    page.goto(served.address(board))
    page.locator("#do-flash").click()
    page.locator("#answer-yes").click()
    expect(page.locator(".verdict.ok")).to_contain_text("in flash mode dout and not in")
    page.get_by_role("button", name="Ask for mode=dout from now on").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Look at the board")
    assert dict(board.choice.more) == {"mode": "dout"}


def test_stop_and_go_on(page: Page, served: Served, firmware: Path, tmp_path: Path) -> None:
    cells = SimBoard(tmp_path / "cells", more="&fill=random:3&time=0.3")
    board = served.add(cells.url, "esp12", firmware, boot="off")
    page.goto(served.address(board))
    flash(page)
    wait_until(lambda: board.log is not None and board.log.progress is not None and board.log.step == "write")
    page.locator("#stop").hover()
    page.mouse.down()
    newer = {"kind": "part", "part": "work", "board": board.slug, "html": "<p id=newer>as it goes on</p>"}
    page.evaluate("message => take(message)", newer)
    expect(page.locator("#newer")).to_have_count(0)  # a button that is replaced while it is pressed is not clicked
    page.mouse.up()
    expect(page.locator(".verdict.stopped")).to_contain_text("do the same again, it continues")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Flash")
    assert cells.holds(firmware)


def test_a_firmware_is_taken_wherever_it_is_dropped_on_the_page_of_a_board(
    page: Page, served: Served, firmware: Path
) -> None:
    drop = """([place, name, data]) => { const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(data)], name));
        document.querySelector(place).dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true})); }"""
    payload = [firmware.name, list(firmware.read_bytes())]
    page.goto(served.url)
    page.evaluate(drop, ["h1", *payload])
    expect(page.locator("#nowhere")).to_contain_text("open a board first")
    board = served.add("sim://esp12?inline=1&board=dropped")
    page.goto(served.address(board))
    page.evaluate(drop, ["h1", *payload])
    expect(page.locator("#flash")).to_contain_text(f"File: {firmware.name}")
    expect(page.locator("#nowhere")).to_be_hidden()


def test_what_a_flash_has_left_half_done_is_not_the_doing_of_what_is_clicked_next(
    served: Served, firmware: Path, tmp_path: Path
) -> None:
    cells = SimBoard(tmp_path / "cells", more="&fill=random:3&fault=stuck-sector:0x10000")
    board = served.add(cells.url, "esp12", firmware, boot="off")

    def told_by(action: str) -> str:
        board.start(actions.work(action, {}))
        wait_until(lambda: board.log is not None and board.log.task == action and board.log.ended)
        assert board.log is not None
        return board.log.lines[-1].text

    assert "incomplete image (verify-failed); do the same again, it continues" in told_by("flash")
    assert "incomplete image since an earlier run, which “Flash” continues" in told_by("verify")


def test_a_reload_in_mid_flash_joins_again_and_closing_stops_nothing(
    page: Page, served: Served, firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, looked = PageFace.__call__, threading.Event()

    def held(face: PageFace, event: Event) -> None:
        """Half of it is written until somebody has looked."""
        take(face, event)
        if isinstance(event, Progress) and event.step == "write" and event.done > event.total / 2:
            looked.wait(END_S)

    monkeypatch.setattr(PageFace, "__call__", held)
    cells = SimBoard(tmp_path / "cells", more="&fill=random:3")
    board = served.add(cells.url, "esp12", firmware, boot="off")
    page.goto(served.address(board))
    flash(page)
    expect(page.locator(".verdict.running progress")).to_be_visible()
    page.reload()
    expect(page.locator(".verdict.running progress")).to_be_visible()
    page.goto("about:blank")
    looked.set()
    wait_until(lambda: board.log is not None and board.log.ended)
    assert board.log is not None
    assert board.log.outcome == "ok"
    page.goto(served.address(board))
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Flash")


UNLIKE = ("time", "port", "steps", "seal", "tools")
"""What differs between any two runs."""


def test_page_and_terminal_leave_equal_receipts(
    page: Page, served: Served, firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (SimBoard(tmp_path / name, more="&fill=random:5") for name in ("here", "there"))
    board = served.add(here.url, "esp12", firmware)
    page.goto(served.address(board))
    flash(page)
    expect(page.locator(".verdict.ok")).to_contain_text("OK: Flash")
    monkeypatch.setenv("FLASHPIPE_STATE", str(tmp_path / "other state"))
    other = make_project(tmp_path / "other", tmp_path / "other state")
    shutil.copy(firmware, other.folder)
    other.flashpipe("flash", "profile=esp12", f"image={firmware.name}", there.port).ok()
    (mine,) = (json.loads(path.read_text()) for path in (served.folder / ".pipeline").glob("receipts/*.json"))
    (theirs,) = other.receipts()
    assert [name for name, _ in mine["steps"]] == [name for name, _ in theirs["steps"]]
    for name in UNLIKE:
        mine.pop(name, None), theirs.pop(name, None)
    verdicts = [re.sub(r"\d+\.\d+", "", json.dumps(one.pop("verdict"))) for one in (mine, theirs)]
    assert verdicts[0] == verdicts[1]
    for one in (mine, theirs):
        one["device"].pop("port")
    assert mine == theirs


def test_without_a_profile_there_is_no_map_before_the_board_says_how_large_it_is(
    page: Page, served: Served, firmware: Path
) -> None:
    board = served.add(f"sim://nodemcu-devkit?{NEW}&board=sized")
    page.goto(served.address(board))
    page.get_by_label("Firmware file").set_input_files([payload("n.bin", firmware.read_bytes())])
    expect(page.locator("#flash")).to_contain_text("shows how large its flash is")
    expect(page.locator("svg.map")).to_have_count(0)
    page.locator("#do-identify").click()
    expect(page.locator("#flash")).to_contain_text("0x400000 (4 MB)")
    expect(page.locator("svg.map rect.write").first).to_be_visible()
