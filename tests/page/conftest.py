"""A page that runs in this process, and a browser that looks at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flashpipe.board.boot import watcher

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.page.served import Served

NEEDED = ("starlette", "uvicorn", "jinja2", "playwright", "axe_playwright_python")
MISSING = [name for name in NEEDED if find_spec(name) is None]
collect_ignore_glob = ["test_[!n]*.py"] if MISSING else []
"""`test_needed.py` says then what was not run."""
REQUIRED = os.environ.get("FLASHPIPE_BROWSER") == "required"
"""Whether it is a failure that there is no browser: `.ci/run` says so."""
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first one that is there: the one without a window needs half the processor time for the same."""
WAIT_MS = 60_000
"""Longer than anything here takes on a machine that is busy with other tests."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's folder."""
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The page of an empty project, without ports of this machine; what virtual boards do is predicted."""
    from tests.page.served import Served  # noqa: PLC0415

    monkeypatch.setattr(watcher, "SETTLE_S", 0.0)
    monkeypatch.setattr(watcher, "LUA_BOOT_S", 0.0)
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    monkeypatch.chdir(folder)
    page = Served(folder)
    yield page
    page.end()


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, served: Served) -> Served:
    """The same, and virtual boards execute their firmware: Lua is real then."""
    monkeypatch.delenv("FLASHPIPE_CORE")
    return served


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests of a worker."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    expect.set_options(timeout=WAIT_MS)
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        why = "there is no chromium: what a browser shows was not tested (apt-get install chromium-headless-shell)"
        pytest.fail(why) if REQUIRED else pytest.skip(why)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--in-process-gpu"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A browser that has opened the address that was printed; what it complains of is a failure."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    opened.goto(served.start_url)
    opened.wait_for_url(f"{served.url}/")
    yield opened
    context.close()
    assert [text for text in complaints if "status of 40" not in text] == []
