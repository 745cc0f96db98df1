"""Stops: the terminal that is closed, and monitors of several ports."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.harness import Project
from tests.running import Running
from tests.simboard import SimBoard

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals on this system")


def test_a_closed_terminal_ends_a_flash_with_a_message_and_a_receipt(
    project: Project, tmp_path: Path, firmware: Path
) -> None:
    board = SimBoard(tmp_path / "cells", more="&time=3")
    words = ("flash", "profile=nodemcu-devkit", board.port, f"image={firmware}", "boot=off", "check=md5")
    with Running(project, "flashpipe", *words) as run:
        run.until("probe")
        run.signal(signal.SIGHUP)
        run.until("stopped: board ")
        assert run.end() == 128 + signal.SIGHUP
    assert project.receipts()[-1]["outcome"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_a_monitor_of_several_ports(project: Project, number: signal.Signals) -> None:
    with Running(project, "flashpipe", "monitor", "port=sim://esp12,sim://esp01,sim://esp07") as run:
        for name in ("esp12", "esp01", "esp07"):
            run.until(f"monitor on sim://{name}")
        run.signal(number)
        if number != signal.SIGINT:
            run.until("stopped: ")
        assert run.end() == (0 if number == signal.SIGINT else 128 + number)


def test_a_closed_terminal_ends_a_test_with_a_message(project: Project, firmware: Path) -> None:
    (project.folder / "test_ever.lua").write_text('print("# begun") while true do tmr.wdclr() end\n')
    words = ("test_ever.lua", "profile=nodemcu-devkit", f"image={firmware}")
    with Running(project, "flashpipe", "test", *words) as run:
        run.until("test_ever.lua ")
        run.signal(signal.SIGHUP)
        run.until("stopped: ")
        assert run.end() == 128 + signal.SIGHUP
