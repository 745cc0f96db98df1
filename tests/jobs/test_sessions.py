"""The handlers of stop requests as guests of a process: what they leave alone, and that they go again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.jobs import sessions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    sessions.remove_handlers()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_go_as_they_came() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sessions.install_handlers()
    sessions.install_handlers()
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    sessions.remove_handlers()
    sessions.remove_handlers()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell does to a command in the background
    sessions.install_handlers()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_can_be_ended_as_any_process() -> None:
    code = (
        "import os, signal, time\n"
        "from flashpipe.jobs import sessions\n"
        "sessions.install_handlers()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    time.sleep(20)\n"
        "    os._exit(0)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.waitpid(child, 0)[1] == signal.SIGTERM)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "pipeline"), "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr
    assert done.returncode == 143
    assert done.stderr == "stopped: nothing was being written\n"
