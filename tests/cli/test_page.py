"""`flashpipe page`, up to where it serves; what it serves is in tests/page."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.cli import page
from flashpipe.files import state_folder
from flashpipe.locks import open_lock, try_lock

from tests.harness import Done, Project
from tests.running import Running

ROOT = Path(__file__).resolve().parents[2]


def test_what_it_needs_is_what_the_extra_stands_for() -> None:
    (extra,) = re.findall(r"^page = \[(.*)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert re.findall('"([^"]+)"', extra) == list(page.NEEDS)


@pytest.mark.parametrize("text", ["0.0.0.0:80", "127.0.0.1:99999", "[::1]:80", "host"])
def test_it_listens_on_this_machine_alone(command: Callable[..., Done], text: str) -> None:
    command("page", "--no-browser", "--listen", text).failed("bad-value")


def test_without_its_packages_it_is_one_line_with_the_one_command(
    command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "find_spec", lambda _name: None)
    assert "pip install" in command("page").failed("page").text


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there is a screen always")
def test_without_a_screen_no_browser_takes_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert not page._has_screen()
    monkeypatch.setenv("BROWSER", "/usr/bin/w3m %s:elinks")
    assert not page._has_screen()
    monkeypatch.setenv("BROWSER", "/usr/bin/wslview")  # it has the screen of another system
    assert page._has_screen()
    monkeypatch.delenv("BROWSER")
    monkeypatch.setenv("DISPLAY", ":0")
    assert page._has_screen()


def test_a_second_one_says_where_the_first_is(command: Callable[..., Done]) -> None:
    pytest.importorskip("starlette")
    with open_lock(state_folder() / "page.lock") as stream:
        assert try_lock(stream)
        (state_folder() / "page.json").write_text('{"pid": 1, "url": "http://127.0.0.1:1234/start/x"}')
        assert "http://127.0.0.1:1234/start/x" in command("page", "--no-browser").failed("page-running").text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_it_prints_its_address_and_ctrl_c_ends_it(project: Project) -> None:
    pytest.importorskip("starlette")
    with Running(project, "flashpipe.cli.main", "page", "--no-browser") as running:
        running.until("/start/")
        running.signal(signal.SIGINT)
        running.until("stopped: nothing was being written")
        assert running.end() == 130
    assert not list(project.state.glob("page.json"))
