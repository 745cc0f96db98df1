"""Accidents by the hundred: `python tests/bench/soak.py [--points 240] [--seed 1] [--jobs 2]`.

Part one: SIGKILL, Ctrl-C and SIGTERM, a port that vanishes or is taken, power loss and brown-outs with half-written
pages, kills around every record, over a full and a differential flash whose old contents are known or unknown. After
each the same command runs again; `tests/faultpoints.py` says what must hold. Part two: noise and loss on the line, in
either direction, and a flaky adapter, at five rates, each failure mended by a run on a good line; part three: with
`baud=auto`, adapters that begin to lie above a rate in mid-write; part four: flashes that cannot follow its clock; part
five: two processes on one port, and two boards with one MAC.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faultpoints import Bed, Point, differential_bed, ending_under, full_bed, rivals, twins

RATES = ("1e-6", "1e-5", "1e-4", "1e-3", "1e-2")
LINES = ("noise", "noise-out", "lost", "lost-out", "flaky")


def faults(line: str, rate: str) -> str:
    """The faults of a line; a flaky adapter does all of it at once, and loses the end of long transfers."""
    if line != "flaky":
        return f"{line}:{rate}"
    return "+".join([*(f"{one}:{rate}" for one in LINES[:-1]), "long-writes:8000"])


def one(bed: Bed, point: Point) -> str:
    """How the disturbed run ended, or what was wrong."""
    try:
        return bed.suffer(point)
    except AssertionError as error:
        print(f"\nWRONG {error}")
        return "WRONG"


def points(folder: Path, amount: int, seed: int, jobs: int) -> int:
    """Run part one; returns how many points went wrong."""
    beds = {
        "full": full_bed(folder / "full"),
        "five sectors, known": differential_bed(folder / "known", known=True),
        "five sectors, unknown": differential_bed(folder / "unknown", known=False),
    }
    struck = wrong = 0
    print(f"{'flash':24}{'accident':20}{'points':>7}{'untouched':>11}{'half':>6}{'whole':>7}{'WRONG':>7}")
    for number, (name, bed) in enumerate(beds.items()):
        chosen = list(bed.points(-(-amount // len(beds)), seed + number))
        with ThreadPoolExecutor(jobs) as pool:
            endings = list(pool.map(lambda point, bed=bed: one(bed, point), chosen))
        by_kind: dict[str, Counter[str]] = {}
        for point, ending in zip(chosen, endings, strict=True):
            by_kind.setdefault(point.kind, Counter())[ending] += 1
        for kind, found in by_kind.items():
            cells = "".join(f"{found[word]:>{width}}" for word, width in COLUMNS)
            print(f"{name:24}{kind:20}{found.total():>7}{cells}")
        struck += len(endings)
        wrong += endings.count("WRONG")
    print(f"{struck} accidents, each made good by the same command: {struck - wrong}")
    return wrong


COLUMNS = (("untouched", 11), ("half", 6), ("whole", 7), ("WRONG", 7))


def lines(folder: Path, seed: int, jobs: int) -> int:
    """Run part two; returns how many runs went wrong."""
    print(f"\n{'line':12}" + "".join(f"{rate:>18}" for rate in RATES))
    wrong = 0

    def ending(line: str, rate: str) -> str:
        try:
            return ending_under(faults(line, rate), folder / f"{line}-{rate}", seed)
        except AssertionError as error:
            print(f"\nWRONG {line}:{rate} {error}")
            return "WRONG"

    with ThreadPoolExecutor(jobs) as pool:
        for line in LINES:
            found = list(pool.map(lambda rate, line=line: ending(line, rate), RATES))
            wrong += found.count("WRONG")
            print(f"{line:12}" + "".join(f"{word:>18}" for word in found))
    return wrong


def lying(folder: Path, seed: int, jobs: int) -> int:
    """Run part three, at 20 points of the write for each way to lie, while the rate is searched for, and where it is
    known; returns how many runs went wrong."""
    print("\nbaud=auto, and above 460800 in mid-write")
    wrong = 0

    def ending(fault: str, at: int, known: int) -> str:
        words = (f"{fault}:460800@byte:{at}", folder / f"{fault}-{at}-{known}", seed, "baud=auto")
        try:
            return ending_under(*words, known_rate=known)
        except AssertionError as error:
            print(f"\nWRONG {fault} at byte {at}: {error}")
            return "WRONG"

    with ThreadPoolExecutor(jobs) as pool:
        for known, fault in product((0, 2_000_000), ("bad-baud", "silent-baud", "shaky-baud")):
            places = range(15_000, 115_000, 5_000)
            found = Counter(pool.map(lambda at, fault=fault, known=known: ending(fault, at, known), places))
            wrong += found["WRONG"]
            how = "known" if known else "searched"
            print(f"{how:10}{fault:12} {', '.join(f'{word} {count}' for word, count in found.items())}", flush=True)
    return wrong


def misread(folder: Path, seed: int, jobs: int) -> int:
    """Run part four: flashes that cannot follow the faster clock of `baud=auto`; returns how many runs went wrong."""
    print("\nbaud=auto, and a flash that is read or written wrongly above 20 MHz")
    wrong = 0

    def ending(fault: str, number: int) -> str:
        try:
            return ending_under(f"{fault}:20", folder / f"{fault}-{number}", seed + number, "baud=auto")
        except AssertionError as error:
            print(f"\nWRONG {fault}, {number}: {error}")
            return "WRONG"

    with ThreadPoolExecutor(jobs) as pool:
        for fault in ("slow-flash", "shaky-flash"):
            found = Counter(pool.map(lambda number, fault=fault: ending(fault, number), range(10)))
            wrong += found["WRONG"]
            print(f"{fault:12} {', '.join(f'{word} {count}' for word, count in found.items())}", flush=True)
    return wrong


def main() -> int:
    """Print the tables; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=240, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has the children ignore it
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        wrong = points(folder, chosen.points, chosen.seed, chosen.jobs)
        wrong += lines(folder, chosen.seed, chosen.jobs)
        wrong += lying(folder, chosen.seed, chosen.jobs)
        wrong += misread(folder, chosen.seed, chosen.jobs)
        print(f"\ntwo processes, one port: {rivals(folder / 'rivals')}")
        print(f"two boards, one MAC:     {twins(folder / 'twins')}")
    print(f"seed {chosen.seed}: {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
