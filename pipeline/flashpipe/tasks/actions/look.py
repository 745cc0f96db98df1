"""The tasks `identify` and `monitor`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from flashpipe.jobs import identify as jobs
from flashpipe.jobs import monitor as monitors
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.crash_addresses import explainer
from flashpipe.tasks.command_line import preceding
from flashpipe.text.crash_names import CrashAnnotator
from flashpipe.text.device import describe
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result


def identify(board: BoardRun) -> None:
    """Say what is on the port."""
    device, fitting = jobs.identify(board)
    if not put("identify", {**asdict(device), "profiles": fitting}, device.port):
        print_result(describe(device, fitting))


def monitor(board: BoardRun) -> None:
    """Show what the board says, send what is typed."""
    names = CrashAnnotator(explainer(board.inputs, board.notify))
    typed = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else ()
    rate_given = "baud" in board.command.variables.given and not preceding("monitor")
    monitors.monitor(board, lambda text: print_result(names.show(text), end=""), typed, rate_given=rate_given)
