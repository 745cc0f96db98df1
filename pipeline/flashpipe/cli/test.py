"""`flashpipe test [FILE|DIR …]`: Lua test files on a board, a virtual one unless a port is named."""

from __future__ import annotations

import shlex
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.board.ports.names import is_virtual
from flashpipe.cli.arguments import take_variables
from flashpipe.errors import LuaTestError
from flashpipe.events import LuaTestDone
from flashpipe.jobs import sessions
from flashpipe.jobs.audience import Audience
from flashpipe.jobs.command_variables import TEST
from flashpipe.jobs.event_lines import test_facts
from flashpipe.masking import mask
from flashpipe.testing.board import Board
from flashpipe.testing.lua_tests import FILE_S, find_tests, prepare, run_tests
from flashpipe.testing.start import BoardDemand, start_board
from flashpipe.testing.tap import FAILED, PASSED, SKIPPED
from flashpipe.text.documents import put, render
from flashpipe.text.lines import ConsoleLines, print_result
from flashpipe.text.look import look
from flashpipe.units import parse_duration

BOARD: Final = ("profile", "port", "image", "baud", "reset")
"""Variables that say which board."""
LOG_LINES: Final = 12
"""Lines of the board's log that are shown of a file that failed."""
USAGE: Final = """usage: flashpipe test [FILE|DIR ...] [profile=NAME] [port=PORT] [image=FILE] [timeout=60s]
                      [junit=FILE] [events=FILE] [--json]

Run Lua test files on a board: test_*.lua of a folder (tests/ by default), each on a board that has just started. Other
Lua files beside them are sent to the board first. A file passes if it ends without an error; it may print results as
TAP, or use NodeMCU's NTest. The board is a virtual one of the profile's kind unless a port is named; it is flashed with
the profile's firmware and files. timeout= bounds each file, in the board's time.
"""


def main(argv: list[str]) -> int:
    """Run the tests; the exit status.

    Raises:
        LuaTestError: some failed.
        PipelineError: there are none, or no board for them.
    """
    if {"-h", "--help"} & set(argv):
        terminal.write(USAGE)
        return 0
    words = take_variables(argv, "test", TEST)
    names, given = words.rest, words.given
    look.json = given.get("format") == "json"
    folder = Path.cwd()
    tests = find_tests(names, folder)
    timeout_s = parse_duration(given["timeout"]) if "timeout" in given else FILE_S
    face = Audience(ConsoleLines())
    begun = time.monotonic()
    board = start_board(BoardDemand(folder, **{name: given.get(name, "") for name in BOARD}), face, face)
    sessions.install_handlers()  # the board's start leaves the signals to whoever runs the tests, pytest mostly
    try:
        prepare(board, tests, folder)
        done = run_tests(board, tests, folder, timeout_s, face)
        board.put_back()
    finally:
        board.close()
        sessions.remove_handlers()
    _show(done, board, time.monotonic() - begun, given)
    return 0


def _show(done: Sequence[LuaTestDone], board: Board, seconds: float, given: Mapping[str, str]) -> None:
    """What has failed, and how many have not; `given` are the variables of the command.

    Raises:
        LuaTestError: some have failed.
    """
    failed = [test for test in done if test.outcome == FAILED]
    counts = dict(Counter(test.outcome for test in done))
    facts = {"counts": counts, "tests": [test_facts(test) for test in done]}
    shown = put("test", {"port": board.port, "virtual": is_virtual(board.port), **facts})
    logged = set[str]()
    for test in () if shown else failed:
        why = f": {test.message}" if test.message != test.name else ""
        print_result(mask(f"FAILED  {test.file}: {test.name}{why}"))  # a build server keeps what is shown
        lines = [line for line in mask(test.log).splitlines() if line.strip() not in {"", ">"} and line.isascii()]
        lines = [line for line in lines[1:] if line.expandtabs().isprintable()][-LOG_LINES:]
        if lines and test.file not in logged:
            print_result(textwrap.indent("\n".join(lines), "  | "), end="\n")
        logged.add(test.file)
    if failed:
        files = list(dict.fromkeys(test.file for test in failed))
        more = f" in {len(files)} files" if len(files) > 1 else ""
        words = [f"{name}={shlex.quote(given[name])}" for name in (*BOARD, "timeout") if name in given]
        raise LuaTestError(
            f"{len(failed)} of {len(done)} tests failed{more} on {board.name}",
            f"`{' '.join(('flashpipe test', shlex.quote(files[0]), *words))}` runs one file alone",
        )
    if shown:
        print_result(render((), []))
        return
    skipped = f", {counts[SKIPPED]} skipped" if SKIPPED in counts else ""
    print_result(f"OK  {counts.get(PASSED, 0)} tests passed{skipped} on {board.name} ({seconds:.1f} s)")
