"""What each group of instructions does, over all cores; the expected values are worked out from the ISA manual."""

from __future__ import annotations

import pytest
from flashpipe.sim.cpu.contract import Stop
from flashpipe.sim.memory import FLASH_START

from tests.sim.cpu.assembler import asm, program
from tests.sim.cpu.machines import CODE, DATA, RETURN, Bench

M = 0xFFFFFFFF


def result(bench: Bench, *instruction: object, registers: dict[int, int]) -> int:
    """a4 after one instruction."""
    assert bench.run(program(instruction, ("ret",)), registers) is Stop.HOOK
    assert bench.state.pc == RETURN
    return bench.a(4)


@pytest.mark.parametrize(
    ("name", "s", "t", "expected"),
    [
        ("and", 0xF0F0, 0xFF00, 0xF000),
        ("or", 0xF0F0, 0xFF00, 0xFFF0),
        ("xor", 0xF0F0, 0xFF00, 0x0FF0),
        ("add", M, 2, 1),
        ("addx2", 0x80000001, 1, 3),
        ("addx4", 0x40000001, 1, 5),
        ("addx8", 0x20000001, 1, 9),
        ("sub", 1, 2, M),
        ("subx2", 0x80000000, 1, M),
        ("subx4", 3, 2, 10),
        ("subx8", 3, 2, 22),
        ("mull", 0x10001, 0x10001, 0x20001),
        ("mul16u", 0x1FFFF, 0x2FFFF, 0xFFFE0001),
        ("mul16s", 0x1FFFF, 0x0002, 0xFFFFFFFE),
        ("mul16s", 0x8000, 0x8000, 0x40000000),
    ],
)
def test_arithmetic(bench: Bench, name: str, s: int, t: int, expected: int) -> None:
    assert result(bench, name, 4, 2, 3, registers={2: s, 3: t}) == expected


@pytest.mark.parametrize(
    ("name", "t", "moves"),
    [
        ("moveqz", 0, True), ("moveqz", 1, False), ("movnez", 0, False), ("movnez", 1, True),
        ("movltz", M, True), ("movltz", 0, False), ("movgez", 0, True), ("movgez", 0x80000000, False),
    ],
)  # fmt: skip
def test_conditional_moves(bench: Bench, name: str, t: int, moves: bool) -> None:  # noqa: FBT001
    assert result(bench, name, 4, 2, 3, registers={2: 77, 3: t, 4: 11}) == (77 if moves else 11)


@pytest.mark.parametrize(("name", "t", "expected"), [
    ("neg", 1, M), ("neg", 0, 0), ("neg", 0x80000000, 0x80000000), ("abs", M, 1), ("abs", 5, 5),
    ("abs", 0x80000000, 0x80000000),
])  # fmt: skip
def test_negation(bench: Bench, name: str, t: int, expected: int) -> None:
    assert result(bench, name, 4, 3, registers={3: t}) == expected


@pytest.mark.parametrize(("name", "value", "expected"), [
    ("nsau", 0, 32), ("nsau", 1, 31), ("nsau", M, 0), ("nsa", 0, 31), ("nsa", M, 31), ("nsa", 1, 30),
    ("nsa", 0x80000000, 0), ("nsa", 0xC0000000, 1), ("nsa", 0x7FFFFFFF, 0),
])  # fmt: skip
def test_counting_sign_bits(bench: Bench, name: str, value: int, expected: int) -> None:
    assert result(bench, name, 4, 3, registers={3: value}) == expected


@pytest.mark.parametrize(
    ("instruction", "value", "expected"),
    [
        (("slli", 4, 3, 1), 0x80000001, 2),
        (("slli", 4, 3, 31), 3, 0x80000000),
        (("srli", 4, 3, 15), 0x80000000, 0x10000),
        (("srai", 4, 3, 31), 0x80000000, M),
        (("srai", 4, 3, 4), 0x80000000, 0xF8000000),
        (("extui", 4, 3, 4, 8), 0x12345678, 0x67),
        (("extui", 4, 3, 28, 16), 0x92345678, 9),
        (("addi", 4, 3, -128), 0, 0xFFFFFF80),
        (("addmi", 4, 3, 0x7F00), 1, 0x7F01),
        (("addmi", 4, 3, -0x8000), 0, 0xFFFF8000),
        (("addi.n", 4, 3, -1), 0, M),
        (("addi.n", 4, 3, 15), 1, 16),
        (("movi", 4, -2048), 0, 0xFFFFF800),
        (("movi", 4, 2047), 0, 2047),
        (("movi.n", 4, -32), 0, 0xFFFFFFE0),
        (("movi.n", 4, 95), 0, 95),
        (("mov.n", 4, 3), 0x1234, 0x1234),
        (("add.n", 4, 3, 3), 0x80000001, 2),
    ],
)
def test_constants_and_shifts(bench: Bench, instruction: tuple[object, ...], value: int, expected: int) -> None:
    assert result(bench, *instruction, registers={3: value}) == expected


@pytest.mark.parametrize(
    ("setup", "amount", "sar"),
    [("ssr", 33, 1), ("ssl", 33, 31), ("ssl", 0, 32), ("ssa8l", 7, 24), ("ssa8b", 1, 24), ("ssa8b", 4, 32)],
)
def test_setting_up_a_shift(bench: Bench, setup: str, amount: int, sar: int) -> None:
    assert result(bench, setup, 3, registers={3: amount}) is not None
    assert bench.state.sar == sar


@pytest.mark.parametrize(
    ("instruction", "sar", "expected"),
    [
        (("src", 4, 2, 3), 8, 0xAA123456),
        (("src", 4, 2, 3), 0, 0x12345678),
        (("src", 4, 2, 3), 32, 0xF00000AA),
        (("src", 4, 2, 3), 40, 0x00F00000),
        (("srl", 4, 3), 4, 0x01234567),
        (("srl", 4, 3), 32, 0),
        (("sra", 4, 2), 4, 0xFF00000A),
        (("sra", 4, 2), 63, M),
        (("sll", 4, 3), 28, 0x23456780),
        (("sll", 4, 3), 32, 0x12345678),
        (("sll", 4, 3), 0, 0),
    ],
)
def test_shifting_by_sar(bench: Bench, instruction: tuple[object, ...], sar: int, expected: int) -> None:
    bench.state.sar = sar
    assert result(bench, *instruction, registers={2: 0xF00000AA, 3: 0x12345678}) == expected


def test_ssai_has_five_bits(bench: Bench) -> None:
    bench.run(program(("ssai", 19), ("ret",)))
    assert bench.state.sar == 19


@pytest.mark.parametrize(
    ("name", "s", "t", "jumps"),
    [
        ("beqz", 0, None, True), ("beqz", 1, None, False), ("bnez", 1, None, True), ("bnez", 0, None, False),
        ("bltz", M, None, True), ("bltz", 0, None, False), ("bgez", 0, None, True), ("bgez", M, None, False),
        ("beqz.n", 0, None, True), ("bnez.n", 0, None, False),
        ("beqi", M, -1, True), ("beqi", 10, 10, True), ("bnei", 10, 12, True), ("bnei", 256, 256, False),
        ("blti", M, 1, True), ("blti", 1, 1, False), ("bgei", 1, 1, True), ("bgei", M, -1, True),
        ("bgei", 0x80000000, -1, False), ("bltui", 0x7FFF, 32768, True), ("bltui", M, 65536, False),
        ("bgeui", 65536, 65536, True), ("bgeui", 1, 2, False),
        ("bbci", 8, 3, False), ("bbci", 8, 2, True), ("bbsi", 0x80000000, 31, True), ("bbsi", 1, 16, False),
    ],
)  # fmt: skip
def test_branches_on_one_register(bench: Bench, name: str, s: int, t: int | None, jumps: bool) -> None:  # noqa: FBT001
    branch = (name, 2, 9) if t is None else (name, 2, t, 9)
    length = len(asm(*branch))
    branch = (*branch[:-1], length + 3)
    bench.run(program(branch, ("movi", 4, 1), ("ret",)), {2: s, 4: 0})
    assert bench.a(4) == (0 if jumps else 1)
    assert bench.state.cycles == (2 if jumps else 3)


@pytest.mark.parametrize(
    ("name", "s", "t", "jumps"),
    [
        ("beq", 5, 5, True), ("beq", 5, 6, False), ("bne", 5, 6, True), ("bne", 5, 5, False),
        ("blt", M, 0, True), ("blt", 0, M, False), ("bltu", M, 0, False), ("bltu", 0, M, True),
        ("bge", 0, M, True), ("bge", M, 0, False), ("bgeu", M, 0, True), ("bgeu", 0, 1, False),
        ("bany", 6, 2, True), ("bany", 6, 1, False), ("bnone", 6, 1, True), ("bnone", 6, 4, False),
        ("ball", 7, 5, True), ("ball", 6, 5, False), ("bnall", 6, 5, True), ("bnall", 7, 5, False),
        ("bbc", 4, 34, False), ("bbc", 4, 1, True), ("bbs", 4, 34, True), ("bbs", 4, 3, False),
    ],
)  # fmt: skip
def test_branches_on_two_registers(bench: Bench, name: str, s: int, t: int, jumps: bool) -> None:  # noqa: FBT001
    bench.run(program((name, 2, 3, 6), ("movi", 4, 1), ("ret",)), {2: s, 3: t, 4: 0})
    assert bench.a(4) == (0 if jumps else 1)


def test_a_loop_takes_a_cycle_for_each_instruction(bench: Bench) -> None:
    code = program(("movi", 2, 100), ("addi", 3, 3, 3), ("addi", 2, 2, -1), ("bnez", 2, -6), ("ret",))
    assert bench.run(code) is Stop.HOOK
    assert bench.a(3) == 300
    assert bench.state.cycles == bench.state.instructions == 302


def test_a_loop_that_is_left_at_its_top_keeps_what_it_has_counted(bench: Bench) -> None:
    code = program(("beqz", 3, 12), ("addi", 2, 2, 2), ("addi", 3, 3, -1), ("j", -9), ("ret",))
    bench.run(code, {2: 0, 3: 100})
    assert (bench.a(2), bench.a(3), bench.state.cycles) == (200, 0, 402)


def test_jumps_and_calls(bench: Bench) -> None:
    code = program(("j", 8), ("nop",), ("nop.n",), ("callx0", 5))
    bench.load(program(("jx", 6)), CODE + 0x40)
    bench.run(code, {5: CODE + 0x40, 6: RETURN})
    assert bench.state.pc == RETURN
    assert bench.a(0) == CODE + 11
    assert bench.state.instructions == 3


def test_a_call_by_the_return_register_goes_where_it_pointed(bench: Bench) -> None:
    bench.run(program(("callx0", 0)))
    assert bench.state.pc == RETURN
    assert bench.a(0) == CODE + 3


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_calls_count_from_the_aligned_address(bench: Bench, start: int) -> None:
    bench.run(asm("call0", 0x100), at=CODE + start, limit=1)
    assert bench.state.pc == CODE + 0x100
    assert bench.a(0) == CODE + start + 3


@pytest.mark.parametrize("start", [0, 1, 2, 3])
@pytest.mark.parametrize("area", [CODE, FLASH_START + 0x40100])
def test_literals_lie_before_the_instruction(bench: Bench, start: int, area: int) -> None:
    bench.memory.set_u32(area - 8, 0xCAFE1234)
    offset = (area - 8) - (area + start + 3 & ~3)
    bench.run(program(("l32r", 4, offset)), at=area + start, limit=1)
    assert bench.a(4) == 0xCAFE1234


def test_literals_relative_to_litbase(bench: Bench) -> None:
    bench.state.litbase = DATA + 0x1000 & ~0xFFF | 1
    bench.memory.set_u32((DATA + 0x1000 & ~0xFFF) - 8, 0xBEEF)
    bench.run(program(("l32r", 4, -8)), limit=1)
    assert bench.a(4) == 0xBEEF


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("l8ui", 1, 0x81), ("l16ui", 2, 0x8382), ("l16si", 2, 0xFFFF8382), ("l32i", 4, 0x87868584),
        ("l32i.n", 4, 0x87868584),
    ],
)  # fmt: skip
def test_loads(bench: Bench, name: str, offset: int, expected: int) -> None:
    bench.memory.write(DATA, bytes(range(0x80, 0x90)))
    assert result(bench, name, 4, 3, offset, registers={3: DATA}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("s8i", "78ffffff"), ("s16i", "7856ffff"), ("s32i", "78563412"), ("s32i.n", "78563412")],
)
def test_stores(bench: Bench, name: str, expected: str) -> None:
    bench.memory.write(DATA, bytes(4 * [0xFF]))
    bench.run(program((name, 4, 3, 4), ("ret",)), {3: DATA - 4, 4: 0x12345678})
    assert bench.memory.read(DATA, 4).hex() == expected


def test_words_are_read_from_flash_and_instruction_ram(bench: Bench) -> None:
    bench.memory.set_u32(FLASH_START + 0x1234, 0x11223344)
    bench.memory.set_u32(CODE + 0x200, 0x55667788)
    bench.run(program(("l32i", 4, 2, 0), ("l32i", 5, 3, 0), ("s32i", 4, 3, 4), ("l32i", 6, 3, 4), ("ret",)),
              {2: FLASH_START + 0x1234, 3: CODE + 0x200})  # fmt: skip
    assert (bench.a(4), bench.a(5), bench.a(6)) == (0x11223344, 0x55667788, 0x11223344)


def test_an_address_wraps_at_the_end_of_the_address_space(bench: Bench) -> None:
    bench.memory.set_u32(DATA, 7)
    bench.run(program(("addi", 2, 2, -8), ("l32i", 4, 2, 8), ("ret",)), {2: DATA})
    assert bench.a(4) == 7


@pytest.mark.parametrize("name", ["isync", "rsync", "esync", "dsync", "excw", "memw", "extw", "nop", "nop.n"])
def test_what_only_orders_does_nothing_and_takes_a_cycle(bench: Bench, name: str) -> None:
    bench.run(asm(name), limit=1)
    assert bench.state.pc == CODE + len(asm(name))
    assert bench.state.cycles == 1
