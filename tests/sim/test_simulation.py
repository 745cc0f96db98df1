"""A run by a script: what is typed when, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.machine import Reset
from flashpipe.sim.memory import IRAM_START
from flashpipe.sim.simulation import RunEnd, Script, Simulation, build_flash, start

from tests.sim.cpu.assembler import asm
from tests.sim.executed import MB, Booted, image

INIT_AT = 0x4000
"""From the end of the flash."""
SPIN = image({IRAM_START: asm("j", 0)}, IRAM_START)


# --- the flash -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "code"), [(512 * 1024, 0), (256 * 1024, 1), (MB, 2), (2 * MB, 3), (4 * MB, 4), (8 * MB, 8), (16 * MB, 9)]
)
def test_the_header_gets_the_size_of_the_flash(size: int, code: int) -> None:
    cells = build_flash({0: SPIN}, size)
    assert len(cells) == size
    assert cells[3] == code << 4 | SPIN[3] & 0x0F
    assert cells[4 : len(SPIN)] == SPIN[4:]


def test_the_header_can_stay() -> None:
    assert build_flash({0: SPIN}, MB, keep_header=True)[: len(SPIN)] == SPIN


def test_init_data_is_there_as_from_the_maker_or_not() -> None:
    assert build_flash({}, MB)[-INIT_AT] == 5
    assert set(build_flash({}, MB, blank=True)) == {0xFF}


def test_segments_lie_where_they_belong() -> None:
    cells = build_flash({0: SPIN, 0x10000: b"code", MB - INIT_AT: b"\x05mine"}, MB)
    assert cells[0x10000:0x10005] == b"code\xff"
    assert cells[-INIT_AT:][:5] == b"\x05mine"


@pytest.mark.parametrize(("segments", "size"), [({0: SPIN}, 3 * MB), ({0: SPIN}, 0), ({MB - 2: b"abc"}, MB)])
def test_what_does_not_fit_is_refused(segments: dict[int, bytes], size: int) -> None:
    with pytest.raises(BadValueError):
        build_flash(segments, size)


def test_the_part_has_the_size_of_the_contents() -> None:
    assert start(build_flash({0: SPIN}, 2 * MB)).nor.size == 2 * MB


# --- endings ---------------------------------------------------------------------------------------------------------


def ran(code: bytes, **script: Any) -> RunEnd:
    return Simulation(start(build_flash({0: image({IRAM_START: code}, IRAM_START)}, MB)), Script(**script)).run()


def test_a_busy_program_runs_to_the_end_of_its_time() -> None:
    outcome = ran(asm("j", 0), timeout_s=0.2)
    assert outcome.reason == "timeout"
    assert outcome.board_s == pytest.approx(0.2)
    assert outcome.instructions > 1_000_000
    assert outcome.last_line.startswith("csum 0x")


def test_a_silent_program_ends_the_run() -> None:
    outcome = ran(asm("ret"), timeout_s=60)
    assert outcome.reason == "quiet"
    assert 2 <= outcome.board_s < 3


def test_a_busy_program_is_given_more_time() -> None:
    outcome = ran(asm("j", 0), timeout_s=60)
    assert outcome.reason == "quiet"
    assert 10 <= outcome.board_s < 11


def test_a_wanted_text_is_waited_for_also_in_silence() -> None:
    outcome = ran(asm("ret"), until=re.compile("never"), timeout_s=5)
    assert outcome.reason == "timeout"


@pytest.mark.parametrize("ending", ["until", "fail"])
def test_a_text_ends_it(ending: str) -> None:
    outcome = ran(asm("j", 0), **{ending: re.compile(r"load 0x\w+, len 4")})
    assert (outcome.reason, outcome.detail) == (ending, "load 0x40100000, len 4")


def test_what_is_missing_ends_it() -> None:
    code = (0x60005000).to_bytes(4, "little") + asm("l32r", 2, -4) + asm("s32i", 2, 2, 0)
    machine = start(build_flash({0: image({IRAM_START: code}, IRAM_START + 4)}, MB))
    outcome = Simulation(machine, Script()).run()
    assert outcome.reason == "missing"
    assert "0x60005000" in outcome.detail


@pytest.mark.parametrize(("since_s", "settled"), [(0.5, False), (1.5, True)])
@pytest.mark.parametrize("kind", ["restart", "watchdog", "wake"])
def test_one_that_has_just_started_again_has_not_settled(kind: str, since_s: float, *, settled: bool) -> None:
    machine = start(build_flash({0: SPIN}, MB))
    simulation = Simulation(machine, Script(timeout_s=1.0))
    assert simulation.run().settled
    machine.log.resets.append(Reset(machine.state.cycles, kind, 4))
    simulation.script = Script(timeout_s=since_s)
    assert simulation.run().settled == (settled or kind == "wake")


# --- typing ----------------------------------------------------------------------------------------------------------


def test_each_text_is_typed_at_a_prompt(firmware: Path) -> None:
    heard = bytearray()
    machine = start(build_flash({0: firmware.read_bytes()}, 4 * MB))
    script = Script(sends=(b"=6*7\r\n", b"print('x'..'y')\r\n"))
    outcome = Simulation(machine, script, show=heard.extend).run()
    assert outcome.reason == "quiet"
    assert outcome.text.endswith("> =6*7\n42\n> print('x'..'y')\nxy\n> ")
    assert outcome.last_line == "> "
    assert heard.decode("latin-1").replace("\r", "").endswith(outcome.text)


def test_until_is_looked_for_behind_what_was_sent_last(firmware: Path) -> None:
    board = Booted.of(firmware)
    board.until("^> $")
    outcome = board.until("42", "=41+1\r\n")
    assert outcome.reason == "until"
    outcome = board.until("^> $", "print(1)\r\n", "print(2)\r\n")
    assert "2\n> " in outcome.text
