"""`flashpipe bench`: what it measures, that the board holds what it held, and what the records say."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.board.loader.device import Device
from flashpipe.flasher.bench_figures import AMOUNT, Figures, Rate, place
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.rfc2217 import Rfc2217Server
from hypothesis import given
from hypothesis import strategies as st

from tests import schema
from tests.harness import Done, Project
from tests.simboard import SimBoard

FLASH = 0x100000


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    """A board of 1 MB that holds something everywhere."""
    made = SimBoard(tmp_path / "board.flash", name="esp01-1m")
    made.flash.write_bytes(random.Random(1).randbytes(FLASH))
    return made


def test_what_is_measured_is_put_back(project: Project, board: SimBoard) -> None:
    before = board.cells()
    done = project.flashpipe("bench", board.port, "yes=1", "--json").ok()
    assert board.cells() == before
    document = schema.checked_document(done.out)
    (measured,) = document["boards"]
    assert measured["time"] == "fast"
    assert [rate["baud"] for rate in measured["rates"]][:4] == [115200, 230400, 460800, 921600]
    assert all(rate["holds"] for rate in measured["rates"])
    fastest = measured["rates"][-1]["baud"]
    assert [(one["baud"], one["flash_mhz"]) for one in measured["write"]] == [(460800, 0), (fastest, 0), (fastest, 26)]
    assert [(one["mhz"], one["holds"]) for one in measured["flash_clocks"]] == [(13, True), (26, True)]
    (receipt,) = project.receipts()
    assert (receipt["command"], receipt["outcome"]) == ("bench", "restored")


def test_a_rate_that_fails_is_the_last_and_a_clock_that_does_not_hold_is_named(
    project: Project, board: SimBoard
) -> None:
    before = board.cells()
    done = project.flashpipe("bench", board.but("&fault=bad-baud:921600+slow-flash:20").port, "yes=1").ok()
    assert board.cells() == before
    assert "| flash clock 26 MHz | the flash is not read rightly |" in done.out
    assert "| 921600 baud | holds" in done.out
    assert "| time | the virtual board's (time=fast)" in done.out
    assert "| esptool write-flash | not measured: no other program reaches this port |" in done.out
    assert done.out.count("not measured") == 1
    assert "| 1000000 baud | failed" in done.out
    assert "1500000" not in done.out
    assert "5c:cf" not in done.out.partition("| what |")[2], "the table is for anybody"


def test_a_line_that_does_not_carry_the_usual_rate_is_measured_at_what_it_carries(
    project: Project, board: SimBoard
) -> None:
    before = board.cells()
    done = project.flashpipe("bench", board.but("&fault=bad-baud:300000").port, "yes=1").ok()
    assert board.cells() == before
    assert [line for line in done.err.splitlines() if line.startswith("trying ")][1:] == []
    assert "| 460800 baud | failed" in done.out
    assert "| write 256 KB at 230400 |" in done.out
    (adapter,) = json.loads((project.state / "ways.json").read_text())["adapters"].values()
    (way,) = (board["way"] for board in adapter["boards"].values())
    assert (way["baud"], way["stub"]) == (230400, True), "the next flash begins so"


def test_a_board_that_nobody_can_reset_is_measured_at_the_rates_that_any_adapter_carries(
    project: Project, board: SimBoard
) -> None:
    before = board.cells()
    done = project.flashpipe("bench", board.but("&start=rom&wiring=none").port, "reset=none", "yes=1", "--json").ok()
    assert board.cells() == before
    (measured,) = schema.checked_document(done.out)["boards"]
    assert [rate["baud"] for rate in measured["rates"]] == [115200, 230400, 460800]
    assert [(one["baud"], one["flash_mhz"]) for one in measured["write"]] == [(460800, 0), (460800, 26)]
    assert measured["boot"] == ""
    assert [one["what"] for one in measured["left_out"]] == ["rates above 460800", "esptool write-flash", "boot"]


def test_esptool_is_measured_wherever_it_can_reach_the_port(
    project: Project, inside: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = list[list[str]]()

    def esptool(command: list[str], **_how: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, len(commands) - 1)  # over RFC 2217 it takes a minute

    monkeypatch.setattr("flashpipe.jobs.bench.subprocess.run", esptool)
    server = Rfc2217Server(parse_url("sim://esp01-1m").build())
    server.start()
    try:
        done = inside(project, "bench", server.name, "yes=1", "--json").ok()
    finally:
        server.stop()
    (measured,) = schema.checked_document(done.out)["boards"]
    assert all(server.name in command for command in commands)
    assert [one["baud"] for one in measured["esptool"]] == [115200]
    assert measured["left_out"] == [{"what": "esptool write-flash at 460800", "why": "esptool failed"}]
    assert measured["boot"]


def test_nothing_is_written_unasked(project: Project, board: SimBoard) -> None:
    before = board.cells()
    project.flashpipe("bench", board.port).failed("not-confirmed")
    assert board.cells() == before
    assert not (project.folder / ".pipeline" / "backups").exists()


def test_what_could_not_be_put_back_is_named_and_restored(project: Project, board: SimBoard) -> None:
    before = board.cells()
    done = project.flashpipe("bench", board.but("&fault=unplug:150000").port, "yes=1").failed("port-lost")
    assert board.cells() != before
    command = next(part for part in done.text.split("`") if part.startswith("flashpipe restore backup="))
    project.flashpipe(*command.split()[1:], board.port, "yes=1", "boot=off").ok()
    assert board.cells() == before


@pytest.mark.parametrize(("words", "code"), [(("speed=1",), "unknown-variable"), (("yes=1", "yes=1"), "bad-value")])
def test_bad_words_are_refused(project: Project, words: tuple[str, ...], code: str) -> None:
    project.flashpipe("bench", *words).failed(code)


@pytest.mark.parametrize(
    ("virtual", "per_s", "time"),
    [
        (False, 11_400, "real"),
        (False, 90_000, "real"),
        (True, 11_400, "real"),
        (True, 90_000, "fast"),
        (True, 0, "fast"),
    ],
)
def test_what_no_line_carries_is_fast_time(virtual: bool, per_s: int, time: str) -> None:  # noqa: FBT001
    device = Device("p", "ESP8266EX", "esp8266", (), "5c:cf:7f:00:00:01", 26, 0x1640EF, FLASH, "part", virtual)
    rates = (Rate(115200, holds=True, bytes_per_s=per_s),) if per_s else ()
    assert Figures(device, "", place(FLASH), 0.1, rates, (), (), (), "", 0.0).time == time


@given(st.sampled_from([1 << shift for shift in range(19, 25)]))
def test_the_middle_has_neither_boot_sector_nor_parameters(size: int) -> None:
    region = place(size)
    assert region.start >= 0x10000
    assert region.size == AMOUNT
    assert region.end <= size - 0x10000
