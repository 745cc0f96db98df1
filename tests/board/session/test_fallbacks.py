"""What is tried after a failure: the order, each once, within a bound, and what is remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flashpipe import files
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.ports.open import open_port
from flashpipe.board.session import fallbacks, link_memory
from flashpipe.board.session.fallbacks import EXCHANGED, FALLBACKS, START, STUB_VERSION, WORK, Fallbacks, as_declared
from flashpipe.board.session.link_memory import LinkSettings
from flashpipe.errors import (
    BadValueError,
    ConnectError,
    FlashReachError,
    PipelineError,
    PortLostError,
    StoppedError,
    VerifyError,
    WireError,
    WriteError,
    WrongBoardError,
    WrongChipError,
)
from flashpipe.flash import Region
from flashpipe.sim.ports import registry

pytestmark = pytest.mark.usefixtures("own_state")
PORT, MAC, OTHER = "/dev/ttyX", "5c:cf:7f:00:00:01", "5c:cf:7f:00:00:02"


class Bench:
    """Fallbacks whose work fails until `cure` says that settings are good."""

    def __init__(self, *, baud: int = 460800, sequence: str = "", reset: bool = True) -> None:
        self.said: list[str] = []
        self.now = 0.0
        self.used: list[LinkSettings] = []
        self.fallbacks = Fallbacks(PORT, as_declared(baud, sequence), self.said.append, lambda: reset, lambda: self.now)

    def run(
        self, cure: Callable[[LinkSettings], bool], error: Callable[[], PipelineError], stage: str = WORK
    ) -> LinkSettings:
        def work() -> LinkSettings:
            self.used.append(self.fallbacks.settings)
            assert len(self.used) < 20, "each fallback once"
            if cure(self.fallbacks.settings):
                return self.fallbacks.settings
            raise error()

        return self.fallbacks.retry(work, stage, lambda: None)

    def fails(self, error: Callable[[], PipelineError], stage: str = WORK) -> PipelineError:
        with pytest.raises(PipelineError) as caught:
            self.run(lambda _way: False, error, stage)
        return caught.value


def lost() -> WireError:
    return WireError(f"{PORT}: no answer", "try again")


def test_the_order_of_the_fallbacks_is_fixed() -> None:
    names = [fallback.name for fallback in FALLBACKS]
    assert names == ["other-reset", "lower-baud", "no-baud-change", "small-blocks", "no-stub", "stub-1"]


def test_each_fallback_is_tried_once_and_the_first_failure_is_told() -> None:
    bench = Bench()
    numbers = iter(range(100))
    error = bench.fails(lambda: WriteError(f"{PORT}: failure {next(numbers)}", "try again"))
    assert bench.used == [
        LinkSettings(460800),
        LinkSettings(230400),
        LinkSettings(115200),
        LinkSettings(115200, block=0x400),
        LinkSettings(115200, block=0x400, stub=False),
    ]
    assert (error.message, error.code) == (f"{PORT}: failure 0", "write-failed")
    assert bench.said.pop() == "also tried, without success: lower-baud, no-baud-change, small-blocks, no-stub"
    assert [line.split(": ", 1) for line in bench.said] == [
        ["trying 230400 baud", "failure 0"],
        ["trying 115200 baud from the first byte on", "failure 1"],
        ["trying blocks of 1024 bytes", "failure 2"],
        [
            "trying the ROM loader alone, without the stub; what it writes is read back through registers, slowly",
            "failure 3",
        ],
    ]
    assert bench.fails(lost) is not error, "nothing is left to try"
    assert len(bench.used) == 6


@pytest.mark.parametrize(
    ("error", "stage", "bauds"),
    [
        (lost, START, [460800, 230400, 115200, 115200]),
        (lambda: ConnectError(PORT), START, [460800, 460800]),
        (lambda: ConnectError(PORT), WORK, [460800, 460800]),
    ],
)
def test_only_what_may_cure_the_failure_is_tried(
    error: Callable[[], PipelineError], stage: str, bauds: list[int]
) -> None:
    bench = Bench()
    bench.fails(error, stage)
    assert [way.baud for way in bench.used] == bauds
    assert all(way.block == 0x4000 for way in bench.used)


def out_of_reach() -> FlashReachError:
    return FlashReachError(f"{PORT}: not beyond 4 MB", "try again")


def test_a_flash_that_is_not_reached_is_tried_with_the_other_stub_and_with_nothing_else() -> None:
    bench = Bench()
    assert bench.fails(out_of_reach).code == "flash-reach"
    assert [way.stub_version for way in bench.used] == [0, 1]
    assert all(replace(way, stub_version=0) == LinkSettings(460800) for way in bench.used)


def test_a_stub_that_the_user_has_chosen_stays() -> None:
    bench = Bench()
    bench.fallbacks.settings = bench.fallbacks.declared = as_declared(460800, "", {STUB_VERSION: "2"})
    bench.fails(out_of_reach)
    assert [way.stub_version for way in bench.used] == [2]


@pytest.mark.parametrize(("text", "version"), [("", 0), (" 1 ", 1), ("2", 2)])
def test_the_variable_of_esptool_chooses_the_stub(text: str, version: int) -> None:
    assert as_declared(460800, "", {STUB_VERSION: text}).stub_version == version
    assert as_declared(460800, "", {}).stub_version == 0


@pytest.mark.parametrize("text", ["3", "0", "v1", "legacy"])
def test_a_stub_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(BadValueError) as refused:
        as_declared(460800, "", {STUB_VERSION: text})
    assert text in refused.value.message


def test_a_slow_rate_is_not_lowered() -> None:
    bench = Bench(baud=115200)
    bench.fails(lost)
    assert bench.fallbacks.tried == ["small-blocks", "no-stub"]


@pytest.mark.parametrize(("own", "other"), [("", EXCHANGED), ("R1|W0.1|R0", "")])
def test_the_other_reset_is_another_one(own: str, other: str) -> None:
    bench = Bench(sequence=own)
    way = bench.run(lambda way: way.sequence == other, lambda: ConnectError(PORT), START)
    assert (way, len(bench.used)) == (LinkSettings(460800, other), 2)


@pytest.mark.parametrize(
    "error", [StoppedError(PORT), PortLostError(PORT), WrongChipError(PORT), WrongBoardError(PORT)], ids=repr
)
def test_what_no_attempt_can_cure_is_not_tried_again(error: PipelineError) -> None:
    bench = Bench()
    assert bench.fails(lambda: error) is error
    assert len(bench.used) == 1


def test_a_chip_that_reads_wrong_after_the_line_was_bad_is_the_lines_fault() -> None:
    errors = iter([lost(), WrongChipError("another chip")])
    way = Bench().run(lambda way: way.baud == 115200, lambda: next(errors))
    assert way == LinkSettings(115200)


def test_a_sector_that_is_bad_twice_in_the_same_way_is_the_flashs_fault() -> None:
    bench = Bench()
    bad = Region(0x1000, 0x2000)
    error = bench.fails(lambda: VerifyError("sector 0x1000 holds other bytes", "supply", region=bad))
    assert len(bench.used) == 2
    assert bench.said[-1] == "also tried, without success: lower-baud"
    assert error.hint == "supply"


def test_nothing_is_tried_where_nobody_can_reset_the_chip() -> None:
    bench = Bench(reset=False)
    assert bench.fails(lost).hint == "try again"
    assert bench.said == []


def test_no_fallback_is_begun_after_the_limit() -> None:
    bench = Bench()

    def late() -> WireError:
        bench.now += fallbacks.LIMIT_S * 0.6
        return lost()

    bench.fails(late)
    assert [way.baud for way in bench.used] == [460800, 230400, 115200]
    assert bench.said[-1].endswith("(no more after 5 minutes)")


# --- memory ----------------------------------------------------------------------------------------------------------


def win(way: LinkSettings, mac: str = MAC) -> None:
    bench = Bench()
    bench.run(lambda tried: tried == way, lost)
    bench.fallbacks.remember_success(mac)
    assert bench.said[-1] == f"works with {way.against(as_declared(460800, ''))}: remembered for this adapter and board"


def test_what_worked_comes_first_the_next_time() -> None:
    win(LinkSettings(115200))
    again = Bench()
    assert again.said == ["starting with 115200 baud: that worked the last time on this adapter"]
    assert again.run(lambda way: way.baud == 115200, lost) == LinkSettings(115200)
    again.fallbacks.remember_success(MAC)
    assert len(again.said) == 1, "it is known already"


def test_what_was_remembered_before_stubs_had_versions_still_counts() -> None:
    win(LinkSettings(115200))
    path = files.state_folder() / "ways.json"
    record = json.loads(path.read_text())
    for adapter in record["adapters"].values():
        for board in adapter["boards"].values():
            del board["declared"]["stub_version"], board["way"]["stub_version"]
    path.write_text(json.dumps(record))
    assert Bench().fallbacks.settings == LinkSettings(115200)


def test_what_was_remembered_is_forgotten_when_it_fails() -> None:
    win(LinkSettings(230400))
    again = Bench()
    again.run(lambda way: way.baud == 460800, lost)
    again.fallbacks.remember_success(MAC)
    assert [way.baud for way in again.used] == [230400, 460800]
    assert again.said[1] == "trying without what was remembered of it: no answer"
    assert Bench().fallbacks.settings == LinkSettings(460800)


def test_a_rate_that_the_user_has_changed_counts() -> None:
    win(LinkSettings(115200))
    assert Bench(baud=230400).fallbacks.settings == LinkSettings(230400)
    assert Bench().fallbacks.settings == LinkSettings(115200)


def test_another_board_on_the_adapter_is_written_as_declared() -> None:
    win(LinkSettings(115200, block=0x400))
    again = Bench()
    again.fallbacks.board_identified(OTHER)
    assert again.fallbacks.settings == LinkSettings(460800)
    link_memory.remember(PORT, OTHER, as_declared(460800, ""), LinkSettings(230400))
    again = Bench()
    again.fallbacks.board_identified(MAC)
    assert again.fallbacks.settings == LinkSettings(115200, block=0x400), "what is known of the board itself"


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_way_that_others_can_have_written_is_not_taken(own_state: Path) -> None:
    declared = as_declared(460800, "")
    link_memory.remember(PORT, MAC, declared, LinkSettings(115200, "W3600"))
    (own_state / "ways.json").chmod(0o666)
    assert link_memory.recall(PORT, declared) is None
    (own_state / "ways.json").chmod(0o600)
    assert link_memory.recall(PORT, declared) == (MAC, LinkSettings(115200, "W3600"))


def test_a_damaged_memory_is_no_failure(own_state: Path) -> None:
    win(LinkSettings(115200))
    (own_state / "ways.json").write_text("[]")
    assert Bench().fallbacks.settings == LinkSettings(460800)
    (own_state / "ways.json").write_text('{"version": 1, "adapters": {"/dev/ttyX": {"last": 1, "boards": 3}}}')
    assert link_memory.recall(PORT, as_declared(460800, "")) is None
    win(LinkSettings(230400))
    assert Bench().fallbacks.settings == LinkSettings(230400)


# --- without a stub --------------------------------------------------------------------------------------------------


@pytest.fixture
def rom() -> Any:
    port: Any = open_port("sim://esp12?inline=1&start=rom&fill=byte:0", 115200)
    link = RomLink(port, "sim://esp12")
    assert link.sync()
    link.start_stub()
    yield link, port.link.board
    port.close()
    registry.forget_boards()


DATA = bytes(range(256)) * 0x11 + b"end"


def test_the_rom_alone_writes_exactly_what_it_shall(rom: Any) -> None:
    """Its own erase would take a sector too many (facts: esp8266-protocol §3.6)."""
    link, board = rom
    heard: list[int] = []
    link.write(0xF000, DATA, heard.append)
    assert bytes(board.cells[0:0x400000]) == bytes(0xF000) + DATA.ljust(0x2000, b"\xff") + bytes(0x400000 - 0x11000)
    assert heard[-1] == len(DATA)
    assert board.mode == "rom"


def test_the_rom_alone_reads_what_is_there(rom: Any) -> None:
    link, board = rom
    board.cells[0x2003 : 0x2003 + len(DATA)] = DATA
    assert link.read(Region(0x2001, 0x2003 + len(DATA)), lambda _done: None) == b"\0\0" + DATA
    assert link.holds(0x2003, DATA)
    assert not link.holds(0x2003, DATA[:-1] + b"E")


def test_a_difference_ends_the_reading(rom: Any) -> None:
    link, _ = rom
    slices: list[int] = []
    link._tick = lambda done, _total: slices.append(done)
    assert not link.holds(0, bytes(0x400) + b"\1" * 0x1000)
    assert slices == [0x400, 0x800]


def test_the_rom_alone_erases_all(rom: Any) -> None:
    link, board = rom
    link.erase_all()
    assert bytes(board.cells[0:0x400000]) == b"\xff" * 0x400000
