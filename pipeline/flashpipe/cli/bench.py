"""`flashpipe bench port=PORT`: how fast this adapter, cable and board are."""

from __future__ import annotations

import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.arguments import take_variables
from flashpipe.cli.project import project_here
from flashpipe.jobs import sessions
from flashpipe.jobs.audience import Audience
from flashpipe.jobs.bench import measure
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.command_variables import BENCH
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.text import bench as text
from flashpipe.text.documents import put, render
from flashpipe.text.lines import ConsoleLines, print_result
from flashpipe.text.look import look

USAGE: Final = """usage: flashpipe bench [port=PORT] [profile=NAME] [reset=none|manual] [yes=1] [--json]

Measure this adapter, cable and board: how long connecting takes, which rates hold, whether a faster clock of the
flash does, what writing and verifying 256 KB takes, what esptool takes for the same, and how long the board boots.
256 KB in the middle of its flash are written several times; it asks before. What stands there is backed up first, and
put back at the end. The table names neither the board's MAC nor the port: it is fit for an issue.
"""


def main(argv: list[str]) -> int:
    """Measure, and print the table; the exit status.

    Raises:
        PipelineError: not agreed to, or a board that cannot be reached, read or written.
    """
    if {"-h", "--help"} & set(argv):
        terminal.write(USAGE)
        return 0
    words = take_variables(argv, "bench", BENCH)
    given = words.with_bare("port", words.rest)
    look.json = given.get("format") == "json"
    here = Path.cwd()
    face = Audience(ConsoleLines())
    inputs = RunInputs(CommandLine(project_here(), here, check(given)), listener=face)
    sessions.install_handlers()
    board = BoardRun(inputs, given.get("port", ""), face)
    try:
        with board.turn():
            figures = measure(board)
            board.let_run()
    finally:
        sessions.close_all()
    if put("bench", text.facts(figures), board.port()):
        print_result(render((), []))
        return 0
    about = f"flashpipe {metadata.version('flashpipe')}, {platform.system()}, {time.strftime('%Y-%m-%d')}"
    print_result("\n" + text.table(figures, about))
    return 0
