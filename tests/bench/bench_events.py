"""What `events=FILE` costs: CPU (user and system) of the same flash with and without, by turns.

Run: python tests/bench/bench_events.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

ROUNDS = 15
LIMIT = 0.02
FLASH = ("flash", "profile=demo", "force=1")


def cpu_s(folder: Path, *more: str) -> float:
    """CPU of one flash of the demo board, without that of the board, in seconds."""
    command = [sys.executable, "-m", "flashpipe", *FLASH, *more]
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    os.chdir(folder)
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print the figures; 1 if the limit is missed."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    plain, told = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu_s(folder)
        for turn in range(rounds):
            for kind in (plain, told) if turn % 2 else (told, plain):
                kind.append(cpu_s(folder, *(["events=events.jsonl"] if kind is told else [])))
        os.chdir("/")
    share = statistics.median(b - a for a, b in zip(plain, told, strict=True)) / statistics.median(plain)
    print(f"flash         {statistics.median(plain):.3f} s, at least {min(plain):.3f} s")
    print(f"with events   {statistics.median(told):.3f} s, at least {min(told):.3f} s")
    print(f"share         {share:.1%} (median of pairs), {min(told) / min(plain) - 1:.1%} (least), limit {LIMIT:.0%}")
    return int(share > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
