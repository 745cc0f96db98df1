"""The monitor gives its port to a flash started elsewhere, shows it, and comes back without resetting the board."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.jobs.monitor import RateDoubt, Screen
from hypothesis import given
from hypothesis import strategies as st

from tests.elfs import make_elf
from tests.harness import Project
from tests.simboard import SimBoard

pytest.importorskip("pty", reason="no pseudo terminals on this system")


@pytest.fixture
def served(project: Project, tmp_path: Path) -> Iterator[str]:
    """A board on an RFC 2217 server: it lives on while its clients change."""
    words = ["board", "nodemcu-devkit", "--rfc2217", "0", "--flash", str(tmp_path / "flash")]
    process = subprocess.Popen(
        [sys.executable, "-m", "flashpipe.cli.main", *words, "--option", f"record={tmp_path / 'record'}"],
        env=project.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_the_monitor_steps_aside_for_a_flash_and_comes_back(
    project: Project, served: str, firmware: Path, tmp_path: Path
) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    with Running(project, "doit", "monitor", f"port={served}") as terminal:
        terminal.until("Ctrl-C ends it")
        project.doit("monitor", f"port={served}").failed("port-busy")
        assert "given to" not in terminal.shown
        project.doit("flash", "profile=nodemcu-devkit", f"port={served}", f"image={firmware}").ok()
        shown = terminal.until("free again")
        assert "given to pid" in shown
        assert "(doit flash profile=nodemcu-devkit)" in shown
        assert "| write " in shown
        assert "| boot     " in shown
        assert "-flashed.json" in shown
        begun = len((tmp_path / "record").read_text().splitlines())
        terminal.type("print('back' .. ' again')\n")
        terminal.expect("back again\n> ")
        terminal.type("\x03")
        assert terminal.end() == 0
    notes = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()[begun - 3 :]]
    assert [note for note in notes if note.get("who") == "board"]
    assert not [note for note in notes if note.get("what") == "lines" and "1" in note["value"]], "it was not reset"


def test_a_flash_that_fails_is_shown_too(project: Project, served: str, firmware: Path) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    with Running(project, "doit", "monitor", f"port={served}") as terminal:
        terminal.until("Ctrl-C ends it")
        project.doit("flash", "profile=esp01", f"port={served}", f"image={firmware}").failed("wrong-flash-size")
        assert "[code: wrong-flash-size]" in terminal.until("free again")
        terminal.type("\x03")
        assert terminal.end() == 0


def test_flash_and_monitor_share_a_session_and_lose_nothing_of_the_boot_log(
    project: Project, tmp_path: Path, firmware: Path
) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    board = SimBoard(tmp_path / "flash", more=f"&record={tmp_path / 'record'}")
    words = ["flash", "monitor", "profile=nodemcu-devkit", board.port, f"image={firmware}"]
    with Running(project, "doit", *words) as terminal:
        terminal.until("Ctrl-C ends it")
        terminal.until("powered by Lua")
        terminal.type("\x03")
        assert terminal.end() == 0
    (receipt,) = project.receipts()
    shown = terminal.shown.partition("Ctrl-C ends it\n")[2]
    for line in filter(None, map(str.strip, receipt["verdict"]["log"].splitlines())):
        assert line in shown
    assert "ets Jan  8 2013" in shown
    resets = [line for line in (tmp_path / "record").read_text().splitlines() if '"lines"' in line and "rts=1" in line]
    assert len(resets) <= 3, "once into the loader, once into the application"


def test_a_board_at_another_rate_is_noticed_and_can_be_read(project: Project, tmp_path: Path) -> None:
    from tests.running import Running  # noqa: PLC0415  needs a pty

    board = SimBoard(tmp_path / "flash", more="&app.trouble=chatter&app.baud=57600")
    with Running(project, "doit", "monitor", board.port) as terminal:
        terminal.until("no text at 115200 baud: `flashpipe monitor baud=")
        terminal.type("\x03")
        assert terminal.end() == 0
    with Running(project, "doit", "monitor", board.port, "baud=57600") as terminal:
        assert "57600 baud; Ctrl-C ends it" in terminal.until("Ctrl-C ends it")
        terminal.until("temperature 21.5")
        terminal.type("\x03")
        assert terminal.end() == 0
    assert "no text" not in terminal.shown


@given(text=st.text("abcdefgh ijk\r\n", min_size=30), noise=st.binary(min_size=1, max_size=40))
def test_text_is_never_doubted_nor_is_a_burst_of_noise(text: str, noise: bytes) -> None:
    doubt = RateDoubt()
    for second in range(20):
        assert not doubt.hear(noise, float(second))
        assert not doubt.hear(b"\r\n0123456789 some words\r\n" + text.encode(), second + 0.1)


def test_noise_that_goes_on_is_doubted_once() -> None:
    doubt = RateDoubt()
    noise = bytes(range(0x80, 0x90))
    assert [doubt.hear(noise, second * 0.5) for second in range(12)].index(True) == 6
    assert not any(doubt.hear(noise, 6 + second * 0.5) for second in range(12))


def test_a_crash_names_its_functions_where_the_profile_names_an_elf(
    project: Project, tmp_path: Path, firmware: Path
) -> None:
    (project.folder / "app.elf").write_bytes(make_elf(0x1000))
    (project.folder / "kitchen.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}, elf: app.elf}}\n"
    )
    board = SimBoard(tmp_path / "flash", more="&app.trouble=exception&app.crash-s=1")
    done = project.doit("flash", "profile=kitchen", board.port).failed("boot-exception")
    assert "0x40100f2c is in call_user_start+0xf2c" in done.text
    (project.folder / "app.elf").write_bytes(make_elf(0x1000, code=((0x40220000, bytes(16)),)))
    done = project.doit("flash", "profile=kitchen", board.port).failed("boot-exception")
    assert "app.elf is not of this image; places are not named" in done.text
    assert "call_user_start" not in done.text
    (project.folder / "app.elf").unlink()
    done = project.doit("flash", "profile=kitchen", board.port).failed("boot-exception")
    assert "places of crashes are not named" in done.text


def test_an_echo_is_not_shown_again_but_all_else_is() -> None:
    screen = Screen()
    screen.typed("print(1)")
    assert screen.show(b"pri") + screen.show(b"nt(1)\r\n1\r\n> ") == "1\n> "
    screen.typed("print(1)")
    assert screen.show(b"private\r\n") == "private\n", "no echo after all"
    screen.typed("x")
    assert screen.show(b"x> ") == "> ", "an echo without its line end"


def test_garbage_cannot_switch_the_terminal_and_letters_may_be_cut() -> None:
    screen = Screen()
    assert screen.show(b"\x1b(0\x0e\x07\x00a\xc3") + screen.show(b"\xa9\r\n") == "(0aé\n"
