"""Pictures of the page's main states: light, dark, and as wide as a phone.

Run: python docs/screenshots.py [FOLDER]   (default: docs/_shots; needs chromium, the packages of `flashpipe[dev]`,
and the one with the demo's firmware)

Everything in them is a virtual board's. They are made to be looked at after a change. Where no folder is named, the few
that stand in the docs (`docs/pictures`) are taken anew as well: in DejaVu Sans, whose licence allows that.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import PipelineError
from flashpipe.page.choice import Choice
from flashpipe.page.server import listen, make_server
from flashpipe.page.site import Site
from flashpipe.profile.load import load_profile
from flashpipe.sources.resolve import load_source
from playwright.sync_api import Browser, Page, expect, sync_playwright

OPEN: Final = "word-of-the-pictures"
WAIT_MS: Final = 120_000
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1100, "height": 800}},
    "dark": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "device_scale_factor": 2},
}
"""Kinds of browsers."""
UNSTUCK: Final = "document.querySelector('.now')?.style.setProperty('position', 'static')"
"""What stays at the lower edge of a window would lie across a picture of the whole page."""
STATION: Final = ("station", "profile=demo", "batch=2026-12-A", "serial=SN{year}{n:05}", "boot=off")
PORT: Final = "sim://nodemcu-devkit?execute=off&fill=ff&mac=5c:cf:7f:00:00:0"
BAD_FILE: Final = b"<!doctype html><html><title>404 Not Found</title></html>"


def serve(folder: Path) -> tuple[Site, str]:
    """A page for the project in `folder`, and the address to open."""
    site, found = Site((folder, folder)), listen(0)
    threading.Thread(target=make_server(site, OPEN).run, kwargs={"sockets": [found]}, daemon=True).start()
    return site, f"http://127.0.0.1:{found.getsockname()[1]}"


class Shots:
    """Takes each state in all looks."""

    def __init__(self, browser: Browser, url: str, folder: Path, kept: Path | None) -> None:
        self._folder, self._kept = folder, kept
        self._pages = {name: browser.new_context(**look).new_page() for name, look in LOOKS.items()}
        for page in self._pages.values():
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{url}/start/{OPEN}")
            page.wait_for_url(f"{url}/")

    @property
    def page(self) -> Page:
        """The one in which something is clicked."""
        return self._pages["light"]

    def take(self, name: str, ready: str) -> None:
        """Take the state `name`, once `ready` can be seen, at the address of the first page."""
        for look, page in self._pages.items():
            if page is not self.page:
                page.goto(self.page.url)
            expect(page.locator(ready).first).to_be_visible(timeout=WAIT_MS)
            page.evaluate(UNSTUCK)
            page.screenshot(path=self._folder / f"{name}-{look}.png", full_page=True)

    def keep(self, name: str, what: str, look: str = "light") -> None:
        """Take one element for the docs."""
        if self._kept is not None:
            page = self._pages[look]
            page.goto(self.page.url)
            page.set_viewport_size({"width": LOOKS[look]["viewport"]["width"], "height": 1600})  # nothing lies above it
            page.evaluate(UNSTUCK)
            page.locator(what).screenshot(path=self._kept / f"{name}.png")
            page.set_viewport_size(LOOKS[look]["viewport"])


def shoot(shots: Shots, site: Site) -> None:
    """The main states, one after the other."""
    page = shots.page
    shots.take("1-first-visit", "#try-title")
    page.get_by_role("button", name="Add a virtual board").click()
    shots.take("2-chosen", "svg.map")
    page.get_by_label("Firmware file").set_input_files({"name": "n.bin", "mimeType": "", "buffer": BAD_FILE})
    shots.take("3-refused", "#flash .notice.bad")
    page.get_by_role("button", name="Forget the file").click()
    page.locator("#do-plan").click()
    shots.take("4-plan", ".verdict.ok")
    shots.keep("page-plan", "#flash")
    page.locator("#do-flash").click()
    shots.take("5-flashing", ".verdict.running progress")
    shots.take("6-flashed", ".verdict.ok")
    shots.keep("page-flashed-phone", "#work", "phone")
    page.locator("#do-files").click()
    page.locator("#console-open").click()
    shots.take("7-lua", "#lua .facts, #lua table, #lua :text('no files')")
    page.get_by_role("link", name="Receipt").or_(page.get_by_role("link", name="What was done")).first.click()
    page.locator("td.ok").first.wait_for()
    page.locator("tbody a").last.click()
    shots.take("8-receipt", "svg.plot")
    for number, more in enumerate(("", "&fault=dout-only", "")):
        site.boards.add(f"sim://nodemcu-devkit?mac=5c:cf:7f:00:00:1{number}{more}").choice = Choice("demo")
    page.get_by_role("link", name="Boards").click()
    page.get_by_role("button", name="Flash all that are ticked").click()
    page.locator("section .state.failed").wait_for()
    expect(page.locator("section .state.ok")).to_have_count(3)
    shots.take("9-boards", ".card")
    shots.keep("page-boards", "#boards")
    page.locator(".card", has_text="FAILED").get_by_role("link", name="Open").click()
    shots.take("10-failed", ".verdict.failed")
    shots.keep("page-failed-dark", ".verdict.failed", "dark")


def shoot_station(shots: Shots, project: Path) -> None:
    """A station at work, on a terminal of its own."""
    ours, theirs = pty.openpty()
    ports = ",".join(
        f"{PORT}{number}{more}" for number, more in enumerate(("", "&fault=stuck-sector:0x10000", "", "&time=3"))
    )
    command = [sys.executable, "-m", "flashpipe", *STATION, f"port={ports}"]
    with subprocess.Popen(command, cwd=project, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL) as station:
        threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        shots.page.get_by_role("link", name="Station").click()
        expect(shots.page.locator(".port.pass")).to_have_count(2, timeout=WAIT_MS)
        shots.take("11-station", ".port.fail")
        shots.keep("page-station", "#stations")
        os.write(ours, b"q")
        station.wait(60)


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


def needed() -> str:
    """Chromium's path.

    Raises:
        SystemExit: that, or the package with the firmware of the pictures, is not here: nothing would come of waiting.
    """
    try:
        for source in load_profile("demo", Path.cwd()).sources:
            load_source(source.text, source.base)
    except PipelineError as error:
        raise SystemExit(f"{error.message}\n{error.hint}") from None
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no chromium to look with: apt-get install chromium")
    return chromium


def main() -> int:
    """Take them all."""
    chromium = needed()
    docs = Path(__file__).resolve().parent
    target = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else docs / "_shots"
    kept = None if len(sys.argv) > 1 else docs / "pictures"
    for folder in filter(None, (target, kept)):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        os.environ |= {"FLASHPIPE_STATE": f"{name}/state", "FLASHPIPE_CACHE": f"{name}/cache"}
        (project := Path(name, "kitchen")).mkdir()
        os.chdir(project)
        site, url = serve(project)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shots = Shots(browser, url, target, kept)
        shoot(shots, site)
        shoot_station(shots, project)
        browser.close()
        site.uploads.clear()
    sys.stdout.write(f"written to {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
