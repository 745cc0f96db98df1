"""`doit node`: what a running firmware says of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Done, Project
from tests.nodemcus import board, image

Command = Callable[..., Done]


def test_node_says_what_runs_and_what_the_flash_is(tmp_path: Path, project: Project) -> None:
    done = project.doit("node", f"port={board(tmp_path, image('3.0'))}", "profile=nodemcu-devkit").ok()
    for words in (
        "NodeMCU 3.0.0.0, branch release",
        "float numbers, no SSL",
        "file node tmr wifi",
        "Winbond W25Q32, ID ef/4016, dio, 40 MHz",
        "4 MB by the image header, 4 MB by the chip, 4 MB by the profile\n",
        "0x00000a, the end of the MAC",
    ):
        assert words in done.out
    assert not project.receipts()


@pytest.mark.parametrize(("line", "words"), [("0.9", "NodeMCU 0.9.5"), ("1.5", "NodeMCU 1.5.4.1"), ("2.2", "2.2.1")])
def test_older_lines_are_asked_in_their_own_way(line: str, words: str, tmp_path: Path, command: Command) -> None:
    done = command("node", f"port={board(tmp_path, image(line))}").ok()
    assert words in done.out
    assert f"console  {9600 if line == '0.9' else 115200} baud" in done.out


def test_sizes_that_disagree_are_named(tmp_path: Path, command: Command) -> None:
    done = command("node", f"port={board(tmp_path, image('2.2'), size=0x20)}", "profile=nodemcu-devkit").ok()
    assert "1 MB by the image header, 4 MB by the chip, 4 MB by the profile  (they disagree" in done.out


def test_a_board_without_lua_is_told_as_such(tmp_path: Path, command: Command) -> None:
    url = f"sim://nodemcu-devkit?flash={tmp_path}/blank.bin&fill=ff"
    failed = command("node", f"port={url}").failed("no-lua-prompt")
    assert failed.status == 36
    assert "no image" in failed.text
