"""Thirty files of a board put, changed, mirrored, fetched back, with the tool killed in the middle: is anything lost?

    python tests/bench/trial_files.py [--images FOLDER] [--lines 1.5.4.1,2.2,3.0] [--kills 10] [--seed 1]

The board executes a published NodeMCU. Each kill is SIGKILL to `files send=1` with `files_mirror`, at a random moment
after its first byte has reached the flash, and takes the board's power with it. A command that has ended before counts
for none. After each, a copy of its flash is started, and its own Lua gives every file: one
under its true name is the old or the new one, to the byte; what the mirror removes is on the board or in the backups.
Then the same command is run once more, and the board holds what the profile says, and nothing else. After that: names
that no file can have, a file too large, a board that is full in mid-mirror, one that is unplugged in mid-put.

Prints a line for each step; 1 where something was lost, or a failure took more than one line.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from flashpipe.board.lua.console import find_console
from flashpipe.board.lua.files import TEMPORARY, BoardFiles
from flashpipe.board.session.session import Session
from flashpipe.sim.ports import registry

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.nodemcu import IN_PACKAGE, MAC, MB, formatted, published_image

LINES: Final = f"{IN_PACKAGE},2.2,3.0"
LIMIT_S: Final = 600.0
LOOK_S: Final = 0.05
PROFILE: Final = """extends: nodemcu-devkit
flash: {{size: 1MB, mode: dio}}
firmware: {{image: {image}}}
files: {{/: data/}}
files_mirror: true
files_mirror_except: ["*.cfg"]
"""


class LostError(Exception):
    """Something of the user's is gone, or was not told."""


@dataclass
class Trial:
    """A project, a board, and what is known of both."""

    folder: Path
    line: str
    image: Path
    noise: random.Random
    old: dict[str, bytes] = field(default_factory=dict)
    new: dict[str, bytes] = field(default_factory=dict)

    @property
    def flash(self) -> Path:
        return self.folder / "cells"

    @property
    def port(self) -> str:
        return f"port=sim://nodemcu-devkit?size=1MB&mac={MAC}&flash={self.flash}"

    def command(self, *words: str, kill_within_s: float | None = None, more: str = "") -> tuple[int, str, float]:
        """Run flashpipe; exit status, output, seconds.

        `kill_within_s`: it is killed by then, counted from the first byte that it writes.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLASHPIPE")}
        environment |= {"FLASHPIPE_STATE": str(self.folder / "state"), "FLASHPIPE_CACHE": str(self.folder / "cache")}
        began = time.monotonic()
        with tempfile.TemporaryFile("w+") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "flashpipe", *words, self.port + more],
                cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
            if kill_within_s is not None:
                before = self.flash.read_bytes()
                while self.flash.read_bytes() == before and process.poll() is None:
                    time.sleep(LOOK_S)
            try:
                process.wait(LIMIT_S if kill_within_s is None else self.noise.uniform(0, kill_within_s))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            out.seek(0)
            return process.returncode, out.read(), time.monotonic() - began

    def ok(self, *words: str) -> tuple[str, float]:
        """Run one that must succeed."""
        status, text, seconds = self.command(*words)
        if status:
            raise LostError(f"{' '.join(words)} ended with {status}:\n{text[-1500:]}")
        return text, seconds

    def refused(self, code: str, *words: str, more: str = "") -> str:
        """Run one that must fail with a code, in one line and one for what to do."""
        status, text, _ = self.command(*words, more=more)
        failures = [line for line in text.splitlines() if "[code: " in line]
        if not status or len(failures) != 1 or f"[code: {code}]" not in failures[0] or "Traceback" in text:
            raise LostError(f"{' '.join(words)} ended with {status}, want {code}:\n{text[-1500:]}")
        return re.sub(r"sim://\S+", "PORT", failures[0]).strip()[:160]

    def on_board(self) -> dict[str, bytes]:
        """Every file, as the board's own Lua gives it; from a copy of its flash, started once more."""
        copy = self.folder / "copy"
        shutil.copy(self.flash, copy)
        with closing(Session(f"sim://nodemcu-devkit?inline=1&size=1MB&mac={MAC}&flash={copy}")) as session:
            files = BoardFiles(find_console(session, limit_s=60), session.baud)
            sizes = files.names()
            for name in {*self.old, *self.new} - {*sizes}:  # not every file is listed
                size = files.size_of(name)
                sizes |= {} if size is None else {name: size}
            with files.faster(sum(sizes.values())):
                found = {name: files.read(name, size) for name, size in sizes.items()}
        registry.forget_boards()
        return found

    def kept(self) -> dict[str, bytes]:
        """What lies in the backups, by the names that it has here."""
        return {path.name: path.read_bytes() for path in (self.folder / ".pipeline").glob("backups/*/files/*/*")}

    def save(self, files: dict[str, bytes]) -> None:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        for name, data in files.items():
            path = self.folder / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def say(self, text: str) -> None:
        print(f"{self.line:8} {text}", flush=True)


def thirty(noise: random.Random, version: int) -> dict[str, bytes]:
    """Thirty files: Lua, bytes, an empty one, in folders."""
    files = {"empty.txt": b"", "www/index.html": b"<p>" + bytes(range(256)) * 3, "n" * 31: noise.randbytes(100)}
    for number in range(27):
        if number % 3:
            files[f"lua/m{number:02}.lua"] = f"-- {version}\n".encode() + b"local function f() end\n" * number
        else:
            files[f"d{number:02}.dat"] = noise.randbytes(noise.randrange(1, 4000))
    return files


def put_and_fetch(trial: Trial) -> None:
    trial.old = thirty(trial.noise, 1)
    trial.save(trial.old)
    text, seconds = trial.ok("files", "put", "data/")
    if "30 files sent" not in text:
        raise LostError(text)
    trial.say(f"30 files, {sum(map(len, trial.old.values())):,} bytes, put in {seconds:.0f} s of this machine")
    trial.ok("files", "get", "*", "yes=1")
    for name, data in trial.old.items():
        if (trial.folder / name).read_bytes() != data:
            raise LostError(f"{name} came back changed")
        (trial.folder / name).unlink()
    trial.say("fetched back byte for byte")
    text, _ = trial.ok("files", "put", "data/")
    if "the board held them already" not in text:
        raise LostError(text)


def mirror_and_kill(trial: Trial, kills: int) -> None:
    for name, data in {"home.cfg": b"mine", "gone.lua": b"x = 1\n", "www/gone.html": b"gone" * 300}.items():
        (trial.folder / "other").write_bytes(data)
        trial.ok("files", "put", "other", f"as={name}")
        trial.old[name] = data
    changed = thirty(trial.noise, 2)
    trial.new = {name: data for name, data in changed.items() if name != "lua/m01.lua"} | {"fresh.lua": b"y = 2\n"}
    trial.save(trial.new)
    words = ("files", "send=1", "profile=home", "yes=1")
    began, killed, finished, within_s = time.monotonic(), 0, 0, 10.0
    while killed < kills:
        status, text, spent_s = trial.command(*words, kill_within_s=within_s)
        time.sleep(0.5)  # the board's process ends when it sees that nobody is there
        if status > 0:
            raise LostError(text[-1500:])
        looked_at(trial)
        if status == 0:
            finished, within_s = finished + 1, within_s * 0.8
            trial.old |= trial.on_board()
            trial.new = {name: data + b"\n-- more" for name, data in trial.new.items()}
            trial.save(trial.new)
        else:
            killed += 1
            trial.say(f"kill {killed}, after {spent_s:.1f} s: nothing lost, nothing half")
    trial.ok(*words)
    there, wanted = trial.on_board(), trial.new | {"home.cfg": b"mine"}
    if there != wanted:
        raise LostError(f"after the last run: {sorted(set(there) ^ set(wanted))} or other contents")
    looked_at(trial)
    spent_s = time.monotonic() - began
    trial.say(
        f"rerun completes, and the board is as it should be ({spent_s:.0f} s;"
        f" {finished} more had ended before their kill)"
    )


def looked_at(trial: Trial) -> None:
    """Raise where a file is half, or gone without having been fetched."""
    there, kept = trial.on_board(), trial.kept()
    for name, data in there.items():
        if not name.startswith(TEMPORARY) and data not in {trial.old.get(name), trial.new.get(name)}:
            raise LostError(f"{name} on the board is neither the old nor the new one: {len(data)} bytes")
    for name, data in trial.old.items():
        replaced = name in trial.new
        if name not in there and not replaced and kept.get(quote(name, safe="")) != data:
            raise LostError(f"{name} is on the board no more, and in no backup")
        if name not in there and replaced and not any(trial.new[name] == other for other in there.values()):
            raise LostError(f"{name} is on the board no more, nor its successor")


def bad_input(trial: Trial) -> None:
    before = trial.on_board()
    (trial.folder / "f.txt").write_bytes(b"f")
    for name in ("n" * 32, "a b", "a\tb", "ä.lua", 'a"b', "fp~1", "/rooted"):
        trial.say(trial.refused("lua-file-name", "files", "put", "f.txt", f"as={name}"))
    (trial.folder / "huge.dat").write_bytes(trial.noise.randbytes(900_000))
    trial.say(trial.refused("files-full", "files", "put", "huge.dat"))
    trial.say(trial.refused("lua-file-missing", "files", "put", "nowhere.lua"))
    (trial.folder / "bad.lua").write_bytes(b"x = 1\ny = = 2\n")
    trial.say(trial.refused("lua-syntax", "files", "put", "bad.lua"))
    if trial.on_board() != before:
        raise LostError("something that was refused has changed the board")
    trial.save(trial.new | {"huge.dat": trial.noise.randbytes(700_000), "x.lua": b"x = 3\n"})
    trial.say("mirror: " + trial.refused("files-full", "files", "send=1", "profile=home", "yes=1"))
    if {name: data for name, data in trial.on_board().items() if not name.startswith(TEMPORARY)} != before:
        raise LostError("a board that was full in mid-mirror is not what it was")
    trial.save(trial.new)
    (trial.folder / "many").mkdir()
    for number in range(8):
        (trial.folder / "many" / f"{number}.dat").write_bytes(trial.noise.randbytes(3000))
    trial.say(trial.refused("port-lost", "files", "put", "many", more="&fault=unplug:9000"))
    there = trial.on_board()
    if any(there.get(name) != data for name, data in before.items()):
        raise LostError("an unplugged board is not what it was")
    trial.ok("files", "put", "many")
    trial.say("after the cable was plugged in again, the same command completes")


def main() -> int:
    """Run it on each line of NodeMCU; 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[3] / "shared" / "images"
    parser.add_argument("--images", type=Path, default=Path(os.environ.get("FLASHPIPE_IMAGES", default)))
    parser.add_argument("--lines", default=LINES)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    wrong = 0
    for line in chosen.lines.split(","):
        with tempfile.TemporaryDirectory(prefix="trial-files-") as name:
            image = published_image(line, chosen.images)
            trial = Trial(Path(name), line, image, random.Random(chosen.seed))
            trial.flash.write_bytes(formatted(image, MB))
            (trial.folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
            (trial.folder / "home.yaml").write_text(PROFILE.format(image=image))
            try:
                put_and_fetch(trial)
                mirror_and_kill(trial, chosen.kills)
                bad_input(trial)
            except LostError as error:
                trial.say(f"LOST: {error}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
