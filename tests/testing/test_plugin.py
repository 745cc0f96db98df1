"""pytest's plug-in, in a pytest of its own: what it loads, flashes, shares and keeps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.attach import AttachServer

from tests.testing.conftest import make_project

LIMIT_S = 300
WORKERS = ("-p", "xdist", "-n", "2")


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "flashpipe.testing.plugin", *words],
        cwd=folder, env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip


def receipts(project: Path) -> list[Path]:
    return list((project / ".pipeline" / "receipts").glob("*.json"))


@pytest.fixture
def blink(tmp_path: Path, firmware: Path) -> Path:
    return make_project(tmp_path / "blink", firmware)


LOADED = """
import sys

OURS = {"flashpipe", "flashpipe.testing", "flashpipe.testing.plugin"}


def test_nothing_of_it_is_loaded():
    assert {name for name in sys.modules if name.startswith("flashpipe")} <= OURS
"""


def test_nothing_is_loaded_before_the_fixture_is_used(blink: Path) -> None:
    (blink / "test_loaded.py").write_text(LOADED)
    done = run_pytest(blink)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not (blink / ".pipeline").exists()


MANY = """
import pytest


@pytest.mark.parametrize("number", range(16))
def test_many(board, number):
    assert board.lua(f"print({number} + 1)") == str(number + 1)
"""


def test_workers_boot_one_board_once_for_all_and_later_sessions_none(blink: Path) -> None:
    (blink / "test_many.py").write_text(MANY)
    done = run_pytest(blink, *WORKERS)
    assert "16 passed" in done.stdout, done.stdout + done.stderr
    assert len(receipts(blink)) == 1
    assert "16 passed" in run_pytest(blink).stdout
    assert len(receipts(blink)) == 1


FAILS = """
def test_fails(board):
    board.lua("print('said before')")
    assert board.lua("print(1)") == "2"


def test_lua_fails(board):
    board.lua("error('boom')")
"""


def test_a_failed_test_shows_and_keeps_what_the_board_said(blink: Path) -> None:
    (blink / "test_fails.py").write_text(FAILS)
    done = run_pytest(blink)
    assert "2 failed" in done.stdout, done.stdout + done.stderr
    assert "board log" in done.stdout
    assert "said before" in done.stdout
    assert "lua:1: boom" in done.stdout
    kept = sorted((blink / ".pipeline" / "tests").glob("*.log"))
    assert [path.name for path in kept] == ["test_fails.py-test_fails.log", "test_fails.py-test_lua_fails.log"]
    assert "said before" in kept[0].read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--flashpipe-profile", "nobody"], "unknown-profile"),
        (["--flashpipe-image", "missing.bin"], "image-missing"),
        (["--flashpipe-port", "sim://nothing"], "bad-value"),
        (["--flashpipe-port", "sim://nodemcu-devkit?execute=off"], "virtual-only"),
    ],
)
def test_what_cannot_be_had_is_one_line(blink: Path, words: list[str], code: str) -> None:
    (blink / "test_many.py").write_text("def test_it(board): pass\n")
    done = run_pytest(blink, *words)
    assert "1 error" in done.stdout, done.stdout
    assert f"[code: {code}]" in done.stdout
    assert "Traceback" not in done.stdout


REAL = """
import pytest


@pytest.mark.parametrize("number", range(2))
def test_files(board, number):
    assert board.files.list() == {"hello.lua": 15}
    assert board.lua('dofile("hello.lua")') == "hello"
    board.files.put("hello.lua", "x=1")
    board.files.put("other.lua", "x=1")
    assert not board.virtual
    with pytest.raises(Exception, match="no virtual board"):
        board.adc = 1
"""


def test_a_port_has_one_owner_and_others_are_refused_by_name(blink: Path) -> None:
    server = AttachServer(parse_url("sim://nodemcu-devkit").build())
    server.start()
    (blink / "test_real.py").write_text(REAL)
    (blink / "pytest.ini").write_text(f"[pytest]\nflashpipe_port = {server.name}\n")
    try:
        done = run_pytest(blink, *WORKERS, "--dist", "each")
    finally:
        server.stop()
    assert re.search(r"in use by pid \d+", done.stdout), done.stdout
    assert "2 passed, 2 errors" in done.stdout, done.stdout
    outcomes = {json.loads(path.read_text())["outcome"] for path in receipts(blink)}
    assert outcomes == {"flashed", "port-busy"}
