"""Boards through a real lab: labgrid's own coordinator and exporter, `flashpipe host`, and clients, all on loopback.

Run: python tests/lab/proof.py [--environment DIR] [--places 200] [--quick]

labgrid is installed into a throw-away environment, or taken from DIR. Two clients compete for a board, one waits in a
reservation, one is killed; exporter and coordinator are killed while a board is flashed. Then a coordinator with many
places is asked for its list and gives some of them. Each line says what was seen; the first thing that is not as it
should be ends it with an error.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.images import Builder  # noqa: E402  the path comes first

LONGEST_S = 120.0
PACKAGE = "labgrid>=26,<27"
AT_ONCE = 16
_TALE = re.compile(r"\[code: ([\w-]+)\]")


class Lab:
    """A folder, and the programs that run in it."""

    def __init__(self, folder: Path, environment: Path, cleanup: ExitStack) -> None:
        self.folder, self.environment, self._cleanup = folder, environment, cleanup
        self.coordinator = ""
        (folder / "fw.bin").write_bytes(Builder().combine(Builder().pair_2x(0x8000)))

    def start(self, *words: str, until: str, name: str) -> tuple[subprocess.Popen[bytes], str]:
        """A program, and what it has printed until `until` was in it."""
        path = self.folder / f"{name}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(words, cwd=self.folder, env=self.settings(), stdout=log, stderr=log)
        self._cleanup.callback(end, process)
        wait_for(lambda: until in path.read_text(errors="replace") or process.poll() is not None, f"{name}: {until}")
        said = path.read_text(errors="replace")
        assert until in said, said
        return process, said

    def settings(self, who: str = "alice") -> dict[str, str]:
        state = {"FLASHPIPE_STATE": str(self.folder / f"state-{who}"), "FLASHPIPE_CACHE": str(self.folder / "cache")}
        labgrid = {"FLASHPIPE_LABGRID_CLIENT": str(self.environment), "LG_COORDINATOR": self.coordinator}
        return {**os.environ, **state, **labgrid, "LG_HOSTNAME": "ci1", "LG_USERNAME": who, "PYTHONUNBUFFERED": "1"}

    def begin(self, who: str, *words: str) -> subprocess.Popen[str]:
        """A command of flashpipe, under way."""
        words = (sys.executable, "-m", "flashpipe", *words)
        process = subprocess.Popen(
            words, cwd=self.folder, env=self.settings(who), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._cleanup.callback(end, process)
        return process

    def flashpipe(self, who: str, *words: str) -> tuple[int, str, float]:
        """Its status, what it has printed, and how long it took."""
        started = time.perf_counter()
        process = self.begin(who, *words)
        said, _ = process.communicate(timeout=LONGEST_S)
        return process.returncode, said, time.perf_counter() - started

    def flash(self, who: str, port: str, *more: str) -> tuple[int, str, float]:
        words = ("flash", "profile=nodemcu-devkit", "image=fw.bin", "boot=off", "keep=none", f"port={port}", *more)
        return self.flashpipe(who, *words)

    def client(self, *words: str, who: str = "alice") -> str:
        """What labgrid's own client says."""
        program, settings = str(self.environment / "bin" / "labgrid-client"), self.settings(who)
        return subprocess.run([program, *words], env=settings, capture_output=True, text=True, check=True).stdout

    def holder(self, place: str) -> str:
        found = re.search(r"acquired: (\S+)", self.client("-p", place, "show"))
        return found[1] if found else ""

    def run_coordinator(self) -> subprocess.Popen[bytes]:
        listen = self.coordinator or "127.0.0.1:0"
        program = str(self.environment / "bin" / "labgrid-coordinator")
        process, said = self.start(program, "-l", listen, until="listening on", name="coordinator")
        found = re.search(r"listening on (\S+)", said)
        assert found is not None
        self.coordinator = found[1]
        return process

    def run_exporter(self) -> subprocess.Popen[bytes]:
        program = str(self.environment / "bin" / "labgrid-exporter")
        words = (program, "-c", self.coordinator, "-n", "bench", "--hostname", "127.0.0.1", "exporter.yaml")
        process, _ = self.start(*words, until="", name="exporter")
        wait_for(lambda: "bench/board2" in self.client("resources"), "exporter: its boards")
        return process

    def run_host(self) -> list[str]:
        """Serves two virtual boards; their addresses."""
        ports = ",".join(f"sim://nodemcu-devkit?fill=ff&execute=off&mac=5c:cf:7f:00:01:{at:02x}" for at in (1, 2))
        (self.folder / "host.yaml").unlink(missing_ok=True)
        first = two_free_ports()
        assert self.flashpipe("alice", "host", "init", f"port={ports}", f"listen=127.0.0.1:{first}")[0] == 0
        assert self.flashpipe("alice", "host", "exporter", "to=exporter.yaml")[0] == 0
        _, said = self.start(sys.executable, "-m", "flashpipe", "host", until="Ctrl-C ends it", name="host")
        status, said, _ = self.flashpipe("alice", "host", "check")
        assert status == 0, said
        return [f"rfc2217://127.0.0.1:{port}" for port in (first, first + 1)]


def two_free_ports() -> int:
    """The first of two neighbours that nobody listens at."""
    while True:
        with socket.socket() as one, socket.socket() as other, suppress(OSError, OverflowError):
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            other.bind(("127.0.0.1", port + 1))
            return port


def wait_for(what: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not what():
        assert time.monotonic() < deadline, name
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def seen(text: str) -> None:
    print(f"  {text}", flush=True)


def code_of(said: str) -> str:
    found = _TALE.search(said)
    return found[1] if found else ""


# --- two boards ------------------------------------------------------------------------------------------------------


def write_places(folder: Path, count: int) -> None:
    """The coordinator's own file, as it writes it: place pN is board N of the exporter `bench`."""
    lines = []
    for at in range(1, count + 1):
        match = f"{{cls: NetworkSerialPort, exporter: bench, group: board{at}, name: null, rename: null}}"
        lines.append(
            f"p{at}: {{acquired: null, acquired_resources: [], aliases: [], allowed: [], changed: {at}.0, comment: '',"
            f" created: 0.0, matches: [{match}], reservation: null, tags: {{chip: esp8266, row: r{at % 10}}}}}"
        )
    (folder / "places.yaml").write_text("\n".join(lines) + "\n")


def quick_look(lab: Lab) -> None:
    """What fits into a build that has other things to do."""
    status, said, took = lab.flash("alice", "labgrid://p1")
    assert status == 0, said
    assert lab.holder("p1") == "None"
    seen(f"flashed through a place in {took:.1f} s, and given back")
    lab.client("-p", "p1", "acquire", who="bob")
    status, said, _ = lab.flash("alice", "labgrid://p1")
    assert (status, code_of(said), "ci1/bob" in said) == (44, "place-taken", True), said
    seen("a place that somebody else has is told with their name")


def flash_through_it(lab: Lab, addresses: list[str]) -> None:
    status, said, first = lab.flash("alice", "labgrid://p1")
    assert status == 0, said
    assert lab.holder("p1") == "None"
    status, said, second = lab.flash("alice", "labgrid://p1")
    assert (status, "skipped" in said or "already" in said) == (0, True), said
    status, said, alone = lab.flash("alice", addresses[0])
    assert status == 0, said
    seen(f"flashed through a place in {first:.1f} s, skipped in {second:.1f} s; skipped without a lab in {alone:.1f} s:"
         f" {second - alone:.1f} s more (limit 2 s on an idle machine)")  # fmt: skip
    words = [sys.executable, "-m", "esptool", "--chip", "esp8266", "--port", f"{addresses[1]}?ign_set_control"]
    done = subprocess.run([*words, "--no-stub", "read-mac"], capture_output=True, text=True, check=False, timeout=120)
    assert "5c:cf:7f:00:01:02" in done.stdout, done.stdout
    seen("esptool's own client resets and reads a board of the host")


@contextmanager
def holding(lab: Lab, who: str, place: str) -> Iterator[subprocess.Popen[str]]:
    monitor = lab.begin(who, "monitor", f"port=labgrid://{place}", "until=never said")
    wait_for(lambda: lab.holder(place) == f"ci1/{who}", f"{who} has {place}")
    try:
        yield monitor
    finally:
        end(monitor)


def compete(lab: Lab) -> None:
    with holding(lab, "alice", "p1") as alice:
        status, said, _ = lab.flash("bob", "labgrid://p1")
        assert (status, code_of(said), "ci1/alice" in said) == (44, "place-taken", True), said
        seen("a second client is told who has the place")
        bob = lab.begin("bob", "identify", "port=labgrid://p1", "port_wait=100s")
        wait_for(lambda: "state: waiting" in lab.client("reservations"), "bob waits")
        alice.send_signal(signal.SIGTERM)
        said, _ = bob.communicate(timeout=LONGEST_S)
        assert bob.returncode == 0, said
    assert lab.holder("p1") == "None"
    assert lab.client("reservations").strip() == ""
    seen("a client that waits in a reservation gets it, and gives it back")
    with holding(lab, "alice", "p1") as alice:
        alice.send_signal(signal.SIGKILL)
        alice.wait()
        assert lab.holder("p1") == "ci1/alice"
    status, said, _ = lab.flashpipe("alice", "identify", "port=labgrid://p2")
    assert (status, "p1 was left by a run that was killed" in said) == (0, True), said
    assert lab.holder("p1") == "None"
    seen("what a killed client has left is released by the next one, which says so")


def lose_exporter(lab: Lab, exporter: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    with holding(lab, "alice", "p1") as alice:
        end(exporter)
        alice.send_signal(signal.SIGTERM)
        alice.wait(LONGEST_S)
    assert lab.holder("p1") == "None"
    seen("a place is given back although its exporter was killed")
    status, said, _ = lab.flash("alice", "labgrid://p1")
    assert (status, code_of(said)) == (44, "exporter-gone"), said
    exporter = lab.run_exporter()
    assert lab.flash("alice", "labgrid://p1", "force=1")[0] == 0
    seen("without an exporter that is told (exporter-gone); with it again all goes on")
    return exporter


def lose_coordinator(lab: Lab, coordinator: subprocess.Popen[bytes], exporter: subprocess.Popen[bytes]) -> None:
    with holding(lab, "alice", "p1") as alice:
        end(coordinator)
        alice.send_signal(signal.SIGTERM)
        said, _ = alice.communicate(timeout=LONGEST_S)
    assert "could not be released" in said or "stopped" in said, said
    assert lab.flash("alice", "labgrid://p1")[0] == 44
    exporter.wait(LONGEST_S)
    lab.run_coordinator()
    lab.run_exporter()
    status, said, _ = lab.flash("alice", "labgrid://p1", "force=1")
    assert status == 0, said
    assert lab.holder("p1") == "None"
    seen("a coordinator that was killed is told (no-coordinator); a new one, and its exporter, are enough to go on")


# --- many places -----------------------------------------------------------------------------------------------------


def many(lab: Lab, count: int) -> None:
    lab.coordinator = ""
    folder = lab.folder / "many"
    folder.mkdir()
    lab.folder, before = folder, lab.folder
    write_places(folder, count)
    boards = "".join(
        f"board{at}:\n  NetworkSerialPort: {{host: 127.0.0.1, port: {20000 + at}, speed: 115200, protocol: rfc2217}}\n"
        for at in range(1, count + 1)
    )
    (folder / "exporter.yaml").write_text(boards)
    lab.run_coordinator()
    lab.run_exporter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, said, took = lab.flashpipe("alice", "lab")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (status, f"{count} places, {count} free" in said) == (0, True), said
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    seen(f"{count} places are listed in {took:.2f} s, {cpu:.2f} s of CPU (limit 1 s on an idle machine)")
    os.environ.update(lab.settings())
    for at_once in (1, 4, AT_ONCE):
        told, each = acquire(at_once)
        assert told == [], told
        seen(f"{at_once} places acquired at once: {each:.2f} s for each, and given back")
    lab.folder = before


def acquire(count: int) -> tuple[list[str], float]:
    """Acquire so many places side by side and give them back; what was said, and seconds until all were there."""
    from flashpipe.board.ports.lab_client import LabClient  # noqa: PLC0415  by the settings of this lab
    from flashpipe.board.ports.lease import PlaceTaker  # noqa: PLC0415  with it

    told = list[str]()
    taker = PlaceTaker(LabClient.here(), told.append)
    started = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        leases = list(pool.map(lambda at: taker.take(f"labgrid://p{at + 1}", 0.0), range(count)))
        each = (time.perf_counter() - started) / count
        list(pool.map(lambda lease: lease.release(told.append), leases))
    return told, each


def main() -> int:
    """Run it; 0 where all was as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--environment", type=Path, help="where labgrid is installed")
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a board is flashed through a place, and one that is taken refused; nothing more",
    )
    wish = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lab-proof-"))
    try:
        with ExitStack() as cleanup:
            environment = (wish.environment or installed(folder)).absolute()
            lab = Lab(folder, environment, cleanup)
            addresses = lab.run_host()
            write_places(folder, 2)
            coordinator, exporter = lab.run_coordinator(), lab.run_exporter()
            if wish.quick:
                quick_look(lab)
            else:
                flash_through_it(lab, addresses)
                compete(lab)
                exporter = lose_exporter(lab, exporter)
                lose_coordinator(lab, coordinator, exporter)
                many(lab, wish.places)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("all as it should be")
    return 0


def installed(folder: Path) -> Path:
    environment = folder / "labgrid"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    subprocess.run([str(environment / "bin" / "pip"), "install", "-q", PACKAGE], check=True)
    return environment


if __name__ == "__main__":
    sys.exit(main())
