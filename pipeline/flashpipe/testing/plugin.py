"""pytest's plug-in: the fixture `board`. It loads nothing else of this package before that fixture is used."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from flashpipe.testing.board import Board

OPTIONS: Final = {
    "profile": "profile of the board; default: the only one of the project",
    "port": "serial port or URL of a real board; default: a virtual board of the profile's kind",
    "image": "firmware in place of the profile's",
}
"""Each is `--flashpipe-NAME`, and `flashpipe_NAME` in the ini file."""
_BOARD: Final = pytest.StashKey[Any]()
_NAME_LENGTH: Final = 120


def pytest_addoption(parser: pytest.Parser) -> None:
    """Enter the options."""
    group = parser.getgroup("flashpipe", "tests on an ESP8266 board")
    for name, text in OPTIONS.items():
        group.addoption(f"--flashpipe-{name}", default=None, metavar=name.upper(), help=text)
        parser.addini(f"flashpipe_{name}", text, default="")


def asked(config: pytest.Config, name: str) -> str:
    """What the command line says, or else the ini file."""
    given = config.getoption(f"--flashpipe-{name}")
    return str(config.getini(f"flashpipe_{name}") if given is None else given)


@pytest.fixture(scope="session")
def flashpipe_board(pytestconfig: pytest.Config) -> Iterator[Board]:
    """The board of this session, flashed and booted once; tests use `board`."""
    board, refusal = _start(pytestconfig)
    if board is None:
        pytest.fail(refusal, pytrace=False)
    yield board
    board.close()


def _start(config: pytest.Config) -> tuple[Board | None, str]:
    """The board, or why there is none."""
    start = import_module("flashpipe.testing.start")
    errors = import_module("flashpipe.errors")
    progress: list[str] = []
    try:
        return (
            start.start_board(
                start.BoardDemand(config.rootpath, **{name: asked(config, name) for name in OPTIONS}),
                lambda event: progress.append(str(getattr(event, "text", ""))),
            ),
            "",
        )
    except errors.PortBusyError as error:
        return None, f"{error}\n  one process has a port: run these tests with -n 0"
    except errors.PipelineError as error:
        return None, "\n".join([*filter(None, progress), str(error)])


@pytest.fixture
def board(flashpipe_board: Board, request: pytest.FixtureRequest) -> Iterator[Board]:
    """A flashed, booted board at its prompt; each test finds it as the first one did."""
    request.node.stash[_BOARD] = flashpipe_board
    flashpipe_board.fresh()
    yield flashpipe_board
    flashpipe_board.put_back()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that has failed shows what the board said, and keeps it."""
    report = yield
    board = item.stash.get(_BOARD, None)
    if report.failed and board is not None and report.when == "call":
        text = import_module("flashpipe.masking").mask(board.log)
        report.sections.append(("board log", text + _kept(item, text)))
    return report


def _kept(item: pytest.Item, text: str) -> str:
    """Write the log beside the project's records; where it lies, for the report."""
    folders = import_module("flashpipe.records.project_folder")
    files = import_module("flashpipe.files")
    errors = import_module("flashpipe.errors")
    try:
        records: Path = folders.make_folder(folders.records_folder(folders.find_project(item.config.rootpath)))
        name = re.sub(r"[^\w.=-]+", "-", item.nodeid).strip("-")[-_NAME_LENGTH:]
        path = records / "tests" / f"{name}.log"
        files.write_atomic(path, text.encode("utf-8", "replace"))
    except (OSError, errors.PipelineError) as error:
        return f"\n(not kept: {error})"
    return f"\n(kept as {path})"
