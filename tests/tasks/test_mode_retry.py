"""A board that does not start in its profile's flash mode, where the profile allows to try others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flashpipe.flasher.fit_to_board import start_digest

from tests.harness import Done, Project
from tests.simboard import SimBoard

MODE_BYTE = 2


def flash(project: Project, firmware: Path, board: SimBoard, mode: str, retry: str = "true") -> Done:
    (project.folder / "kitchen.yaml").write_text(
        f"extends: esp12\nflash: {{mode: {mode}}}\nfirmware: {{image: {firmware}}}\nmode_retry: {retry}\n"
    )
    return project.flashpipe("flash", "profile=kitchen", board.port)


def test_the_mode_in_which_the_board_starts_wins(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash", name="d1-mini-clone")
    done = flash(project, firmware, board, "qio").ok()
    assert board.holds(firmware, b"\x03\x40"), "nothing but the mode is another"
    (receipt,) = project.receipts()
    assert receipt["outcome"] == "flashed"
    assert [line for line in done.text.splitlines() if "header only" in line] == [
        "the board does not start in qio: trying dio, header only (mode_retry)",
        "the board does not start in qio: trying dout, header only (mode_retry)",
    ]
    advice = "it starts in dout, not in qio: the profile should say `flash: {mode: dout}`"
    assert advice in done.text
    assert ", in flash mode dout and not in qio" in done.out
    assert receipt["reason"].endswith(advice)
    assert receipt["verdict"]["kind"] in {"prompt", "banner"}
    (entry,) = project.journal()
    assert (entry["state"], entry["passed"]) == ("clean", True)
    start = board.cells()[:0x1000]
    assert entry["held"][0]["sectors"][:32] == hashlib.md5(start, usedforsecurity=False).hexdigest()
    assert entry["firmware"]["start"] == start_digest(start), "or the next run takes it for a stranger"
    again = flash(project, firmware, board, "dout", "false").ok()
    assert not again.wrote, "with the advice taken, the board holds the plan"


def test_a_board_that_starts_in_no_mode_gets_its_header_back(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash", name="d1-mini-clone", more="&app.trouble=exception")
    done = flash(project, firmware, board, "dio").failed("boot-exception")
    assert "it starts in none of dio, dout: the header is as it was" in done.text
    assert board.cells()[MODE_BYTE] == 2
    (entry,) = project.journal()
    assert (entry["state"], entry["passed"]) == ("clean", False)


def test_a_board_that_starts_is_not_written_again(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash", name="esp12")
    assert "header only" not in flash(project, firmware, board, "qio").ok().text
    assert board.cells()[MODE_BYTE] == 0


def test_without_leave_no_mode_is_tried(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash", name="d1-mini-clone")
    done = flash(project, firmware, board, "dio", "false").failed("boot-wrong-mode")
    assert "header only" not in done.text
    assert board.cells()[MODE_BYTE] == 2
