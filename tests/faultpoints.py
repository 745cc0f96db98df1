"""One accident at a chosen point of a flash, and what must hold afterwards.

A `Bed` is a board in a known state with a command that would change it; `Point` an accident. `Bed.suffer` lets it
happen, checks what is left, runs the same command again without it, and checks that nothing was lost. Used by a slice
in the test suite and by `tests/bench/soak.py` for hundreds of points.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests import forked
from tests.faultchild import COUNTS
from tests.harness import LIMIT_S, Done, Project, make_project
from tests.images import RAM_CODE, Builder
from tests.simboard import SimBoard

USUAL: Final = 460_800
ROOT: Final = Path(__file__).resolve().parent.parent
FLASH: Final = 0x100000
SECTOR: Final = 0x1000
IN_PROCESS: Final = ("kill", "int", "term", "kill-before-record", "kill-after-record")
ON_THE_BOARD: Final = ("unplug", "stolen", "power-loss", "brown-out")
STATUSES: Final = {
    "kill": (-9,),
    "kill-before-record": (-9,),
    "kill-after-record": (-9,),
    "int": (130,),
    "term": (143,),
}


@dataclass(frozen=True)
class Point:
    """An accident: `kind` at count `at`."""

    kind: str
    at: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.at}"


def firmware(seed: int, size: int = 0x40000) -> bytes:
    """An image that no tool knows, half of it easy to compress."""
    noise = random.Random(seed)
    head = Builder().boot([(RAM_CODE, bytes(noise.randrange(256) for _ in range(6000)))])
    parts = [noise.randbytes(64) + bytes((noise.randrange(256),)) * 64 for _ in range((size - len(head)) // 128)]
    return (head + b"".join(parts)).ljust(size, b"\x5a")


def changed(image: bytes, sectors: tuple[int, ...]) -> bytes:
    """The image with a few bytes different in each of these sectors, not before 0x2000: the checksum stays right."""
    data = bytearray(image)
    for number in sectors:
        data[number * SECTOR + 100 : number * SECTOR + 140] = bytes(range(number, number + 40))
    return bytes(data)


def in_flash(image: bytes) -> bytes:
    """The image as it stands in flash: dio, 1 MB, 40 MHz, FF up to the end of its sector."""
    data = image[:2] + b"\x02\x20" + image[4:]
    return data + b"\xff" * (-len(data) % SECTOR)


@dataclass
class Bed:
    """A board with known contents, and the flash that will be disturbed."""

    folder: Path
    old: bytes
    """Where the plan's bytes will stand, before; the rest of the flash is kept data."""
    new: bytes
    known: bool
    """Whether the journal knows the old contents."""
    start: bytes = b""
    _state: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        noise = random.Random(len(self.old))
        whole = self.old + noise.randbytes(FLASH - len(self.old))
        self.folder.mkdir(parents=True)
        (self.folder / "new.bin").write_bytes(self.new)
        (self.folder / "start.flash").write_bytes(whole)
        self._state = self.folder / "start-state"
        self._state.mkdir()
        if self.known:
            (self.folder / "old.bin").write_bytes(self.old)
            project = make_project(self.folder / "before", self._state)
            board = SimBoard(self.folder / "start.flash", name="esp01-1m")
            project.flashpipe(*_words(board.port, self.folder / "old.bin")).ok()
        self.start = (self.folder / "start.flash").read_bytes()

    # --- one accident ------------------------------------------------------------------------------------------------

    def suffer(self, point: Point, name: str = "") -> str:
        """Let it happen and recover; says in a word how the disturbed run ended."""
        project, board = self._copy(name or str(point).replace(":", "-"))
        try:
            done = self._disturbed(project, board, point)
            ending = self._check_left(project, board, point, done)
            again = project.flashpipe(*_words(board.port, self.folder / "new.bin")).ok()
            self._check_whole(board, f"{point}: after the second run\n{again.text}")
            self._check_records(project, point)
        except BaseException:
            sys.stderr.write(f"{point}: the evidence is in {project.folder.parent}\n")
            raise
        shutil.rmtree(project.folder.parent)
        return ending

    def count(self) -> dict[str, int]:
        """Bytes sent in all and before the first flash operation, flash operations and records, undisturbed."""
        project, board = self._copy("count")
        counts = self.folder / "counts.json"
        done = _child(
            project, "none", 0, _words(board.but("&inline=1").port, self.folder / "new.bin"), {COUNTS: str(counts)}
        )
        done.ok()
        self._check_whole(board, "undisturbed")
        shutil.rmtree(project.folder.parent)
        found: dict[str, int] = json.loads(counts.read_text())
        return found

    def points(self, amount: int, seed: int) -> Iterator[Point]:
        """`amount` different accidents: every kind, at the edges and spread by chance; fewer if there are no more."""
        counts, chance = self.count(), random.Random(seed)
        ends = {"power-loss": counts["operations"], "brown-out": max(1, counts["operations"] // 17)}
        ends |= dict.fromkeys(("kill-before-record", "kill-after-record"), counts["records"])
        kinds = (*IN_PROCESS, *ON_THE_BOARD)
        seen: set[Point] = set()
        for number in range(10 * amount):  # a brown-out or a record has but a few places to strike at
            kind = kinds[number % len(kinds)]
            first, last = (1, ends[kind]) if kind in ends else (0, counts["sent"] - 1)
            turn = number // len(kinds)
            if turn % 2 and kind not in ends:  # every other one while the flash is being changed
                first = counts["before_flash"]
            at = first if turn == 0 else last if turn == 1 else chance.randint(first, last)
            point = Point(kind, at)
            if point not in seen:
                seen.add(point)
                yield point
            if len(seen) == amount:
                return

    def _copy(self, name: str) -> tuple[Project, SimBoard]:
        here = self.folder / name
        here.mkdir()
        shutil.copy(self.folder / "start.flash", here / "board.flash")
        shutil.copytree(self._state, here / "state")
        return make_project(here / "project", here / "state"), SimBoard(here / "board.flash", name="esp01-1m")

    def _disturbed(self, project: Project, board: SimBoard, point: Point) -> Done:
        image = self.folder / "new.bin"
        if point.kind in ON_THE_BOARD:
            return project.flashpipe(*_words(board.but(f"&fault={point}").port, image))
        return _child(project, point.kind, point.at, _words(board.but("&inline=1").port, image))

    # --- what must hold ----------------------------------------------------------------------------------------------

    def _check_left(self, project: Project, board: SimBoard, point: Point, done: Done) -> str:
        cells, where = board.cells(), f"{point}\n{done.text}"
        want, old = in_flash(self.new), self.start[: len(in_flash(self.new))]
        now = cells[: len(want)]
        assert cells[len(want) :] == self.start[len(want) :], f"kept data was touched: {where}"
        assert "Traceback" not in done.text, where
        if done.status == 0:
            assert now == want, f"success, and yet the board holds something else: {where}"
        elif done.status not in STATUSES.get(point.kind, ()):
            assert "[code: " in done.text, f"a failure without a code ({done.status}): {where}"
        if now not in {want, old}:  # half of it: then nothing of it may start
            boots = [sector for sector in (want[:SECTOR], old[:SECTOR]) if sector == now[:SECTOR]]
            assert not boots, f"half a firmware that would start: {where}"
        for receipt in project.receipts():
            assert (receipt["outcome"] in {"flashed", "skipped"}) <= (now == want), f"a receipt that lies: {where}"
        assert not list(project.state.rglob("*.part")) or done.status == -9, where
        return "whole" if now == want else "untouched" if now == old else "half"

    def _check_whole(self, board: SimBoard, where: str) -> None:
        cells, want = board.cells(), in_flash(self.new)
        assert cells[: len(want)] == want, f"not what was planned: {where}"
        assert cells[len(want) :] == self.start[len(want) :], f"kept data was touched: {where}"

    def _check_records(self, project: Project, point: Point) -> None:
        (entry,) = project.journal()
        assert entry["state"] == "clean", point
        assert project.receipts()[-1]["outcome"] in {"flashed", "skipped"}, point


def full_bed(folder: Path) -> Bed:
    """A board full of something else."""
    new = firmware(1)
    return Bed(folder, random.Random(2).randbytes(len(in_flash(new))), new, known=False)


def differential_bed(folder: Path, *, known: bool) -> Bed:
    """A board that holds an earlier build: five sectors differ, the first and the last among them."""
    old = firmware(1)
    new = changed(old, (2, 33, 34, 50, 63))
    bed = Bed(folder, in_flash(old), new, known=known)
    assert bed.start[: len(in_flash(old))] == in_flash(old)
    return bed


def ending_under(rates: str, folder: Path, seed: int, *more: str, known_rate: int = 0) -> str:
    """Flash over a line with these faults: `whole`, or the code it failed with; anything else is an error.

    What is kept stays as it was, and after a failure a run on a good line ends whole. `more` are words of the command.
    `known_rate`: boards on this adapter were carried at it before; where it fails, it is forgotten.
    """
    new = folder / "new.bin"
    folder.mkdir(parents=True)
    new.write_bytes(firmware(3, 0x18000))
    project = make_project(folder / "project", folder / "state")
    board = SimBoard(folder / "board.flash", name="esp01-1m")
    before, want = random.Random(seed).randbytes(FLASH), in_flash(new.read_bytes())
    board.flash.write_bytes(before)
    words = _words(board.but(f"&fault={rates}&seed={seed}").port, new)
    known = folder / "state" / "rates.json"
    if known_rate:
        adapter = {"boards": {}, "profiles": {"esp01-1m": known_rate}}
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps({"version": 1, "adapters": {words[2].removeprefix("port="): adapter}}))
    done = project.flashpipe(*words, *more)
    assert "Traceback" not in done.text, done.text
    if known_rate and f"trying {USUAL} baud" in done.text:
        (adapter,) = json.loads(known.read_bytes())["adapters"].values()
        assert not adapter["profiles"], "a rate that failed is remembered for the profile"
        assert not any(one["rate"] for one in adapter["boards"].values()), "and for the board"
    assert board.cells()[len(want) :] == before[len(want) :], f"{rates}: kept data was touched"
    if done.status == 0:
        assert board.cells()[: len(want)] == want, f"{rates}: success, and yet the board holds something else"
        return "whole"
    assert "[code: " in done.text, done.text
    project.flashpipe(*_words(board.port, new)).ok()
    assert board.cells() == want + before[len(want) :], f"{rates}: not mended by a run on a good line"
    return done.text.partition("[code: ")[2].partition("]")[0]


def _words(port: str, image: Path) -> tuple[str, ...]:
    return ("flash", "profile=esp01-1m", port, f"image={image}", "boot=off", "mode=dio")


def rivals(folder: Path) -> str:
    """Two processes flash one board at the same time: one does it, the other does it later or says who was first."""
    folder.mkdir(parents=True)
    project = make_project(folder / "project", folder / "state")
    board = SimBoard(folder / "board.flash", name="esp01-1m", more="&time=0.2")
    images = [folder / "a.bin", folder / "b.bin"]
    for number, image in enumerate(images):
        image.write_bytes(firmware(10 + number, 0x18000))
    done = _together(project, [_words(board.port, image) for image in images])
    whole = [in_flash(image.read_bytes()) for image in images]
    now = board.cells()[: len(whole[0])]
    winners = [number for number, one in enumerate(done) if one.status == 0]
    assert winners, [one.text for one in done]
    assert now in [whole[number] for number in winners], "a mixture of two images, and success reported"
    for one in done:
        assert one.status == 0 or "[code: port-busy]" in one.text or "[code: bad-value]" in one.text, one.text
    (entry,) = project.journal()
    assert entry["state"] == "clean", entry
    return f"{len(winners)} of 2 flashed, the board holds one image whole"


def twins(folder: Path) -> str:
    """Two boards with one MAC on two ports: what is known of the one is never taken for the other."""
    folder.mkdir(parents=True)
    project = make_project(folder / "project", folder / "state")
    boards = [SimBoard(folder / f"{name}.flash", name="esp01-1m") for name in ("left", "right")]
    images = [folder / "a.bin", folder / "b.bin"]
    images[0].write_bytes(firmware(20, 0x40000))
    images[1].write_bytes(changed(images[0].read_bytes(), (2, 33, 34)))
    done = _together(project, [_words(*pair) for pair in zip([board.port for board in boards], images, strict=True)])
    again = 0
    for board, image, first in zip(boards, images, done, strict=True):
        want = in_flash(image.read_bytes())
        assert (first.status != 0) or board.cells()[: len(want)] == want, first.text
        for _ in range(2):
            second = project.flashpipe(*_words(board.port, image)).ok()
            again += second.wrote
            assert board.cells()[: len(want)] == want, second.text
    assert json.loads(next((project.state / "boards").glob("*.json")).read_text())["state"] == "clean"
    return f"{sum(one.status == 0 for one in done)} of 2 flashed at once, {again} written again, both as planned"


def _together(project: Project, commands: list[tuple[str, ...]]) -> list[Done]:
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda words: project.flashpipe(*words), commands))


def _child(project: Project, kind: str, at: int, words: tuple[str, ...], more: dict[str, str] | None = None) -> Done:
    arguments = (kind, str(at), *words)
    if forked.can_run("tests.faultchild", project.folder):
        environment = {**project.environment(), **(more or {})}
        done = forked.run("tests.faultchild", arguments, project.folder, environment, LIMIT_S)
        return Done(done.returncode, done.stdout, done.stderr)
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    script = str(ROOT / "tests" / "faultchild.py")
    return project.python(script, *arguments, more={"PYTHONPATH": paths, **(more or {})})
