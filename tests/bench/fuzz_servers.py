"""The servers of the virtual board against clients that break the rules: 1,000 connections of each kind, by hypothesis.

Run: python tests/bench/fuzz_servers.py [--connections 1000]

After each hostile client one that keeps the rules must be served; no thread may die, none may be left over.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAW = "tests/sim/servers/test_hostile_clients.py::test_whatever_a_client_sends_the_next_one_is_served"


def main() -> int:
    """Run the law of the test suite for long; pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--durations=0", LAW],
        cwd=ROOT,
        env={**os.environ, "FUZZ_CONNECTIONS": str(options.connections)},
        check=False,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    seconds = time.perf_counter() - started
    print(f"{options.connections} connections of each kind in {seconds:.0f} s, peak {peak:.0f} MB")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
