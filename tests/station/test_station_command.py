"""`flashpipe station` as it is typed: on a terminal with a keyboard, and in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.jobs.station_screen import screen_files, seen_stations

from tests.benches import address
from tests.harness import Done
from tests.station.conftest import Shop
from tests.terminal import Terminal

Command = Callable[..., Done]


def port(shop: Shop, mac: int) -> str:
    """A virtual board whose flash is a file, behind a link that is its socket."""
    return f"sim://nodemcu-devkit?flash={shop.folder / str(mac)}.flash&mac={address(mac)}&execute=off&fill=ff"


def test_in_a_pipe_each_port_gets_one_board_and_the_status_tells(shop: Shop, command: Command) -> None:
    more = "&inline=1"
    ports = f"port={port(shop, 1)}{more},{port(shop, 2)}{more}&fault=absent"
    done = command("station", "profile=sensor", "batch=b", "serial=SN{n:03}", ports)
    assert done.status == 20
    assert re.search(rf"^PASS +nodemcu-devkit +{address(1)} +SN001 ", done.out, re.MULTILINE)
    assert re.search("^FAIL +nodemcu-devkit 2 +no answer", done.out, re.MULTILINE)
    assert "1 good · 1 bad · yield 50%" in done.out
    (screen,) = seen_stations(screen_files(shop.records))
    assert [port.state for port in screen.view.ports] == ["pass", "fail"]
    assert (screen.alive, screen.say("state.pass")) == (False, "PASS")
    again = command("station", "batch=b", f"port={port(shop, 1)}{more}").ok()
    assert "goes on" in again.err
    assert "SN001" in again.out, "the batch remembers its words, and the board its number"
    (shop.folder / "u.csv").write_text("serial\nA1\n")
    for other in ("units=u.csv", "serial=X{n}"):
        refused = command("station", "batch=b", other, f"port={port(shop, 1)}{more}").failed("lock-mismatch").err
        assert f"units is {other.partition('=')[2]}, was SN{{n:03}}" in refused
    assert len(shop.batch("b").state.all_attempts()) == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["profil=sensor"], "unknown-variable"),
        (["profile=sensor", "tries=0"], "bad-value"),
        (["profile=sensor", "next=key"], "bad-value"),
        (["profile=sensor", "units="], "bad-value"),
        (["profile=sensor", "--zpl", ""], "bad-value"),
        (["profile=sensor", "next=soon"], "bad-value"),
        (["profile=sensor", "sound=loud"], "bad-value"),
        (["profile=sensor", "batch=a/b"], "bad-value"),
        (["profile=sensor", "profile=sensor"], "bad-value"),
        (["sensor", "other"], "bad-value"),
        (["profile=sensor", "units=none.csv"], "units"),
        (["profile=sensor", "units=u.csv", "serial={n}"], "bad-value"),
        (["profile=sensor", "port=sim://a,sim://a"], "bad-value"),
        (["profile=sensor", "texts=none.txt"], "bad-value"),
        (["profile=none"], "unknown-profile"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_a_board_is_touched(
    shop: Shop, command: Command, words: list[str], code: str
) -> None:
    done = command("station", *words).failed(code)
    assert len([line for line in done.err.splitlines() if line.startswith("error")]) == 1
    assert not (shop.records / "receipts").exists()


def test_a_terminal_has_a_panel_and_keys_and_is_left_as_it_was(shop: Shop) -> None:
    slot = shop.folder / "slot1"
    environment = {**shop.project.environment(), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    words = ("station", "profile=sensor", "batch=b", f"port={slot}", "reset=none")
    with Terminal(shop.folder, environment, "flashpipe.cli.main", *words) as terminal:
        terminal.expect("end of shift")
        with board_behind(slot, shop, 1):
            terminal.expect("PASS")
        terminal.expect("next board")
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.sane
    assert "1 good" in terminal.shown


def test_ctrl_c_ends_a_station_and_gives_the_terminal_back(shop: Shop) -> None:
    environment = {**shop.project.environment(), "TERM": "xterm"}
    words = ("station", "profile=sensor", "batch=b", f"port={shop.folder / 'slot'}")
    with Terminal(shop.folder, environment, "flashpipe.cli.main", *words) as terminal:
        terminal.expect("end of shift")
        terminal.type("\x03")
        assert terminal.end() == 128 + signal.SIGINT
        assert terminal.sane
        assert terminal.shown.rindex("\x1b[?25h") > terminal.shown.rindex("\x1b[?25l"), "the cursor is shown again"
        assert terminal.shown.rindex("stopped:") > terminal.shown.rindex("end of shift"), "nothing is drawn over it"


class board_behind:  # noqa: N801  a context, as the ones of contextlib
    """A virtual board on a pseudo-terminal, to which a link leads as long as the body runs."""

    def __init__(self, link: Path, shop: Shop, mac: int) -> None:
        self._link = link
        flash = shop.folder / f"{mac}.flash"
        words = ["board", "nodemcu-devkit", "--pty", "--flash", str(flash), "--mac", address(mac), "--fill", "ff"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flashpipe.cli.main", *words, "--execute", "off"],
            env={**os.environ, **shop.project.environment()},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"/dev/\S+", line)
        assert found, line
        self._link.symlink_to(found[0])

    def __exit__(self, *_: object) -> None:
        self._link.unlink()
        self._process.terminate()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
