"""`baud=auto` against esptool on the same virtual board in real time: whole commands, medians, limits.

Run: python tests/bench/bench_rates.py [--rounds 5] [--only known,search,lying,cpu] [--param pp_us=400] [--strict]

1 MiB of real firmware on a dirty board. `known`: the rate of this adapter is known, beside esptool at its own default,
at 460800 and at 2000000 baud. `search`: what the search costs. `lying`: adapters that fail above 460800 in three ways,
new ones and such as carried 1500000 before, beside the same flash at 460800; their boards are reached by RFC 2217, for
a pty has no reset line. `cpu`: processor time with the rate known, the least of many runs on a board that keeps nobody
waiting. `--param` is one of the board's: a W25Q32 takes 700 µs to program a page, a W25Q32JV 400 (facts: flash-timing
§6.3). An idle machine is needed for figures that mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.bench_speed import CPU_ROUNDS, board, one_mib, spend

FASTEST = 2000000
"""Rate of the boards whose processor time counts."""
LYING = ("bad-baud", "silent-baud", "shaky-baud")
ROWS = (
    ("known / esptool at its default", "known", "esptool 115200", 0.12),
    ("known / esptool at 460800", "known", "esptool 460800", 0.42),
    ("known / esptool at 2000000", "known", "esptool 2000000", 0.80),
)
CPU = ("CPU, known / esptool at its default", "cpu: known", "cpu: esptool 115200", 0.32)
EXTRA = (
    ("search - known", "search", "known", 1.0),
    *((f"{fault} - 460800", fault, "460800", 3.0) for fault in LYING),
    *((f"{fault}, fast before - 460800", f"{fault}, fast before", "460800", 3.0) for fault in LYING),
)


class Bench:
    """The rounds, and what they gave."""

    def __init__(self, folder: Path, rounds: int, params: list[str]) -> None:
        self.folder, self.rounds = folder, rounds
        self.params = [word for param in params for word in ("--param", param)]
        (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
        (folder / "a.bin").write_bytes(one_mib())
        self.results: dict[str, list[float]] = {}
        self.cpu_s: dict[str, list[float]] = {}

    def note(self, name: str, command: list[str]) -> None:
        """Run a command and keep its seconds."""
        spent = spend(command, self.folder)
        self.results.setdefault(name, []).append(spent.wall)
        self.cpu_s.setdefault(name, []).append(spent.cpu)
        print(f"    {name:<24}{spent.wall:8.2f} s   CPU {spent.cpu:5.2f} s", flush=True)

    def ours(self, name: str, port: str, baud: str) -> None:
        """A flash of ours."""
        words = ["flash", "profile=esp12", f"port={port}", f"baud={baud}", "image=a.bin", "boot=off"]
        self.note(name, [sys.executable, "-m", "flashpipe.cli.main", *words])

    def theirs(self, port: str, baud: int, prefix: str = "") -> None:
        """A flash of esptool's."""
        words = ["--chip", "esp8266", "--port", port, "--baud", str(baud), "write-flash", "0x0", "a.bin"]
        self.note(f"{prefix}esptool {baud}", [sys.executable, "-m", "esptool", *words])

    def remember(self, port: str, rate: int) -> None:
        """As if boards had been flashed through this adapter before, and none of them is this one."""
        shutil.rmtree(os.environ["FLASHPIPE_STATE"], ignore_errors=True)
        entry = {"boards": {}, "profiles": {"esp12": rate}}
        path = Path(os.environ["FLASHPIPE_STATE"]) / "rates.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"version": 1, "adapters": {port: entry} if rate else {}}))

    def dirty(self, number: int) -> tuple[str, ...]:
        """A board full of what nobody knows."""
        return (*self.params, "--option", f"fill=random:{number}", "nodemcu-devkit")

    def known(self) -> None:
        """The adapter's rate is known, its boards are new."""
        rate = self.found()
        print(f"  the rate that the search finds: {rate} baud")
        for number in range(self.rounds):
            dirty = self.dirty(number)
            with board(*dirty) as port:
                self.remember(port, rate)
                self.ours("known", port, "auto")
            for baud in (115200, 460800, 2000000):
                with board(*dirty) as port:
                    self.theirs(port, baud)

    def found(self) -> int:
        """The rate that a search ends with."""
        with board(*self.dirty(1)) as port:
            self.remember(port, 0)
            self.ours("warm", port, "auto")
        (adapter,) = json.loads((Path(os.environ["FLASHPIPE_STATE"]) / "rates.json").read_bytes())["adapters"].values()
        return int(adapter["profiles"]["esp12"])

    def search(self) -> None:
        """Nothing is known."""
        for number in range(self.rounds):
            with board(*self.dirty(number)) as port:
                self.remember(port, 0)
                self.ours("search", port, "auto")

    def lying(self) -> None:
        """Adapters that lie, and one that is only asked for 460800."""
        cases = [("", 0), *product(LYING, (0, 1500000))]
        for number, (fault, before) in product(range(self.rounds), cases):
            options = ["--option", f"fault={fault}:460800"] if fault else []
            with board(*options, *self.dirty(number), how="--rfc2217 0") as port:
                self.remember(port, before)
                name = f"{fault}, fast before" if before else fault or "460800"
                self.ours(name, port, "auto" if fault else "460800")

    def cpu(self) -> None:
        """Processor time, on a board that takes no time."""
        for number in range(CPU_ROUNDS):
            dirty = self.dirty(number)
            shutil.rmtree(os.environ["FLASHPIPE_CACHE"], ignore_errors=True)
            with board(*dirty, pace="fast") as port:
                self.remember(port, FASTEST)
                self.ours("cpu: known", port, "auto")
            with board(*dirty, pace="fast") as port:
                self.theirs(port, 115200, "cpu: ")

    def report(self) -> bool:
        """Print the table; whether every limit is met."""
        median = {name: statistics.median(found) for name, found in self.results.items()}
        rows = [(what, median[one] / median[other], limit, "") for what, one, other, limit in ROWS if other in median]
        rows += [
            (what, median[one] - median[other], limit, " s")
            for what, one, other, limit in EXTRA
            if one in median and other in median
        ]
        what, one, other, limit = CPU
        if one in self.cpu_s:
            rows.append((what, min(self.cpu_s[one]) / min(self.cpu_s[other]), limit, ""))
        for what, value, limit, unit in rows:
            verdict = "ok" if value <= limit else "MISSED"
            print(f"  {what:<40}{value:6.2f}{unit:2}   limit {limit:4.2f}   {verdict}")
        return all(value <= limit for _, value, limit, _ in rows)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="known,search,lying,cpu")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="of the board")
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["FLASHPIPE_STATE"] = str(Path(name) / "state")
        os.environ["FLASHPIPE_CACHE"] = str(Path(name) / "cache")
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(name) / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        bench = Bench(Path(name), options.rounds, options.param)
        for part in options.only.split(","):
            getattr(bench, part)()
        good = bench.report()
    return 0 if good or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
