from __future__ import annotations

import pytest
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.rom.interrupts import TABLE

from tests.sim.cpu.assembler import asm
from tests.sim.executed import CODE, DATA, MS, Bench

HANDLER = CODE + 0x100


@pytest.fixture
def bench() -> Bench:
    return Bench()


def handler(bench: Bench) -> None:
    """Counts at the address that it gets as argument, and spoils what a function may spoil."""
    code = [asm("l32i", 4, 2, 0), asm("addi", 4, 4, 1), asm("s32i", 4, 2, 0)]
    code += [asm("movi", register, 0) for register in range(2, 12)]
    bench.load(b"".join(code) + asm("ret"), HANDLER)


def wait_for(bench: Bench, address: int) -> None:
    """A program that counts in a3 until the word at `address` is not 0."""
    literal = CODE - 4
    bench.memory.set_u32(literal, address)
    code = [asm("l32r", 4, literal - CODE), asm("addi", 3, 3, 1), asm("l32i", 5, 4, 0)]
    bench.load(b"".join(code) + asm("beqz", 5, -6) + asm("ret"))


def test_an_attached_handler_gets_its_argument(bench: Bench) -> None:
    handler(bench)
    bench.call("ets_isr_attach", Line.FRC1, HANDLER, DATA)
    bench.call("ets_isr_unmask", 1 << Line.FRC1)
    wait_for(bench, DATA)
    event = bench.devices.agenda.event(lambda _at: bench.devices.interrupts.pulse(Line.FRC1))
    event.schedule(bench.state.cycles + 2 * MS)
    bench.go(CODE, 0, 0)
    assert bench.memory.u32(DATA) == 1
    assert bench.state.a[3] > 1000
    assert not bench.state.interrupt & 1 << Line.FRC1


def test_a_masked_interrupt_waits(bench: Bench) -> None:
    handler(bench)
    bench.call("ets_isr_attach", Line.FRC1, HANDLER, DATA)
    bench.devices.interrupts.pulse(Line.FRC1)
    bench.load(asm("nop") * 20 + asm("ret"))
    bench.go(CODE)
    assert bench.memory.u32(DATA) == 0
    bench.call("ets_isr_unmask", 1 << Line.FRC1)
    bench.go(CODE)
    assert bench.memory.u32(DATA) == 1


def test_locked_interrupts_wait_for_the_unlock(bench: Bench) -> None:
    handler(bench)
    bench.call("ets_isr_attach", Line.FRC1, HANDLER, DATA)
    bench.call("ets_isr_unmask", 1 << Line.FRC1)
    bench.call("ets_intr_lock")
    assert bench.state.ps & 15 == 3
    bench.devices.interrupts.pulse(Line.FRC1)
    bench.load(asm("nop") * 20 + asm("ret"))
    bench.go(CODE)
    assert bench.memory.u32(DATA) == 0
    bench.call("ets_intr_unlock")
    assert bench.memory.u32(DATA) == 1


def test_several_are_served_in_one_go(bench: Bench) -> None:
    handler(bench)
    for offset, line in enumerate((Line.FRC1, Line.FRC2, Line.WATCHDOG)):
        bench.call("ets_isr_attach", line, HANDLER, DATA + 4 * offset)
    bench.call("ets_isr_unmask", 0x700)
    for line in (Line.FRC1, Line.FRC2, Line.WATCHDOG):
        bench.devices.interrupts.pulse(line)
    bench.load(asm("nop") * 20 + asm("ret"))
    bench.go(CODE)
    assert [bench.memory.u32(DATA + 4 * offset) for offset in range(3)] == [1, 1, 1]


def test_the_table_is_where_crash_reports_look(bench: Bench) -> None:
    """wDev_ProcessFiq of interrupt 0 stands at 0x3FFFC27C (Arduino core, core_esp8266_postmortem.cpp)."""
    bench.call("ets_isr_attach", 0, HANDLER, 5)
    assert bench.memory.u32(0x3FFFC27C) == HANDLER
    assert TABLE == 0x3FFFC204


def test_masks_tell_what_was_before(bench: Bench) -> None:
    assert bench.call("_xtos_ints_on", 0x30) == 0
    assert bench.call("_xtos_ints_off", 0x10) == 0x30
    assert bench.state.intenable == 0x20
    assert bench.call("_xtos_set_interrupt_handler", 4, HANDLER) == 0
    assert bench.call("_xtos_set_interrupt_handler_arg", 4, 0, 0) == HANDLER


def test_the_cycle_counter_and_its_comparison(bench: Bench) -> None:
    """The comparison's interrupt goes away by a new one, as on the chip, not by being served."""
    first = bench.call("xthal_get_ccount")
    assert 0 < bench.call("xthal_get_ccount") - first < 100
    bench.load(asm("wsr", 2, 240) + asm("s32i", 2, 2, 0) + asm("ret"), HANDLER)
    bench.call("ets_isr_attach", 6, HANDLER, DATA)
    bench.call("ets_isr_unmask", 1 << 6)
    bench.call("xthal_set_ccompare", 0, bench.state.cycles + bench.state.ccount_offset + MS)
    wait_for(bench, DATA)
    before = bench.state.cycles
    bench.go(CODE, 0, 0)
    assert 0 < bench.state.cycles - before - MS < 300


def test_a_pin_of_the_rom_gpio_handler(bench: Bench) -> None:
    code = [asm("s32i", 2, 3, 0), asm("ret")]
    bench.load(b"".join(code), HANDLER)
    bench.call("gpio_intr_handler_register", HANDLER, DATA)
    bench.call("gpio_pin_intr_state_set", 5, 2)
    bench.call("ets_isr_unmask", 1 << Line.GPIO)
    bench.load(asm("nop") * 20 + asm("ret"))
    bench.devices.gpio.set(5, high=False)
    bench.go(CODE)
    assert bench.memory.u32(DATA) == 1 << 5
    assert bench.call("gpio_intr_pending") == 1 << 5
    bench.call("gpio_intr_ack", 1 << 5)
    assert bench.call("gpio_intr_pending") == 0
