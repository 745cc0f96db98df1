from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.testing.board import Board
from flashpipe.testing.start import Asked, start_board

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
    """A virtual board that the tests of a module share, as a session's fixture does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASHPIPE_STATE", str(tmp_path_factory.mktemp("state")))
        cache = tmp_path_factory.mktemp("caches") / "cache"
        harness.share_compiled(tmp_path_factory.getbasetemp(), cache)
        patch.setenv("FLASHPIPE_CACHE", str(cache))
        board = start_board(Asked(make_project(tmp_path_factory.mktemp("project"), firmware)))
    yield board
    board.close()


@pytest.fixture
def own(booted: Board) -> Board:
    """The same at the beginning of a test."""
    booted.fresh()
    return booted
