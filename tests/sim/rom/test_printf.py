from __future__ import annotations

import pytest
from flashpipe.sim.rom.printf import UART_PUTC, WRITE_CHAR

from tests.sim.cpu.assembler import asm
from tests.sim.executed import CODE, Bench

WRITTEN = 0x3FFEA000


@pytest.fixture
def bench() -> Bench:
    return Bench()


def putc_of_the_program(bench: Bench) -> int:
    """Code that appends the byte in a2 at the address kept at WRITTEN; it spoils what a function may spoil."""
    literal = CODE - 4
    bench.memory.set_u32(literal, WRITTEN)
    bench.memory.set_u32(WRITTEN, WRITTEN + 4)
    code = [
        asm("l32r", 8, literal - CODE),
        asm("l32i", 9, 8, 0),
        asm("s8i", 2, 9, 0),
        asm("addi", 9, 9, 1),
        asm("s32i", 9, 8, 0),
        asm("movi", 2, 0),
        asm("movi", 3, 0),
        asm("movi", 4, 0),
        asm("ret"),
    ]
    return bench.load(b"".join(code))


def written(bench: Bench) -> bytes:
    return bench.memory.read(WRITTEN + 4, bench.memory.u32(WRITTEN) - WRITTEN - 4)


def test_prints_on_the_uart_at_first_with_line_ends_cooked(bench: Bench) -> None:
    count = bench.call("ets_printf", bench.text("a=%d b=%s\n"), 5, bench.text("x\ry"))
    assert bench.said() == "a=5 b=xy\r\n"
    assert count == len("a=5 b=x\ry\n")


def test_prints_by_a_function_of_the_program(bench: Bench) -> None:
    bench.call("ets_install_putc1", putc_of_the_program(bench))
    assert bench.call("ets_printf", bench.text("%d,%d,%d,%d,%d,%d\n"), 1, 2, 3, 4, 5, 6) == 12
    assert written(bench) == b"1,2,3,4,5,6\n"
    assert bench.said() == ""


def test_both_functions_get_each_character(bench: Bench) -> None:
    bench.call("ets_install_putc2", putc_of_the_program(bench))
    bench.call("ets_printf", bench.text("hi"))
    assert written(bench) == b"hi"
    assert bench.said() == "hi"


def test_vprintf_prints_by_what_it_is_given(bench: Bench) -> None:
    arguments = bench.put(bytes(4) + (7).to_bytes(4, "little") + (8).to_bytes(4, "little"))
    bench.call("ets_vprintf", putc_of_the_program(bench), bench.text("%d%d"), 0, arguments, 4)
    assert written(bench) == b"78"


def test_uart_printf_asks_nobody(bench: Bench) -> None:
    bench.call("ets_install_putc1", putc_of_the_program(bench))
    bench.call("ets_uart_printf", bench.text("%x"), 255)
    assert bench.said() == "ff"
    assert written(bench) == b""


def test_the_stack_is_as_it_was(bench: Bench) -> None:
    before = bench.state.a[1]
    bench.call("ets_printf", bench.text("%s"), bench.text("text"))
    assert bench.state.a[1] == before


def test_installing_the_uart_tells_its_function(bench: Bench) -> None:
    bench.call("ets_install_putc1", 0)
    bench.call("ets_write_char", ord("x"))
    assert bench.call("ets_install_uart_printf") == UART_PUTC
    bench.call("ets_write_char", ord("y"))
    assert bench.said() == "y"
    assert WRITE_CHAR in bench.machine.rom._calls
