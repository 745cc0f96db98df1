"""Every way in which a chip is reset, on executed NodeMCU: what the ROM says of it, what the SDK, and what is kept.

`node.bootreason()` gives the raw cause of the ROM and what the SDK makes of it: 0 power, 1 hardware watchdog, 2 an
exception (its cause and registers follow), 3 software watchdog, 4 restart, 5 deep sleep, 6 pin (docs/modules/node.md of
NodeMCU). What the SDK itself says of a watchdog or an exception goes to a port that NodeMCU switches off before its
prompt.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from flashpipe.cli.main import main
from flashpipe.sim import simulation, snapshot
from flashpipe.sim.chip.chip import Strap
from flashpipe.sim.memory import IRAM_START
from flashpipe.sim.rom.guest import Guest

from tests.elfs import make_elf
from tests.nodemcu import MB, find_image, formatted, lines
from tests.sim.cpu.assembler import asm
from tests.sim.executed import Booted, run

AGAIN = r"open init.lua:? ?\n> $"
FREE = IRAM_START + 0xF800
"""Where NodeMCU has no code."""
KEPT_AT, KEPT = 0x60001000 + 0x200, 0x12345678
"""Memory of the RTC that programs may use."""


@cache
def at_prompt(image: Path) -> bytes:
    """A snapshot; its RTC holds something."""
    board = Booted(formatted(image, MB))
    assert board.until(AGAIN, timeout_s=60).reason == "until"
    board.machine.devices.rtc.write(KEPT_AT, KEPT)
    return snapshot.save(board.machine)


@pytest.fixture(params=lines("1.5.4.1", "2.2", "3.0"))
def board(request: pytest.FixtureRequest) -> Booted:
    return Booted.resumed(at_prompt(find_image(request.param, request)))


def comes_back(board: Booted, cause: int, reason: str, *sends: str) -> None:
    """It starts again, the ROM says `cause`, and NodeMCU `reason`."""
    outcome = board.until(AGAIN, *sends, timeout_s=30)
    assert outcome.reason == "until", outcome.text[-300:]
    assert re.findall(r"rst cause:(\d)", outcome.text) == [str(cause)]
    assert board.ask("print(node.bootreason())").startswith(reason)


def kept(board: Booted) -> bool:
    return board.machine.devices.rtc.read(KEPT_AT) == KEPT


def works(board: Booted) -> None:
    """Let it be busy, so that what is put under it happens to the program."""
    board.machine.receive(b"while true do end\r\n", 115200)
    run(board.machine, 300)


def put(guest: Guest, code: bytes) -> None:
    guest.write(FREE, code)
    guest.state.pc = FREE


def test_a_restart_by_software_keeps_the_cause_of_before(board: Booted) -> None:
    comes_back(board, 1, "1\t4", "node.restart()\r\n")
    assert kept(board)
    board.machine.reset(Strap(), board.machine.now_s)
    comes_back(board, 2, "2\t")
    comes_back(board, 2, "2\t4", "node.restart()\r\n")
    assert [reset.kind for reset in board.machine.log.resets] == ["restart", "restart"]


def test_the_reset_pin(board: Booted) -> None:
    board.machine.reset(Strap(), board.machine.now_s)
    comes_back(board, 2, "2\t6")
    assert kept(board)


def test_power_keeps_nothing(board: Booted) -> None:
    board.machine.power_on(Strap(), board.machine.now_s)
    comes_back(board, 1, "1\t0")
    assert board.machine.devices.rtc.read(KEPT_AT) == 0


def test_an_exception_is_told_with_its_cause_and_place(board: Booted) -> None:
    works(board)
    put(board.machine.guest, asm("l32i", 2, 3, 0))
    board.machine.state.a[3] = 0
    comes_back(board, 1, f"1\t2\t28\t{FREE}\t")
    assert [reset.kind for reset in board.machine.log.resets] == ["restart"]
    assert kept(board)


def test_the_software_watchdog(board: Booted) -> None:
    begun = board.machine.now_s
    comes_back(board, 1, "1\t3", "while true do end\r\n")
    (reset,) = board.machine.log.resets
    assert 2.5 < board.machine.seconds(reset.cycle) - begun < 4.5
    assert kept(board)


def test_the_hardware_watchdog(board: Booted) -> None:
    works(board)
    put(board.machine.guest, asm("j", 0))
    board.machine.state.ps |= 15
    begun = board.machine.now_s
    comes_back(board, 4, "4\t")
    (reset,) = board.machine.log.resets
    assert reset.kind == "watchdog"
    assert 6.5 < board.machine.seconds(reset.cycle) - begun < 9.5
    assert kept(board)


def test_deep_sleep_ends_by_the_clock_of_the_rtc(board: Booted) -> None:
    comes_back(board, 2, "2\t5", "node.dsleep(1000000)\r\n")
    assert [reset.kind for reset in board.machine.log.resets] == ["wake"]
    assert kept(board)


@pytest.mark.images
def test_lua_finds_what_it_left_in_the_rtc(request: pytest.FixtureRequest) -> None:
    board = Booted.resumed(at_prompt(find_image("3.0", request)))
    count = "rtcmem.write32(20, rtcmem.read32(20) + 1) print(rtcmem.read32(20))"
    board.ask("rtcmem.write32(20, 0)")
    for number, (cause, reason, how) in enumerate(
        ((1, "1\t4", "node.restart()"), (2, "2\t5", "node.dsleep(1000)"), (2, "2\t3", "while true do end")), start=1
    ):
        comes_back(board, cause, reason, f"{how}\r\n")
        assert board.ask(count) == str(number)


def test_the_firmwares_own_crash_is_named_by_the_elf_file(
    firmware: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Booted(simulation.build_flash({0: firmware.read_bytes()[:400_000]}, 4 * MB))
    log = board.until(r"epc1=0x\w+.*\n", timeout_s=20).text
    (place,) = set(re.findall(r"epc1=(0x4\w+)", log))
    (tmp_path / "app.elf").write_bytes(make_elf())
    (tmp_path / "boot.txt").write_text(log)
    assert main(["explain", str(tmp_path / "boot.txt"), f"elf={tmp_path / 'app.elf'}"]) == 0
    said = capsys.readouterr().out
    assert f"{place} is in lua_main+" in said
