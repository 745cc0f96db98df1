"""Virtual boards for stations, and the sockets into which they are put; and batches whose truth is known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flashpipe.records.batch import Batch
from flashpipe.records.manifest import make_manifest, verify_manifest
from flashpipe.station.recovery import recover
from flashpipe.station.sockets import Socket
from flashpipe.station.texts import load_texts
from flashpipe.station.units import read_claims

from tests.images import Builder

ROOT: Final = Path(__file__).resolve().parent.parent
BAD: Final = ("stuck", "absent", "no-flash", "other-part", "foreign")
"""Ways in which boards are bad; the last two are only refused."""
REAL_SIZE: Final = 0x38000
"""Bytes of code of the firmware whose boards take real time."""
MOST_S: Final = 900
"""Longest life of a station here."""


def board(mac: int, more: str = "fill=ff", kind: str = "nodemcu-devkit") -> str:
    """The URL of a virtual board that keeps what it holds as long as this process lives."""
    return f"sim://{kind}?inline=1&board=b{mac}&mac={address(mac)}&execute=off&{more}"


def address(mac: int) -> str:
    return f"5c:cf:7f:00:{mac >> 8:02x}:{mac & 255:02x}"


class Bench:
    """Sockets of a hub."""

    observable = True

    def __init__(self) -> None:
        self.plugged: dict[str, str] = {}
        self.nodes: dict[str, tuple[int, int]] = {}
        """Which device a place has, where the system tells that."""

    def present(self) -> dict[str, Socket]:
        return {place: Socket(place, url, self.nodes.get(place)) for place, url in list(self.plugged.items())}

    def tells(self, socket: Socket) -> bool:
        del socket
        return True


# --- batches whose truth is known ------------------------------------------------------------------------------------


@dataclass
class Batches:
    """A project with boards on files, and stations of it that are killed."""

    folder: Path
    boards: int
    bad: int
    ports: int
    real: bool = False
    """Whether the boards take the time that real ones take, each in another process than the station."""

    def make(self, units: Path | None = None, first: int = 1) -> None:
        """Profile, image, boards and units; `first` is the number of the first board."""
        self.folder.mkdir(parents=True, exist_ok=True)
        build = Builder()
        size = REAL_SIZE if self.real else 0x4000
        (self.folder / "sensor.bin").write_bytes(build.combine(build.pair_2x(size)))
        (self.folder / "sensor.yaml").write_text(
            "extends: nodemcu-devkit\nfirmware: {image: sensor.bin}\nboot: off\nkeep: []\n"
        )
        self.units = units or self.folder / "units.csv"
        if units is None:
            write_units(self.units, self.boards)
        self.urls = {address(first + at): self._url(first + at, self.way(at)) for at in range(self.boards)}
        (self.folder / "boards.json").write_text(json.dumps(self.urls))
        words = {"batch": "one", "units": str(self.units), "labels": "labels.csv", "zpl": "labels.zpl"}
        (self.folder / "words.json").write_text(json.dumps({**words, "stop_after": "0"}))

    def way(self, at: int) -> str:
        """How a board is bad; empty for a good one. The first one is good: it says which part they have."""
        return BAD[(at - 1) % len(BAD)] if 0 < at <= self.bad else ""

    def _url(self, number: int, way: str) -> str:
        flash = self.folder / f"{number}.flash"
        more = {
            "stuck": "&fault=stuck-sector:0x0",
            "absent": "&fault=absent",
            "no-flash": "&fault=no-flash",
            "other-part": "&part=GD25Q16B",
        }.get(way, "")
        if way == "foreign":
            other = Builder().combine(Builder().pair_3x())
            flash.write_bytes(other.ljust(4 << 20, b"\xff"))
        where = "time=real" if self.real else "inline=1"
        return f"sim://nodemcu-devkit?{where}&flash={flash}&mac={address(number)}&execute=off&fill=ff{more}"

    def start(self, seed: int, kill_at: int = 0) -> subprocess.Popen[bytes]:
        """A station in a process of its own."""
        words = [str(self.folder), str(self.ports), str(seed), str(kill_at), *(["at-once"] if self.real else [])]
        environment = {**os.environ, "FLASHPIPE_CORE": "none", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'pipeline'}"}
        return subprocess.Popen([sys.executable, str(ROOT / "tests" / "stationchild.py"), *words], env=environment)

    def run(self, seed: int, kill_at: int = 0) -> int:
        """Its status: 0, or minus the signal that has ended it."""
        return self.start(seed, kill_at).wait(MOST_S)

    def check(self) -> dict[str, Any]:
        """Hold everything that is left against the truth; what the manifest counts."""
        records = self.folder / ".pipeline"
        batch = Batch.open(records, "one")
        assert recover(batch, records / "receipts", load_texts()) == []
        good = {mac for at, mac in enumerate(self.urls) if not self.way(at)}
        rows = batch.state.rows()
        assert {row.mac for row in rows if row.passed} == good
        assert len(rows) == self.boards
        receipts = sorted(path.name for path in (records / "receipts").glob("*.json"))
        assert sorted(one.receipt for one in batch.state.attempts.values() if one.receipt) == receipts
        manifest = batch.folder / "manifest.json"
        manifest.write_text(json.dumps(make_manifest(batch, records / "receipts", virtual=True)))
        assert verify_manifest(manifest, records / "receipts").boards == len(good)
        self._check_units(batch, good)
        self._check_labels(good)
        image = (self.folder / "sensor.bin").read_bytes()
        for mac in good:
            number = int(mac[-5:].replace(":", ""), 16)
            cells = (self.folder / f"{number}.flash").read_bytes()
            assert cells[4 : len(image)] == image[4:], f"{mac} does not hold the image"
        return dict(json.loads(manifest.read_text())["counts"])

    def _check_units(self, batch: Batch, good: set[str]) -> None:
        claims = read_claims(self.units.with_name("units.csv.claims"))
        assert len(set(claims.of.values())) == len(claims.of), "a unit was given twice"
        assert good <= set(claims.of)
        for row in batch.state.rows():
            if row.passed:
                assert claims.of[row.mac] == row.row

    def _check_labels(self, good: set[str]) -> None:
        lines = (self.folder / "labels.csv").read_text().splitlines()
        assert len(lines) == 1 + len(good)
        zpl = (self.folder / "labels.zpl").read_text()
        assert all(f"^FD{mac}" in zpl for mac in good), "a label is missing"


def write_units(path: Path, count: int) -> None:
    """A list of units with a line for each board."""
    path.write_text("serial,room\n" + "".join(f"S{number:04d},room {number}\n" for number in range(count)))


def killed(status: int) -> bool:
    """Whether a process was killed."""
    return status == -signal.SIGKILL
