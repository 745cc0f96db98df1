"""Faults hit a program that is executed as they hit a loader: in the middle of what it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flashpipe.sim.devices.rtc import RAM_BASE
from flashpipe.sim.faults import Faults
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import parse_url
from flashpipe.sim.simulation import build_flash

MB = 1024 * 1024
FILES = 0x90000
"""The first sector that it formats there."""


class Bench:
    """A board of 1 MB with NodeMCU 1.5.4.1, whose time passes when a test says so."""

    def __init__(self, flash: Path, image: bytes, more: str = "") -> None:
        if not flash.exists():
            flash.write_bytes(build_flash({0: image[:2] + b"\x03" + image[3:]}, MB))
        self.seconds = 0.0
        setup = parse_url(f"sim://esp01-1m?flash={flash}&time=real&wiring=devkit&start=app{more}")
        faults = Faults.parse(setup.faults, setup.seed)
        self.line = HostLine(setup.spec, setup.factor, faults, wall=lambda: self.seconds)
        self.line.set_baud(115200)

    def run(self, until: str = r"\n> $", limit_s: float = 60.0) -> str:
        """What is said, up to a text or for so long."""
        text, end = "", self.seconds + limit_s
        while self.seconds < end and not re.search(until, text):
            self.seconds += 0.05
            text += self.line.take().decode("latin-1").replace("\r", "")
        return text

    @property
    def cells(self) -> bytes:
        return bytes(self.line.board.cells[0:MB])


@pytest.fixture
def image(firmware: Path) -> bytes:
    return firmware.read_bytes()


def test_power_fails_in_the_middle_of_what_the_program_erases(tmp_path: Path, image: bytes) -> None:
    bench = Bench(tmp_path / "flash", image, f"&fault=power-loss-at:{FILES:#x}")
    cells = bench.line.board.cells
    cells[FILES : FILES + 0x4000] = bytes(0x4000)
    assert not re.search(r"\n> $", bench.run(limit_s=20))
    assert not bench.line.board.powered
    assert bench.cells[FILES : FILES + 0x1000] == b"\xff" * 0x800 + b"\x55" * 0x800, "half of it is erased"
    assert bench.cells[FILES + 0x1000 : FILES + 0x4000] == bytes(0x3000), "and nothing after it"
    assert bench.run(limit_s=5) == ""
    bench.line.pull(lambda board, now: board.power(on=True, now=now))
    assert bench.run().endswith("\n> "), "it formats again"


def test_a_supply_too_weak_for_erasing_resets_the_program(tmp_path: Path, image: bytes) -> None:
    bench = Bench(tmp_path / "flash", image, "&fault=brown-out:3")
    bench.line.set_baud(74880)
    log = bench.run(until=r"rst cause:2[\s\S]*csum 0x")
    assert re.findall(r"rst cause:(\d)", log) == ["1", "2"]
    bench.line.set_baud(115200)
    assert bench.run().endswith("\n> ")


def test_a_sector_that_does_not_erase_stays_as_it_is(tmp_path: Path, image: bytes) -> None:
    bench = Bench(tmp_path / "flash", image, f"&fault=stuck-sector:{FILES + 0x2000:#x}")
    bench.line.board.cells[FILES : FILES + 0x4000] = bytes(0x4000)
    bench.run(until="powered by Lua")
    assert bench.cells[FILES + 0x2000 : FILES + 0x3000] == bytes(0x1000)
    assert bench.cells[FILES + 0x3000 : FILES + 0x4000] == b"\xff" * 0x1000


def test_a_page_that_does_not_program_stays_blank(tmp_path: Path, image: bytes) -> None:
    whole, worn = Bench(tmp_path / "a", image), Bench(tmp_path / "b", image, f"&fault=weak-page:{FILES:#x}")
    for bench in (whole, worn):
        bench.run(until="powered by Lua")
    assert whole.cells[FILES : FILES + 0x100] != b"\xff" * 0x100
    assert worn.cells[FILES : FILES + 0x100] == b"\xff" * 0x100


def test_a_reset_line_that_is_held_ends_the_program(tmp_path: Path, image: bytes) -> None:
    bench = Bench(tmp_path / "flash", image)
    bench.run()
    bench.line.set_lines(dtr=False, rts=True)
    bench.line.write(b"=1+1\r\n")
    assert bench.run(limit_s=2) == ""
    bench.line.set_lines(dtr=False, rts=False)
    assert bench.run().endswith("\n> ")


def test_the_same_flash_gives_the_same_bytes(tmp_path: Path, image: bytes) -> None:
    first, second = (Bench(tmp_path / name, image) for name in ("a", "b"))
    assert first.run() == second.run()
    assert first.cells == second.cells


def test_rtc_memory_outlives_the_reset_line_and_nothing_the_supply(tmp_path: Path, image: bytes) -> None:
    bench = Bench(tmp_path / "flash", image)
    bench.run()
    rtc = bench.line.board._executed.machine.devices.rtc  # type: ignore[union-attr]
    rtc.write(RAM_BASE + 0x3F0, 0x7470656B)
    bench.line.pull(lambda board, now: board.reset(now))
    bench.run()
    assert rtc.memory(0x3F0, 4) == b"kept"
    bench.line.pull(lambda board, now: board.power(on=False, now=now))
    bench.line.pull(lambda board, now: board.power(on=True, now=now))
    bench.run()
    assert rtc.memory(0x3F0, 4) == bytes(4)
