"""Whole boots: of programs of our own, and of real firmware."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flashpipe.sim import simulation, snapshot
from flashpipe.sim.chip.chip import RESET_WATCHDOG, Strap
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.machine import Machine
from flashpipe.sim.memory import IRAM_START

from tests.sim.cpu.assembler import asm
from tests.sim.executed import MB, MS, Booted, MakeCore, image, new_machine, run

SPIN = asm("j", 0)
VERSIONS = {
    "nodemcu-versions/0.9.5-integer-20150318.bin": (9600, "NodeMCU 0.9.5"),
    "nodemcu-versions/1.4.0-float-20160102.bin": (9600, "NodeMCU custom build"),
    "nodemcu-versions/1.5.1-float-20160203.bin": (9600, "NodeMCU custom build"),
    "nodemcu-versions/2.0.0.bin": (115274, "NodeMCU"),
    "nodemcu-versions/2.1.0-integer.bin": (115274, "NodeMCU"),
    "nodemcu-versions/2.2-integer-24-modules.bin": (115274, "NodeMCU"),
    "nodemcu-2.2-cloud-float.bin": (115274, "NodeMCU"),
    "nodemcu-3.0-cloud-float.bin": (115274, "NodeMCU 3.0.0.0"),
}
"""Image, rate of its console, and words of its banner (emulator notes; facts: usb-nodemcu §9)."""


def boot(code: bytes, **options: Any) -> Machine:
    machine = new_machine(image({IRAM_START: code}, IRAM_START), **options)
    machine.power_on(Strap(), 0.0)
    return machine


# --- the ROM ---------------------------------------------------------------------------------------------------------


def test_the_rom_says_what_it_loads_and_starts_the_program() -> None:
    machine = boot(SPIN)
    text = run(machine, 200)
    assert text.startswith(
        "\r\n ets Jan  8 2013,rst cause:1, boot mode:(3,6)\r\n\r\nload 0x40100000, len 4, room 16 \r\n"
    )
    assert text.endswith("csum 0xe9\r\n")
    assert machine.state.instructions > 1_000_000


def test_the_log_comes_at_the_rate_of_the_roms_divider() -> None:
    machine = boot(SPIN)
    (first, *_) = machine.advance(machine.state.cycles + 200 * MS)
    assert first.baud in range(74800, 75000)
    assert abs(first.cycle - 30 * MS) < MS


@pytest.mark.parametrize("contents", [b"", image({IRAM_START: SPIN}, IRAM_START)[:-1] + b"\x55"])
def test_without_a_good_image_the_watchdog_resets(contents: bytes) -> None:
    machine = new_machine(contents)
    machine.power_on(Strap(), 0.0)
    text = run(machine, 7000)
    assert text.count("rst cause:4") == 2
    assert "wdt reset" in text
    assert "ets_main.c" in text
    assert [reset.cause for reset in machine.log.resets] == [RESET_WATCHDOG] * 2
    assert machine.state.instructions == 0


def test_a_segment_that_goes_nowhere_starts_nothing() -> None:
    machine = new_machine(image({0x50000000: bytes(16)}, 0x50000000))
    machine.power_on(Strap(), 0.0)
    assert run(machine, 3500).count("rst cause:4") == 1


@pytest.mark.parametrize(
    ("strap", "words"), [(Strap(gpio15=True), "waiting for host"), (Strap(gpio2=False), "boot mode:(2")]
)
def test_other_straps_start_nothing(strap: Strap, words: str) -> None:
    machine = new_machine(image({IRAM_START: SPIN}, IRAM_START))
    machine.power_on(strap, 0.0)
    assert words in run(machine, 20_000)
    assert machine.state.instructions == 0
    assert machine.next_event() is None


@pytest.mark.parametrize(
    ("bad_mode", "seen"), [("ets_main", "ets_main.c"), ("csum", "csum err"), ("exception", "csum 0x")]
)
def test_a_mode_that_the_wiring_cannot_do(bad_mode: str, seen: str) -> None:
    machine = new_machine(image({IRAM_START: SPIN}, IRAM_START), modes=frozenset((3,)), bad_mode=bad_mode)
    machine.power_on(Strap(), 0.0)
    assert seen in run(machine, 300)
    assert set(machine.memory.flash) == (
        {0} if bad_mode == "exception" else {0xFF} | set(image({IRAM_START: SPIN}, IRAM_START))
    )


def test_a_program_that_returns_leaves_the_rom_waiting_for_interrupts() -> None:
    machine = boot(asm("ret"))
    run(machine, 1000)
    assert machine.idle
    assert machine.state.instructions < 20


# --- resets ----------------------------------------------------------------------------------------------------------


def boot_storing(address: int, value: int, then: bytes = SPIN) -> Machine:
    code = address.to_bytes(4, "little") + value.to_bytes(4, "little")
    entry = IRAM_START + 8
    code += asm("l32r", 2, -8) + asm("l32r", 3, -4 - 3) + asm("s32i", 3, 2, 0) + then
    machine = new_machine(image({IRAM_START: code}, entry))
    machine.power_on(Strap(), 0.0)
    return machine


def test_the_hardware_watchdog_resets_with_its_cause() -> None:
    machine = boot_storing(0x60000900, 0x3D)
    machine.devices.watchdog.set_lengths(11)
    text = run(machine, 2000)
    assert "rst cause:4, boot mode:(3,6)\r\n\r\nwdt reset" in text
    assert machine.log.resets[0].kind == "watchdog"


def test_the_rtc_resets_by_its_bit() -> None:
    machine = boot_storing(0x60000700, 0x80000000)
    run(machine, 150)
    assert machine.log.resets[0].kind == "software"
    assert machine.devices.rtc.reason == 3


def test_deep_sleep_ends_by_itself_where_it_is_wired() -> None:
    for wakes in (True, False):
        machine = boot(SPIN, wakes=wakes)
        run(machine, 100)
        machine.devices.rtc.write(0x60001200, 1234)
        machine.devices.rtc.write(0x60000704, machine.devices.rtc.counter() + 156_250)
        machine.devices.rtc.write(0x60000744, 0x20)
        machine.devices.rtc.write(0x60000708, 0x100000)
        before = machine.state.instructions
        assert run(machine, 900) == ""
        assert machine.asleep
        assert machine.state.instructions == before
        text = run(machine, 400)
        assert ("rst cause:2" in text) is wakes
        assert machine.devices.rtc.read(0x60001200) == 1234


def test_light_sleep_goes_on_where_it_was() -> None:
    machine = boot(SPIN)
    run(machine, 100)
    before = machine.state.cycles
    machine.devices.rtc.write(0x60000704, machine.devices.rtc.counter() + 1000)
    machine.devices.rtc.write(0x60000744, 4)
    machine.devices.rtc.write(0x60000708, 0x100000)
    assert abs(machine.state.cycles - before - 512_000) < 1024
    assert not machine.asleep


def test_a_flash_that_sleeps_is_awake_after_each_reset() -> None:
    machine = boot(SPIN)
    for reset in (machine._wake_up, machine._bite, machine._restart, lambda: machine.reset(Strap(), machine.now_s)):
        machine.nor.powered_down = True
        reset()
        assert not machine.nor.powered_down


def test_what_each_reset_keeps() -> None:
    machine = boot(SPIN)
    run(machine, 100)
    machine.devices.rtc.write(0x60001200, 77)
    machine.memory.set_u32(0x3FFE9000, 88)
    machine.devices.analog.write(103, 1, 136)
    machine._restart()
    assert (machine.devices.rtc.read(0x60001200), machine.memory.u32(0x3FFE9000)) == (77, 88)
    assert machine.devices.clocks.locked
    machine.reset(Strap(), machine.now_s)
    assert (machine.devices.rtc.read(0x60001200), machine.memory.u32(0x3FFE9000)) == (77, 88)
    assert not machine.devices.clocks.locked
    machine.power_on(Strap(), machine.now_s)
    assert (machine.devices.rtc.read(0x60001200), machine.memory.u32(0x3FFE9000)) == (0, 0)


def test_a_missing_register_stops_the_board_with_its_name() -> None:
    machine = boot_storing(0x60005000, 1)
    text = run(machine, 200)
    assert machine.stopped == "register 0x60005000, written with 0x00000001, is not there"
    assert machine.stopped in text
    assert machine.next_event() is None
    assert machine.advance(machine.state.cycles + MS) == []


# --- real firmware ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def booted(firmware: Path) -> Iterator[Booted]:
    """NodeMCU 1.5.4.1 at its prompt, on a flash that was blank."""
    board = Booted.of(firmware)
    outcome = board.until(r"^> $")
    assert outcome.reason == "until", outcome.text
    yield board
    assert board.machine.stopped == ""


def test_the_first_boot_says_what_a_board_says(firmware: Path) -> None:
    board = Booted.of(firmware)
    lines = board.until(r"^> $").text.split("\n")
    for line in (
        "rf cal sector: 1019",
        "rf[112] : 00",
        "SDK ver: 1.5.4.1(39cb9a32) compiled @ Jul  1 2016 20:04:35",
        "phy ver: 972, pp ver: 10.1",
        "Formatting file system. Please wait...",
        " powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)",
        "lua: cannot open init.lua",
    ):
        assert line in lines
    assert lines.index("Formatting file system. Please wait...") > lines.index("rf cal sector: 1019")
    assert board.machine.devices.uarts[0].baud == 115274


def test_the_file_system_is_formatted_behind_the_firmware(booted: Booted, firmware: Path) -> None:
    """Up to the SDK's sectors at the end: rf_cal -0x5000, init data, parameters (facts: image-flashmap §5.1)."""
    nor = booted.machine.nor
    size = len(firmware.read_bytes())
    changed = [at for at in range(0, nor.size, 0x1000) if at > size and not nor.is_blank(at, 0x1000)]
    assert {0x3FB000, 0x3FC000, 0x3FD000, 0x3FE000} - set(changed) <= {0x3FD000, 0x3FE000}
    assert len(changed) > 100
    assert nor.erased_sectors > 800


def test_the_prompt_answers(booted: Booted) -> None:
    assert 40_000 < int(booted.ask("print(node.heap())")) < 48_000
    assert booted.ask("=1+1") == "2"
    assert booted.ask("print(1/3)") == "0.33333333333333"
    assert booted.ask("print(node.chipid(), wifi.sta.getmac())") == "1\t5c:cf:7f:00:00:01"
    assert booted.ask("print(nothing.x)").startswith("stdin:1: attempt to index global 'nothing'")


def test_files_are_kept(booted: Booted) -> None:
    booted.ask('file.open("a.txt","w") file.writeline("hello") file.write("world") file.close()')
    assert booted.ask('file.open("a.txt") print(file.read()) file.close()') == "hello\nworld"
    assert "a.txt" in booted.ask("for name,size in pairs(file.list()) do print(name,size) end")


def test_pins_and_adc(booted: Booted) -> None:
    machine = booted.machine
    booted.ask("gpio.mode(1,gpio.OUTPUT) gpio.write(1,gpio.LOW) gpio.write(1,gpio.HIGH)")
    assert [edge.level for edge in machine.devices.gpio.edges if edge.pin == 5][-2:] == [False, True]
    booted.ask("gpio.mode(2,gpio.INPUT)")
    for high in (True, False):
        machine.devices.gpio.set(4, high=high)
        assert booted.ask("print(gpio.read(2))") == str(int(high))
    machine.devices.adc.value = 321
    assert abs(int(booted.ask("print(adc.read(0))")) - 321) <= 1


def test_timers_run(booted: Booted) -> None:
    booted.ask("n=0 tmr.alarm(1,100,1,function() n=n+1 end)")
    run(booted.machine, 1000)
    assert int(booted.ask("tmr.stop(1) print(n)")) in range(10, 13)


def test_a_restart_keeps_its_cause_and_the_rtc(booted: Booted) -> None:
    before = len(booted.machine.log.resets)
    outcome = booted.until(r"cannot open init.lua\n> $", "node.restart()\r\n")
    assert "rst cause:1" in outcome.text
    assert [reset.kind for reset in booted.machine.log.resets[before:]] == ["restart"]
    assert booted.ask("print(node.bootreason())") == "1\t4"
    assert "Formatting" not in outcome.text


def test_the_software_watchdog_ends_an_endless_loop(booted: Booted) -> None:
    begun = booted.machine.now_s
    booted.until(r"cannot open init.lua\n> $", "while true do end\r\n")
    assert 2.5 < booted.machine.log.resets[-1].cycle / 80e6 - begun < 4.5
    assert booted.ask("print(node.bootreason())").endswith("\t3")


def test_waking_up_from_deep_sleep(booted: Booted) -> None:
    begun = booted.machine.now_s
    outcome = booted.until(r"cannot open init.lua\n> $", "node.dsleep(2000000)\r\n")
    assert "rst cause:2" in outcome.text
    assert 2.0 < booted.machine.log.resets[-1].cycle / 80e6 - begun < 3.5
    assert booted.ask("print(node.bootreason())") == "2\t5"


def test_an_idle_prompt_costs_next_to_nothing(booted: Booted) -> None:
    """Its access point sends ten beacons a second, which are half of that."""
    before = booted.machine.state.instructions
    run(booted.machine, 10_000)
    assert booted.machine.state.instructions - before < 700_000


@pytest.mark.parametrize("make_core", [start_core, PythonCore])
def test_at_160_mhz_work_takes_half_the_time_and_nothing_else_does(booted: Booted, make_core: MakeCore) -> None:
    board = Booted.resumed(snapshot.save(booted.machine), make_core)
    work = "t=tmr.now() for i=1,10000 do end print(tmr.now()-t)"
    slow, baud = int(board.ask(work)), board.machine.devices.uarts[0].baud
    assert board.ask("print(node.setcpufreq(node.CPU160MHZ))") == "160"
    assert 1.9 < slow / int(board.ask(work)) < 2.1, "interrupts come when they come"
    assert int(board.ask("t=tmr.now() tmr.delay(5000) print(tmr.now()-t)")) in range(5000, 5100)
    assert board.machine.devices.uarts[0].baud == baud
    board.ask("n=0 tmr.alarm(1,100,1,function() n=n+1 end)")
    run(board.machine, 1000)
    assert int(board.ask("tmr.stop(1) print(n)")) in range(10, 13)


def test_160_mhz_outlive_a_restart_but_no_reset(booted: Booted) -> None:
    """Arduino's users met that: esp8266/Arduino#579, #7212."""
    board = Booted.resumed(snapshot.save(booted.machine))
    board.ask("node.setcpufreq(node.CPU160MHZ)")
    board.until(r"cannot open init.lua\n> $", "node.restart()\r\n")
    assert board.machine.state.fast
    board.machine.reset(Strap(), board.machine.now_s)
    assert not board.machine.state.fast


def test_another_rate_is_followed(booted: Booted) -> None:
    booted.until("x", "uart.setup(0,9600,8,0,1,1)\r\n", timeout_s=1)
    assert booted.machine.devices.uarts[0].baud == 9600
    assert booted.ask("=2+3") == "5"
    booted.until("x", "uart.setup(0,115200,8,0,1,1)\r\n", timeout_s=1)
    assert booted.ask("=3+3") == "6"


def test_a_cut_image_crashes_as_its_own_handler_says(firmware: Path) -> None:
    board = Booted(simulation.build_flash({0: firmware.read_bytes()[:400_000]}, 4 * MB))
    outcome = board.until(r"Fatal exception 0\(IllegalInstructionCause\):\nepc1=", timeout_s=20)
    assert outcome.reason == "until", outcome.text
    run(board.machine, 500)
    assert {reset.kind for reset in board.machine.log.resets} == {"restart"}


def test_the_core_in_python_boots_it_too(booted: Booted, firmware: Path) -> None:
    """One slice with the other core: the same bytes at the same cycles, on a flash that is formatted."""
    contents = bytes(booted.machine.nor.cells[0 : booted.machine.nor.size])
    slow, fast = Booted(contents, PythonCore), Booted(contents)
    end = 75 * MS
    said = [board.machine.advance(end) for board in (slow, fast)]
    assert [(one.cycle, bytes(one.data)) for one in said[0]] == [(one.cycle, bytes(one.data)) for one in said[1]]
    assert slow.machine.state.cycles == fast.machine.state.cycles
    assert slow.machine.memory.snapshot() == fast.machine.memory.snapshot()
    assert firmware.is_file()


@pytest.mark.images
@pytest.mark.parametrize("name", VERSIONS)
def test_every_line_of_nodemcu_reaches_its_prompt(real_images: Path, name: str) -> None:
    baud, words = VERSIONS[name]
    board = Booted.of(real_images / name)
    outcome = board.until(r"^> $", timeout_s=90)
    assert outcome.reason == "until", outcome.text[-500:]
    assert words in outcome.text
    assert board.machine.devices.uarts[0].baud == baud
    assert int(board.ask("print(node.heap())")) > 15_000
    assert board.ask("=1+1") == "2"
    board.ask('file.open("x","w") file.write("abc") file.close()')
    outcome = board.until(r"init.lua:? ?\n> $", "node.restart()\r\n", timeout_s=60)
    assert outcome.reason == "until", outcome.text[-500:]
    assert board.ask('file.open("x") print(file.read()) file.close()') == "abc"
