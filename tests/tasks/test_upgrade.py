"""One board through the lines of NodeMCU, with a file on it: kept, or its loss announced; and it boots each time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.session.session import Session

from tests.harness import Done, Project
from tests.simboard import SimBoard

CLOUD_22, CLOUD_30 = "nodemcu-2.2-cloud-float.bin", "nodemcu-3.0-cloud-float.bin"
FINAL_15, PAIR_30 = "nodemcu-1.5.4.1-split/combined.bin", "nodemcu-3.0-split"
TEXT = "kept through the years"
WRITE = f'file.open("mine.txt","w") file.write("{TEXT}") file.close() print("do".."ne")'
JOIN = 'wifi.setmode(1) wifi.sta.config({ssid="here",pwd="12345678",auto=false})'
CONFIGURED = 'print("ssid", wifi.sta.getdefaultconfig())'
READ = (
    'if file.open("mine.txt") then print("<"..file.read()..">") file.close() else print("<none>") end print("do".."ne")'
)


@pytest.fixture(autouse=True, scope="module")
def predicted() -> None:
    """Not here: in this module the firmware is executed."""


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "board.flash")


def lua(board: SimBoard, statement: str) -> str:
    """Boot the board and run a line of Lua; what it answers."""
    session, stop, heard = Session(board.url), threading.Event(), b""
    limit = threading.Timer(20, stop.set)
    limit.start()
    try:
        boot_check(session, timeout_s=30, wait_for="> ", patient=True)
        session.send(statement.encode() + b"\r\n")
        for data in session.listen(115200, stop):
            heard += data
            if b"\ndone" in heard:
                break
    finally:
        limit.cancel()
        session.close()
    return heard.decode("latin-1")


def words(folder: Path, name: str) -> str:
    if name == PAIR_30:
        return f"image=0x00000:{folder / name / '0x00000.bin'},0x10000:{folder / name / '0x10000.bin'}"
    return f"image={folder / name}"


@pytest.mark.images
def test_a_file_of_1_5_is_lost_as_announced_and_one_of_2_2_survives_through_3_0_to_the_new_layout(
    project: Project, board: SimBoard, real_images: Path, command: Callable[..., Done]
) -> None:
    flash = ("flash", "profile=nodemcu-devkit", board.port)
    first = command(*flash, words(real_images, FINAL_15)).ok()
    assert "kept:" not in first.text, "a factory board has nothing to keep"
    assert "done" in lua(board, WRITE)

    shown = command("plan", "profile=nodemcu-devkit", board.port, words(real_images, CLOUD_22)).ok()
    done = command(*flash, words(real_images, CLOUD_22)).ok()
    for text in (shown.text, done.text):
        assert "the SDK line changes (1.5.4.1 -> 2.x)" in text
        assert "lost: file system at 0x080000..0x3fa000" in text
        assert "SDK parameters with Wi-Fi settings at 0x3fd000..0x400000" in text
    assert "the firmware is formatting its file system" in done.text, "as was foretold"
    assert f"backed up as {project.receipts()[-1]['keeping']['backup']};" in done.text
    assert "<none>" in lua(board, READ)
    assert "done" in lua(board, f"{JOIN} {WRITE}")

    for name, change, keeps in (
        (CLOUD_30, "the SDK line changes (2.x -> 3.x)", "(its place goes into the new partition table)"),
        (PAIR_30, "the flash layout changes (3.x-old -> 3.x-new)", "kept: file system at 0x090000..0x3fa000"),
    ):
        shown = command("plan", "profile=nodemcu-devkit", board.port, words(real_images, name)).ok()
        done = command(*flash, words(real_images, name)).ok()
        for text in (shown.text, done.text):
            assert change in text
            assert keeps in text, text
            assert "lost: file system" not in text
        verdict = project.receipts()[-1]["verdict"]
        assert verdict["kind"] == "prompt"
        assert "Formatting" not in str(verdict)
        heard = lua(board, f"{CONFIGURED} {JOIN} {READ}")
        assert f"<{TEXT}>" in heard, name
        assert "ssid\there" in heard, "SDK 3.0.1 has them at the end of the flash, wherever the table says"
    again = command(*flash, words(real_images, PAIR_30)).ok()
    assert not again.wrote, "what was kept is no reason to write again"
    keeping = [receipt["keeping"] for receipt in project.receipts() if receipt["outcome"] == "flashed"]
    assert [item["what"] for item in keeping[1]["lost"]] == ["spiffs"]
    assert [found.get("board") for found in keeping] == ["factory", "line", "line", "moves"]
    assert {item["what"]: item["how"] for item in keeping[2]["kept"]} == {"spiffs": "table", "system_params": "left"}
    assert keeping[2]["lost"] == []


@pytest.mark.images
def test_files_that_cannot_stay_are_backed_up_and_their_loss_announced(
    project: Project, board: SimBoard, real_images: Path, command: Callable[..., Done]
) -> None:
    flash = ("flash", "profile=nodemcu-devkit", board.port)
    command(*flash, words(real_images, CLOUD_30)).ok()
    assert "done" in lua(board, WRITE)
    held = board.cells()

    (project.folder / "mine.yaml").write_text("extends: nodemcu-devkit\nkeep: [spiffs]\n")
    refused = command("flash", "profile=mine", board.port, words(real_images, PAIR_30))
    refused.failed("would-lose-data")
    assert refused.status == 13
    assert board.cells()[:0x7C000] == held[:0x7C000], "refused before the first erase"
    assert project.receipts()[-1]["outcome"] == "would-lose-data"

    done = command(*flash, words(real_images, PAIR_30)).ok()
    assert "lost: file system at 0x07c000..0x400000" in done.text
    assert project.receipts()[-1]["verdict"]["kind"] == "prompt"
    keeping = project.receipts()[-1]["keeping"]
    assert f"backed up as {keeping['backup']};" in done.text
    assert "<none>" in lua(board, READ), "a new file system, no half of the old one"

    from flashpipe.records.backup_index import find  # noqa: PLC0415

    store, manifest = find(project.folder / ".pipeline" / "backups", keeping["backup"])
    (files,) = [region for region in manifest.regions if region.start == 0x7C000]
    assert TEXT.encode() in store.content(manifest, files)
