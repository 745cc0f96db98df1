"""Faults hit what they name, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.sim.chip import parts
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.faults import Faults
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.options import parse_url

DATA = bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("fault", "harmed"), [("noise", "to"), ("lost", "to"), ("noise-out", "from"), ("lost-out", "from")]
)
def test_noise_has_a_direction(fault: str, harmed: str) -> None:
    faults = Faults.parse([f"{fault}:0.2"])
    assert (faults.to_host(DATA, 115_200) != DATA) == (harmed == "to")
    assert (faults.from_host(DATA, 115_200) != DATA) == (harmed == "from")


def test_a_weak_bridge_garbles_above_its_limit_only() -> None:
    faults = Faults.parse(["bad-baud:230400"])
    for baud, whole in ((74_880, True), (115_200, True), (230_400, True), (230_401, False), (921_600, False)):
        assert (faults.to_host(DATA, baud) == DATA) == whole
        assert (faults.from_host(DATA, baud) == DATA) == whole


@pytest.mark.parametrize(("fault", "few", "many"), [("slow-flash", 1 / 100, 1 / 25), ("shaky-flash", 1e-6, 1e-4)])
def test_a_flash_that_cannot_follow_damages_some_bytes(fault: str, few: float, many: float) -> None:
    data = bytes(1 << 20)
    assert Faults.parse([f"{fault}:20"]).flash_damage(20.0) is None
    damage = Faults.parse([f"{fault}:20"]).flash_damage(26.0)
    again = Faults.parse([f"{fault}:20"]).flash_damage(26.0)
    assert damage is not None
    assert again is not None
    got = damage(data)
    assert few < (len(data) - got.count(0)) / len(data) < many
    assert all(byte & byte - 1 == 0 for byte in got), "one bit of a byte"
    assert again(data) == got, "the same seed, the same bits"
    assert damage(b"") == b""


@pytest.mark.parametrize("start", ["rom", "stub-v1", "stub-v2"])
def test_a_flash_that_cannot_follow_is_as_good_as_any_at_the_loaders_own_clock(bench: Any, start: str) -> None:
    """Read and programmed wrongly at 26 MHz, rightly at 13, and whole again after a reset."""
    host = bench.host(f"sim://esp12?start={start}&fill=random:1&gpio0=low&fault=slow-flash:20")
    if start == "rom":
        assert host.command(8, SYNC_PAYLOAD)
    nor, cells = host.link.board.nor, bytes(host.link.board.cells[:0x1000])
    host.status(2, bench.words(0, 0, 0x400, 0, *[0] * (start != "rom")))
    assert nor.read(0, 0x1000) == cells
    host.status(9, bench.words(0x60000208, 0x101, 0x1FFF, 0))
    assert nor.read(0, 0x1000) != cells
    nor.erase_sector(0x1000)
    nor.program(0x1000, bytes(0x1000))
    host.status(9, bench.words(0x60000208, 0x313, 0x1FFF, 0))
    assert nor.read(0, 0x1000) == cells
    assert nor.read(0x1000, 0x1000).count(0) not in {0, 0x1000}, "most of it was programmed as it should be"
    host.status(9, bench.words(0x60000208, 0x101, 0x1FFF, 0))
    host.link.board.reset(host.link.board.program.now)
    assert nor.read(0, 0x1000) == cells


def test_firmware_never_meets_the_limit_of_the_loaders_clock(bench: Any) -> None:
    """The ROM boots without a reset between, and what follows sets a clock of its own."""
    host = bench.host("sim://esp12?start=rom&gpio0=low&execute=off&fault=slow-flash:20")
    assert host.command(8, SYNC_PAYLOAD)
    nor = host.link.board.nor
    host.status(2, bench.words(0, 0, 0x400, 0))
    host.status(9, bench.words(0x60000208, 0x101, 0x1FFF, 0))
    assert nor.damage is not None
    host.raw(slip.encode(HEADER.pack(0, 0x04, 4, 0) + bench.words(1)))
    assert host.link.board.runs_flash
    assert nor.damage is None


def test_power_loss_at_an_address_happens_once() -> None:
    faults = Faults.parse(["power-loss-at:0x1800"])
    lost: list[str] = []
    faults.power_off = lambda: lost.append("power")
    nor = Nor(bytearray(0x10000), parts.PARTS[0])
    nor.hook = faults.before_flash
    for address in (0x0000, 0x1000, 0x1000, 0x2000):
        nor.erase_sector(address)
    assert lost == ["power"]
    assert nor.cells[0x1000:0x2000] == b"\xff" * 0x1000, "the second erase is whole"


def test_a_brown_out_comes_at_an_erase_only(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v2&fill=ff&execute=off&fault=brown-out:1")
    resets = host.link.board.resets
    host.status(2, bench.words(0x1000, 1, 0x4000, 0, 0))
    assert host.block(3, bytes(0x1000)) == "0000"
    assert host.link.board.resets == resets, "the sector was blank: programmed, not erased"
    host.raw(slip.encode(HEADER.pack(0, 0xD1, 8, 0) + bench.words(0, 0x1000)))  # the program in flash speaks then
    assert host.link.board.resets > resets


def test_nothing_is_finished_after_the_power_has_failed(bench: Any) -> None:
    """Also where the host looks late, and all of it would have happened in one go."""
    seconds = [0.0]
    setup = parse_url("sim://esp12?start=stub-v2&fill=byte:0")
    link = HostLine(setup.spec, 1.0, Faults.parse(["power-loss:3"]), wall=lambda: seconds[0])
    link.write(slip.encode(HEADER.pack(0, 0xD1, 8, 0) + bench.words(0, 0x8000)))
    seconds[0] += 10
    link.pump()
    assert link.board.mode == "off"
    cells = bytes(link.board.cells[0:0x8000])
    assert cells[:0x2800] == b"\xff" * 0x2800
    assert cells[0x3000:] == bytes(0x5000)


def test_a_bridge_that_loses_the_end_of_long_transfers_keeps_short_ones() -> None:
    faults = Faults.parse(["long-writes:1000"])
    assert faults.from_host(DATA[:1000], 115_200) == DATA[:1000]
    assert faults.from_host(DATA[:1500], 115_200) == DATA[:1000]
    assert faults.to_host(DATA, 115_200) == DATA


@pytest.mark.parametrize(
    ("wiring", "asserted", "mode"),
    [
        ("devkit", ("rts", "dtr"), "rom"),
        ("devkit", ("dtr", "rts"), "off"),
        ("exchanged", ("dtr", "rts"), "rom"),
        ("exchanged", ("rts", "dtr"), "off"),
        ("no-dtr", ("rts", "dtr"), "app"),
        ("none", ("rts", "dtr"), "rom"),
    ],
)
def test_which_line_resets_and_which_one_chooses(wiring: str, asserted: tuple[str, str], mode: str) -> None:
    """One line pulls EN, then the other GPIO0 while EN rises; the other way round the chip is held in reset."""
    link = parse_url(f"sim://esp12?wiring={wiring}").build()
    first, second = asserted
    for lines in ({first: True, second: False}, {first: True, second: True}, {first: False, second: True}):
        link.set_lines(dtr=lines["dtr"], rts=lines["rts"])
    link.pump()
    assert link.board.mode == mode
    link.close()
