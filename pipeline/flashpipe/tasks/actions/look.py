"""The tasks `identify` and `monitor`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from flashpipe.jobs import identify as jobs
from flashpipe.jobs import monitor as monitors
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.crash_addresses import explainer
from flashpipe.jobs.monitor_watch import Watch
from flashpipe.tasks.command_line import preceding
from flashpipe.tasks.several import print_table_of
from flashpipe.text.crash_names import CrashAnnotator
from flashpipe.text.device import describe
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result
from flashpipe.text.serial_log import Stamps, opened_log
from flashpipe.units import format_size


def identify(board: BoardRun) -> None:
    """Say what is on the port."""
    device, fitting = jobs.identify(board)
    if not put("identify", {**asdict(device), "profiles": fitting}, device.port):
        print_table_of(board, describe(device, fitting))
    size = format_size(device.flash_size) if device.flash_size else "size unknown"
    mac = f"MAC {device.mac}, " if board.command.profile_name else ""  # else the line begins with it
    board.ended("identify", f"{device.chip}, {mac}{device.flash_part}, {size}")


def monitor(board: BoardRun) -> None:
    """Show what the board says, send what is typed."""
    names = CrashAnnotator(explainer(board.inputs, board.notify))
    typed = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else ()
    variables = board.command.variables
    rate_given = "baud" in variables.given and not preceding("monitor")
    watch, stamped = Watch(variables), Stamps() if variables.flag("stamp") else None
    begun = False
    with opened_log(board.command.caller, variables.text("log")) as log:

        def show(text: str) -> None:
            nonlocal begun
            watch.hear(text)
            begun = not text.endswith("\n") if text else begun
            shown = stamped.put(names.show(text)) if stamped else names.show(text)
            print_result(shown, end="", kept="\b")
            log(shown)

        try:
            rates = monitors.monitor(board, show, typed, rate_given=rate_given, ended=watch.ended)
        finally:
            if begun:  # what is told now begins a line
                print_result("")
    watch.conclude(rates)
    if watch.machine:
        board.ended("monitor", watch.summary())
