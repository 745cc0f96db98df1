"""What `doit list` costs, as a ratio to importing doit alone; and what it must not load.

Run: python tests/bench/bench_start.py

Processor time, the least of many runs in turns: a busy machine changes it little. Modules are compiled, as in any
installation.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 15
LIMIT = 1.5
HEAVY = ("esptool", "requests", "rich")


def spend_s(command: list[str], folder: Path) -> float:
    """Processor time of a command, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = [sys.executable, "-c", "import doit"], [sys.executable, "-m", "doit", "list"]
        rounds = [[spend_s(command, folder) for command in commands] for _ in range(ROUNDS + 1)]
        bare, listing = map(min, zip(*rounds[1:], strict=True))  # the first round compiles
        heavy = loaded(folder)
    print(f"import doit        {bare * 1000:6.0f} ms")
    print(f"doit list          {listing * 1000:6.0f} ms   ratio {listing / bare:.2f}, limit {LIMIT}")
    print(f"loaded needlessly  {', '.join(heavy) or 'nothing'}")
    return int(listing / bare > LIMIT or bool(heavy))


if __name__ == "__main__":
    sys.exit(main())
