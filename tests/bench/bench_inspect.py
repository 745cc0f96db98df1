"""What it costs to inspect a 1 MiB image beyond start-up, and to hold a cached, locked image against its pin.

Run: python tests/bench/bench_inspect.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from flashpipe.firmware.image import Image
from flashpipe.firmware.inspection import inspect_images
from flashpipe.sources import pinned as locking
from flashpipe.sources.fetch import Access
from flashpipe.text.inspection import as_data, describe

from tests.images import Builder

ROUNDS = 15
INSPECT_MS, LOCKED_MS = 30.0, 20.0
SIZE = 0x100000


def median_ms(action: Callable[[bytes], object], data: bytes) -> float:
    """Median time, in ms, on bytes that are new each time: digests of known ones are remembered."""
    times = []
    for number in range(ROUNDS):
        fresh = data[:-1] + bytes((number,))
        started = time.perf_counter()
        action(fresh)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def inspect(data: bytes) -> object:
    """As `flashpipe inspect` does, text and data."""
    found = inspect_images([(None, Image("fw.bin", data, "fw.bin"))])
    return describe(found), as_data(found)


def main() -> int:
    """Print the figures; 1 if a limit is missed."""
    build = Builder()
    whole = build.combine(build.pair_3x(SIZE - 0x10000))
    inspected = median_ms(inspect, whole)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lock = locking.Lock(folder, folder / "guard", "")
        (folder / "fw.bin").write_bytes(whole)
        sources = {0: ("fw.bin", folder)}
        locking.pin(locking.load(sources, lock, Access()), lock)
        locked = median_ms(lambda _: locking.load(sources, lock, Access()), whole)
    print(f"inspect 1 MiB      {inspected:6.1f} ms   limit {INSPECT_MS:g}")
    print(f"load a locked MiB  {locked:6.1f} ms   limit {LOCKED_MS:g}")
    return int(inspected > INSPECT_MS or locked > LOCKED_MS)


if __name__ == "__main__":
    sys.exit(main())
