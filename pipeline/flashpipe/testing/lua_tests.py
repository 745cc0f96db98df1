"""Lua test files on a board: each begins on a clean one, and tells its results by TAP, by NTest, or by its end."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from flashpipe.errors import (
    BadValueError,
    BootError,
    ConsoleError,
    FilesFullError,
    LuaFileMissingError,
    LuaSyntaxError,
    PipelineError,
    PortError,
    without_port,
)
from flashpipe.events import Listener, LuaTestDone, Message, StepFailed, StepFinished, StepStarted
from flashpipe.jobs.lua_files import read_lua_file
from flashpipe.testing.board import Board
from flashpipe.testing.tap import FAILED, PASSED, SKIPPED, Tap, TapResult
from flashpipe.values import dataclass

FILE_S: Final = 60.0
"""How long a test file may take unless `timeout=` says otherwise."""
PATTERNS: Final = ("test_*.lua", "NTest_*.lua")
"""What in a folder is a test; other Lua files in it are sent to the board first, for tests to use."""
FOLDER: Final = "tests"
_NO_MEMORY: Final = re.compile(r"E:M \d+(?=\s)")
"""The SDK has so many bytes for nobody, as executed 3.0 says before Lua's `not enough memory`, or instead of it."""


@dataclass(frozen=True, slots=True)
class LuaTests:
    """What is to be run."""

    tests: tuple[Path, ...]
    helpers: tuple[Path, ...]
    """Lua files that the tests use."""


def find_tests(names: Sequence[str], folder: Path) -> LuaTests:
    """The tests that files and folders mean; without any, those of `tests/`.

    Raises:
        LuaFileMissingError: one is not there, or holds no tests.
        BadValueError: two test files, or helpers, have one name.
    """
    tests: dict[Path, None] = {}
    helpers: dict[str, Path] = {}
    for name in names or (FOLDER,):
        path = folder / name
        paths = sorted({one for pattern in PATTERNS for one in path.glob(pattern)}) if path.is_dir() else [path]
        if not path.exists() or not paths:
            what = "there are no tests test_*.lua in it" if path.is_dir() else "there is no such file or folder"
            raise LuaFileMissingError(
                f"{name}: {what}", "name a folder with test_*.lua, or files; `flashpipe new` shows one"
            )
        tests |= dict.fromkeys(paths)
        beside = path if path.is_dir() else path.parent
        for helper in sorted(set(beside.glob("*.lua")) - {one for pattern in PATTERNS for one in beside.glob(pattern)}):
            if helpers.setdefault(helper.name, helper) != helper and helper not in tests:
                raise BadValueError(
                    f"{helper} and {helpers[helper.name]} would both be {helper.name} on the board", "rename one"
                )
    return LuaTests(tuple(tests), tuple(path for path in helpers.values() if path not in tests))


def prepare(board: Board, tests: LuaTests, folder: Path) -> None:
    """Send what the tests use; on a virtual board it belongs to where each test begins.

    Raises:
        PipelineError: a file cannot be read, or not be sent; it is named from `folder`.
    """
    if not tests.helpers:
        return
    for path in tests.helpers:
        _put(board, path, folder)
    board.snapshot()


def _put(board: Board, path: Path, folder: Path) -> None:
    try:
        board.files.put(path.name, read_lua_file(path, path.name, path.parent).data)
    except LuaSyntaxError as error:
        raise LuaSyntaxError.of_file(_shown(path, folder), error.mistake) from error


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _placed(message: str, called: str, name: str) -> str:
    """A message of the board, which knows a file by what it is `called` there, with the file's own name."""
    return f"{name}{message.removeprefix(called)}" if message.startswith(f"{called}:") else message


def run_tests(board: Board, tests: LuaTests, folder: Path, timeout_s: float, listener: Listener) -> list[LuaTestDone]:
    """Run every file, each on a board as it was at first.

    Args:
        board: Prepared.
        tests: To be run.
        folder: The names of files are relative to it.
        timeout_s: For each file.
        listener: Hears of each file and each result.

    Raises:
        PortError: the port has gone.
        PipelineError: the board does not start any more.
    """
    outcomes = []
    for path in tests.tests:
        name = _shown(path, folder)
        listener(StepStarted(board.port, "test", name))
        begun = time.monotonic()
        results = list(_run_file(board, path, timeout_s))
        seconds = time.monotonic() - begun
        done = [
            LuaTestDone(
                board.port, name, one.name, one.outcome, _placed(one.message, path.name, name), seconds / len(results),
                board.log if one.outcome == FAILED else "",
            )
            for one in results
        ]  # fmt: skip
        for test in done:
            listener(test)
        _tell_end(listener, board.port, name, done, seconds)
        outcomes += done
    return outcomes


def _tell_end(listener: Listener, port: str, name: str, results: Sequence[LuaTestDone], seconds: float) -> None:
    counts = Counter(test.outcome for test in results)
    summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (PASSED, SKIPPED, FAILED) if counts[outcome])
    if not counts[FAILED]:
        listener(StepFinished(port, "test", seconds, f"{name}: {summary}"))
        return
    listener(StepFailed(port, "test", seconds))
    listener(Message(port, f"test     {name}: {summary}"))


def _run_file(board: Board, path: Path, timeout_s: float) -> Iterator[TapResult]:
    """What became of one file: what it told, and what it did not."""
    data = read_lua_file(path, path.name, path.parent).data
    board.fresh()
    output: list[str] = []
    error = ""
    try:
        ran = board.run(data, path.name, timeout_s, lambda text: Tap(text).finished, output.append)
        error = ran.error
        if not ran.ended and not error:
            error = f"it did not come to its end within {timeout_s:g} s of the board's time"
    except (PortError, FilesFullError):
        raise
    except (BootError, ConsoleError) as failure:
        error = _without_port(failure, board)
    if error and (asked_for := _NO_MEMORY.search(board.log)):
        error += f"; its memory was used up ({asked_for[0]}): compiled files (.lc) and LFS need less"
    tap = Tap("".join(output))
    yield from tap.results
    if tap.bailed is not None:
        yield TapResult(path.stem, FAILED, f"it gave up: {tap.bailed}")
    elif error or tap.missing:
        yield TapResult(path.stem, FAILED, "; ".join(filter(None, (error, tap.missing))))
    elif not tap.results:
        yield TapResult(path.stem, PASSED)


def _without_port(error: PipelineError, board: Board) -> str:
    return without_port(error.without(board.port), board.name)
