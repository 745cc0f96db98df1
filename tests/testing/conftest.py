from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.testing.board import Board
from flashpipe.testing.start import BoardDemand, start_board

from tests import harness

PROFILE = """
extends: nodemcu-devkit
firmware: {{image: "{image}"}}
files: {{hello.lua: hello.lua}}
"""


def make_project(folder: Path, image: Path) -> Path:
    """A project whose profile has a firmware and a file."""
    harness.make_project(folder, folder)
    (folder / "blink.yaml").write_text(PROFILE.format(image=image.as_posix()))
    (folder / "hello.lua").write_text('print("hello")\n')
    return folder


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory, firmware: Path) -> Iterator[Board]:
    """A virtual board that the tests of a module share; all modules and workers have it from one snapshot."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASHPIPE_STATE", str(tmp_path_factory.mktemp("state")))
        patch.setenv("FLASHPIPE_CACHE", str(shared))
        shared.mkdir(mode=0o700, exist_ok=True)  # with what other tests have compiled
        board = start_board(BoardDemand(make_project(tmp_path_factory.mktemp("project"), firmware)))
    yield board
    board.close()


@pytest.fixture
def own(booted: Board) -> Board:
    """The same at the beginning of a test."""
    booted.fresh()
    return booted
