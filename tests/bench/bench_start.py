"""How long `doit list` takes, as a ratio to importing doit alone; and what it must not load.

Run: python tests/bench/bench_start.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
LIMIT = 1.6
HEAVY = ("esptool", "requests", "rich")


def median_s(command: list[str], folder: Path) -> float:
    """Median wall time of a command, in seconds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def loaded(folder: Path) -> list[str]:
    """Heavy packages that `doit list` imports."""
    code = (
        "import sys; from doit.doit_cmd import DoitMain; DoitMain().run(['list']);"
        f"sys.stderr.write(' '.join(n for n in {HEAVY!r} if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stderr.split()


def main() -> int:
    """Print the figures; 1 if a limit is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
        bare = median_s([sys.executable, "-c", "import doit"], folder)
        listing = median_s([sys.executable, "-m", "doit", "list"], folder)
        heavy = loaded(folder)
    print(f"import doit        {bare * 1000:6.0f} ms")
    print(f"doit list          {listing * 1000:6.0f} ms   ratio {listing / bare:.2f}, limit {LIMIT}")
    print(f"loaded needlessly  {', '.join(heavy) or 'nothing'}")
    return int(listing / bare > LIMIT or bool(heavy))


if __name__ == "__main__":
    sys.exit(main())
