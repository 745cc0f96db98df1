"""The executed program behind the interface that a board drives."""

from __future__ import annotations

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip.chip import RESET_EXTERNAL, RESET_POWER_ON, Chip, SpokenBytes, Strap
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.parts import part_by_name
from flashpipe.sim.executed import OPTION_NAMES, Executed, machine_options
from flashpipe.sim.memory import IRAM_START

from tests.sim.cpu.assembler import asm
from tests.sim.executed import MB, image

CHIP = Chip(mac="5c:cf:7f:0a:0b:0c", flash_id=0x1640EF, flash_size=MB, supported_modes=frozenset(range(4)))
GOOD = {
    "unmapped": "warn",
    "wake": "open",
    "bad-mode": "csum",
    "adc": "1024",
    "seed": "7",
    "rom-s": "0.5",
    "watchdog-s": "2",
    "boot-mode-b": "7",
}
BAD = {
    "unmapped": "go",
    "wake": "",
    "bad-mode": "qio",
    "adc": "1025",
    "seed": "-1",
    "rom-s": "long",
    "watchdog-s": "nan",
    "boot-mode-b": "8",
}


def echoing() -> bytes:
    """A program that sends back what UART 0 receives, by its registers."""
    words = (0x60000000).to_bytes(4, "little") + (0x6000001C).to_bytes(4, "little")
    code = asm("l32r", 2, -8) + asm("l32r", 3, -4 - 3)
    loop = (
        asm("l32i", 4, 3, 0)
        + asm("extui", 4, 4, 0, 8)
        + asm("beqz", 4, -6)
        + asm("l32i", 5, 2, 0)
        + asm("s32i", 5, 2, 0)
    )
    return words + code + loop + asm("j", -15)


def started(code: bytes = b"", now: float = 0.0, cause: int = RESET_POWER_ON, **options: str) -> Executed:
    """A board's program, one that echoes if no other is given."""
    contents = image({IRAM_START: code or echoing()}, IRAM_START + (0 if code else 8))
    nor = Nor(bytearray(contents.ljust(MB, b"\xff")), part_by_name("W25Q32"))
    return Executed(nor, CHIP, Strap(), cause, now, {name.replace("_", "-"): text for name, text in options.items()})


def text(said: list[SpokenBytes]) -> str:
    return b"".join(one.data for one in said).decode("latin-1")


# --- options ---------------------------------------------------------------------------------------------------------


def test_every_option_is_read() -> None:
    assert set(GOOD) == set(BAD) == set(OPTION_NAMES)
    options = machine_options(CHIP, GOOD)
    assert options.mac == CHIP.mac
    assert (options.tolerant, options.wakes, options.bad_mode) == (True, False, "csum")
    assert (options.adc, options.seed, options.rom_s, options.watchdog_s, options.mode_b) == (1024, 7, 0.5, 2.0, 7)


def test_an_underscore_will_do() -> None:
    assert machine_options(CHIP, {"bad_mode": "exception"}).bad_mode == "exception"


@pytest.mark.parametrize("name", OPTION_NAMES)
def test_what_cannot_be_read_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadValueError) as caught:
        machine_options(CHIP, {name: BAD[name]})
    assert name in str(caught.value)


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadValueError) as caught:
        machine_options(CHIP, {"unmaped": "warn"})
    assert "unmaped" in str(caught.value)


# --- time ------------------------------------------------------------------------------------------------------------


def test_board_time_counts_from_the_reset() -> None:
    program = started(now=100.0)
    assert program.advance(100.0) == []
    assert program.wake_at() == pytest.approx(100.03)
    said = program.advance(100.3)
    assert text(said).startswith("\r\n ets Jan  8 2013,rst cause:1, boot mode:(3,6)\r\n")
    assert all(100.0 < one.at_s < 100.3 for one in said)
    assert [one.at_s for one in said] == sorted(one.at_s for one in said)
    assert program.reset_request is None


def test_a_busy_program_wants_to_go_on_at_once() -> None:
    program = started()
    program.advance(0.2)
    at = program.wake_at()
    assert at is not None
    assert 0 < at - program.machine.now_s <= 0.01


def test_a_program_that_waits_for_nothing_is_left_alone() -> None:
    program = started(asm("waiti", 0))
    program.advance(0.2)
    while (at := program.wake_at()) is not None and at < 10:
        program.advance(at)
    assert program.wake_at() is None or program.machine.next_event() is not None
    before = program.machine.state.instructions
    program.advance(at or 9.0)
    assert program.machine.state.instructions == before


def test_a_stopped_board_says_why_and_wakes_no_more() -> None:
    code = (0x60005000).to_bytes(4, "little") + asm("l32r", 2, -4) + asm("s32i", 2, 2, 0)
    contents = image({IRAM_START: code}, IRAM_START + 4)
    nor = Nor(bytearray(contents.ljust(MB, b"\xff")), part_by_name("W25Q32"))
    program = Executed(nor, CHIP, Strap(), RESET_POWER_ON, 0.0)
    said = text(program.advance(0.3))
    assert "sim: register 0x60005000" in said
    assert program.stopped in said
    assert program.wake_at() is None
    assert program.advance(1.0) == []
    tolerant = Executed(nor, CHIP, Strap(), RESET_POWER_ON, 0.0, {"unmapped": "warn"})
    tolerant.advance(0.3)
    assert tolerant.stopped == ""


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_what_is_typed_comes_back() -> None:
    program = started()
    program.advance(0.2)
    program.receive(b"hello", program.baud, 0.2)
    said = program.advance(0.25)
    assert text(said) == "hello"
    assert {one.baud for one in said} == {program.baud}
    first = said[0].at_s
    assert 0.2 < first < 0.2 + 4 * 10 / program.baud


def test_another_rate_is_noise() -> None:
    program = started()
    program.advance(0.2)
    program.receive(b"hello, world", 9600, 0.2)
    said = text(program.advance(0.3))
    assert "hello" not in said
    assert said


def test_same_input_same_bytes_whatever_the_steps() -> None:
    """How a caller slices time changes neither bytes nor their times."""
    heard = []
    for step in (0.0007, 0.013, 0.4):
        program = started()
        now, said = 0.0, []
        while now < 0.4:
            now = min(now + step, 0.4)
            said += program.advance(now)
        heard.append((text(said), program.machine.state.instructions, program.machine.state.cycles))
    assert heard[0] == heard[1] == heard[2]


# --- resets ----------------------------------------------------------------------------------------------------------


def test_a_reset_of_a_machine_keeps_what_a_reset_keeps() -> None:
    program = started()
    program.advance(0.2)
    machine = program.machine
    machine.devices.rtc.write(0x60001200, 4711)
    again = Executed(machine.nor, CHIP, Strap(), RESET_EXTERNAL, 0.5, machine=machine)
    assert "rst cause:2" in text(again.advance(0.8))
    assert machine.devices.rtc.read(0x60001200) == 4711
    cold = Executed(machine.nor, CHIP, Strap(), RESET_POWER_ON, 1.0, machine=machine)
    assert "rst cause:1" in text(cold.advance(1.3))
    assert machine.devices.rtc.read(0x60001200) == 0


def test_what_was_on_its_way_when_reset_fell_is_never_heard() -> None:
    """Seen on a loaded machine: the watchdog's words of an empty flash before those of the firmware flashed since."""
    flash = Nor(bytearray(b"\xff" * MB), part_by_name("W25Q32"))
    blank = Executed(flash, CHIP, Strap(), RESET_POWER_ON, 0.0)
    now = 0.0
    while "cause:4" not in (heard := text(blank.advance(now))):  # the watchdog's first words
        now += 0.001
    assert "ets_main.c" not in heard
    blank.halt()
    flash.cells[:MB] = image({IRAM_START: echoing()}, IRAM_START + 8).ljust(MB, b"\xff")
    again = Executed(flash, CHIP, Strap(), RESET_EXTERNAL, now + 0.1, machine=blank.machine)
    heard = text(again.advance(now + 0.5))
    assert heard.startswith("\r\n ets Jan  8 2013,rst cause:2")
    assert "ets_main.c" not in heard
