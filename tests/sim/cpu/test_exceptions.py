"""Exceptions, interrupts, the cycle counter, waiting: what happens between and instead of instructions."""

from __future__ import annotations

import pytest
from flashpipe.sim.cpu.contract import Cause, Stop
from flashpipe.sim.memory import DRAM_START, FLASH_SIZE, FLASH_START, IRAM_SIZE, IRAM_START, ROM_START

from tests.sim.cpu.assembler import SR, asm, program
from tests.sim.cpu.machines import CODE, DATA, RETURN, USER, Bench

USER_VECTOR, KERNEL_VECTOR, DOUBLE_VECTOR, DEBUG_VECTOR, NMI_VECTOR = 0x50, 0x30, 0x70, 0x10, 0x20
EXCM = 0x10
DEVICE = 0x60000000


def raises(bench: Bench, code: bytes, cause: Cause, address: int | None = None, **registers: int) -> None:
    """The first instruction of `code` ends in the user exception vector."""
    before = bench.state.excvaddr
    assert bench.run(code, {int(name[1:]): value for name, value in registers.items()}) is Stop.HOOK
    state = bench.state
    assert (state.pc, state.epc1, state.exccause) == (ROM_START + USER_VECTOR, CODE, cause)
    assert state.ps == USER | EXCM
    assert state.excvaddr == (before if address is None else address)
    assert state.cycles == state.instructions == 1


ILLEGAL = {
    "ill": asm("ill"), "ill.n": asm("ill.n"), "loop": b"\x76\x82\x00", "entry": b"\x36\x41\x00",
    "call4": b"\x15\x00\x00", "muluh": b"\x20\x34\xa2", "quou": b"\x20\x34\xc2", "l32ai": b"\x22\xb3\x00",
    "s32c1i": b"\x22\xe3\x00", "min": b"\x20\x34\x43", "sext": b"\x20\x34\x23", "floating point": b"\x03\x00\x00",
    "mac16": b"\x04\x00\x00", "retw": b"\x90\x00\x00", "callx4": b"\xd0\x02\x00", "rsr of no register": b"\x20\x00\x03",
    "nop with a register": b"\xf0\x21\x00", "sra of two": b"\x30\x12\xb1", "sll of two": b"\x10\x12\xa1",
    "ssr of two": b"\x10\x02\x40", "nop.n with a register": b"\x3d\xf1", "dpfr": b"\x02\x72\x00",
    "iitlb with a register": b"\x10\x42\x50", "op0 14": b"\x0e\x00\x00", "op0 15": b"\x0f\x00\x00",
}  # fmt: skip


@pytest.mark.parametrize("code", ILLEGAL.values(), ids=ILLEGAL)
def test_what_the_lx106_has_not_is_illegal(bench: Bench, code: bytes) -> None:
    raises(bench, code, Cause.ILLEGAL_INSTRUCTION)


def test_system_calls(bench: Bench) -> None:
    raises(bench, asm("syscall"), Cause.SYSCALL)


@pytest.mark.parametrize(("name", "address"), [
    ("l32i", DATA + 1), ("l32i", DATA + 2), ("l16ui", DATA + 1), ("l16si", DATA + 3), ("s32i", DATA + 2),
    ("s16i", DATA + 1), ("l32i", FLASH_START + 2), ("l16ui", FLASH_START + 1), ("s32i", IRAM_START + 1),
    ("l32i", DEVICE + 1), ("s16i", DEVICE + 3), ("l32i", 1),
])  # fmt: skip
def test_unaligned_accesses(bench: Bench, name: str, address: int) -> None:
    raises(bench, asm(name, 4, 3, 0), Cause.UNALIGNED, address, a3=address)


@pytest.mark.parametrize("name", ["l8ui", "l16ui", "l16si", "s8i", "s16i"])
@pytest.mark.parametrize("address", [ROM_START, IRAM_START + 0x200, FLASH_START + 4, FLASH_START + FLASH_SIZE - 2])
def test_the_instruction_bus_carries_only_words(bench: Bench, name: str, address: int) -> None:
    raises(bench, asm(name, 4, 3, 0), Cause.LOAD_STORE_ERROR, address, a3=address)


@pytest.mark.parametrize("address", [
    0, 0x1000, DRAM_START - 4, FLASH_START + FLASH_SIZE, IRAM_START - 4, IRAM_START + IRAM_SIZE, 0xFFFFFFFC,
])  # fmt: skip
def test_loads_and_stores_where_nothing_is_are_prohibited(bench: Bench, address: int) -> None:
    raises(bench, asm("l32i", 4, 3, 0), Cause.LOAD_PROHIBITED, address, a3=address)
    bench.state.ps, bench.state.cycles, bench.state.instructions = USER, 0, 0
    raises(bench, asm("s32i", 4, 3, 0), Cause.STORE_PROHIBITED, address, a3=address)


def test_the_flash_cannot_be_stored_to(bench: Bench) -> None:
    raises(bench, asm("s32i", 4, 3, 0), Cause.STORE_PROHIBITED, FLASH_START, a3=FLASH_START)


@pytest.mark.parametrize(("target", "cause"), [
    (0, Cause.FETCH_PROHIBITED), (DATA, Cause.INSTRUCTION_FETCH_ERROR), (0x80000000, Cause.FETCH_PROHIBITED),
    (FLASH_START + FLASH_SIZE, Cause.INSTRUCTION_FETCH_ERROR), (0x60000000, Cause.INSTRUCTION_FETCH_ERROR),
])  # fmt: skip
def test_fetching_where_no_code_can_be(bench: Bench, target: int, cause: Cause) -> None:
    assert bench.run(asm("jx", 3), {3: target}) is Stop.HOOK
    state = bench.state
    assert (state.pc, state.exccause, state.epc1, state.excvaddr) == (0x40000050, cause, target, target)
    assert state.cycles == 2


@pytest.mark.parametrize("end", [IRAM_START + IRAM_SIZE, FLASH_START + FLASH_SIZE])
def test_running_out_of_an_area(bench: Bench, end: int) -> None:
    assert bench.run(program(("nop",), ("nop.n",)), at=end - 5) is Stop.HOOK
    assert (bench.state.exccause, bench.state.epc1) == (Cause.INSTRUCTION_FETCH_ERROR, end)


@pytest.mark.parametrize("end", [IRAM_START + IRAM_SIZE, FLASH_START + FLASH_SIZE])
def test_an_instruction_that_the_end_of_an_area_cuts_reads_zeros(bench: Bench, end: int) -> None:
    bench.run(b"\x42\xa0", at=end - 2, limit=1)  # movi a4, 0
    assert bench.a(4) == 0
    assert bench.state.pc == end + 1


def test_an_exception_of_the_kernel_goes_to_its_own_vector(bench: Bench) -> None:
    bench.state.ps = 0
    bench.run(asm("ill"))
    assert (bench.state.pc, bench.state.ps) == (ROM_START + KERNEL_VECTOR, EXCM)


def test_an_exception_inside_an_exception_is_a_double_one(bench: Bench) -> None:
    bench.state.ps = USER | EXCM
    bench.state.epc1 = 0x1234
    bench.run(asm("ill"))
    assert (bench.state.pc, bench.state.depc, bench.state.epc1) == (ROM_START + DOUBLE_VECTOR, CODE, 0x1234)


def test_vectors_move_with_vecbase(bench: Bench) -> None:
    bench.load(asm("movi", 4, 99), CODE + 0x800 + USER_VECTOR)
    bench.run(program(("wsr", 3, SR["vecbase"]), ("ill",)), {3: CODE + 0x800}, limit=3)
    assert bench.a(4) == 99


def test_returns_from_exceptions(bench: Bench) -> None:
    bench.state.ps, bench.state.epc1, bench.state.depc = USER | EXCM, RETURN, RETURN + 4
    bench.run(asm("rfde"))
    assert (bench.state.pc, bench.state.ps) == (RETURN + 4, USER | EXCM)
    bench.run(asm("rfe"))
    assert (bench.state.pc, bench.state.ps) == (RETURN, USER)


@pytest.mark.parametrize("level", [2, 3])
def test_returns_from_interrupts_of_a_higher_level(bench: Bench, level: int) -> None:
    setattr(bench.state, f"epc{level}", RETURN)
    setattr(bench.state, f"eps{level}", USER | 1)
    bench.run(asm("rfi", level))
    assert (bench.state.pc, bench.state.ps) == (RETURN, USER | 1)


@pytest.mark.parametrize(("code", "cause"), [(asm("break", 1, 15), 0x08), (asm("break.n", 1), 0x10)])
def test_breakpoints_enter_the_debug_vector(bench: Bench, code: bytes, cause: int) -> None:
    bench.run(code)
    state = bench.state
    assert (state.pc, state.epc2, state.eps2) == (ROM_START + DEBUG_VECTOR, CODE, USER)
    assert (state.ps, state.debugcause) == (USER | EXCM | 2, cause)


def test_breakpoints_are_ignored_at_the_debug_level(bench: Bench) -> None:
    bench.state.ps = USER | 2
    bench.run(program(("break", 0, 0), ("break.n", 0), ("ret",)))
    assert (bench.state.pc, bench.state.cycles) == (RETURN, 3)


# --- interrupts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 5, 7, 13])
def test_a_pending_interrupt_is_taken_before_the_next_instruction(bench: Bench, number: int) -> None:
    bench.state.interrupt = bench.state.intenable = 1 << number
    assert bench.run(asm("nop")) is Stop.HOOK
    state = bench.state
    assert (state.pc, state.epc1, state.exccause) == (ROM_START + USER_VECTOR, CODE, Cause.LEVEL1_INTERRUPT)
    assert (state.ps, state.cycles) == (USER | EXCM, 0)
    assert state.interrupt == 1 << number


@pytest.mark.parametrize(("ps", "intenable"), [(USER | 1, 0xFF), (USER | EXCM, 0xFF), (USER, 0xFE)])
def test_a_masked_interrupt_waits(bench: Bench, ps: int, intenable: int) -> None:
    bench.state.ps, bench.state.interrupt, bench.state.intenable = ps, 1, intenable
    bench.run(program(("nop",), ("ret",)))
    assert bench.state.pc == RETURN


def test_lowering_the_level_lets_an_interrupt_in_at_once(bench: Bench) -> None:
    bench.state.ps, bench.state.interrupt, bench.state.intenable = USER | 3, 1, 1
    bench.run(program(("nop",), ("rsil", 4, 0), ("movi", 5, 1)))
    assert (bench.state.pc, bench.state.epc1) == (ROM_START + USER_VECTOR, CODE + 6)
    assert (bench.a(4), bench.a(5)) == (USER | 3, 0)


@pytest.mark.parametrize("register", ["ps", "intenable", "intset"])
def test_writing_a_register_lets_an_interrupt_in_at_once(bench: Bench, register: str) -> None:
    state = bench.state
    state.ps = USER | 1 if register == "ps" else USER
    state.intenable = 0 if register == "intenable" else 0x80
    state.interrupt = 0 if register == "intset" else 0x80
    bench.run(program(("wsr", 3, SR[register]), ("movi", 5, 1)), {3: USER if register == "ps" else 0x80})
    assert (state.pc, state.epc1, bench.a(5)) == (ROM_START + USER_VECTOR, CODE + 3, 0)


def test_only_software_interrupts_are_set_and_levels_are_not_cleared_by_the_program(bench: Bench) -> None:
    bench.state.interrupt = 0x3FFF
    bench.run(program(("wsr", 3, SR["intclear"]), ("ret",)), {3: 0xFFFFFFFF})
    assert bench.state.interrupt == 0x007F
    bench.state.interrupt = 0
    bench.run(program(("wsr", 3, SR["intset"]), ("ret",)), {3: 0xFFFFFFFF})
    assert bench.state.interrupt == 0x0080


def test_the_nmi_ignores_intenable_and_the_level_of_others(bench: Bench) -> None:
    bench.state.ps, bench.state.interrupt = USER | EXCM | 2, 1 << 14
    bench.run(asm("nop"))
    state = bench.state
    assert (state.pc, state.epc3, state.eps3) == (ROM_START + NMI_VECTOR, CODE, USER | EXCM | 2)
    assert (state.ps, state.interrupt) == (USER | EXCM | 3, 0)


def test_the_nmi_does_not_interrupt_itself(bench: Bench) -> None:
    bench.state.ps, bench.state.interrupt = USER | EXCM | 3, 1 << 14
    bench.run(program(("nop",), ("ret",)))
    assert bench.state.pc == RETURN


# --- time ------------------------------------------------------------------------------------------------------------


def test_the_horizon_is_a_single_step(bench: Bench) -> None:
    bench.load(program(("movi", 2, 1), ("movi", 3, 2), ("ret",)))
    assert bench.go(1) is Stop.HORIZON
    assert (bench.state.pc, bench.a(2), bench.a(3)) == (CODE + 3, 1, 0)
    assert bench.go(0) is Stop.HORIZON
    assert bench.state.cycles == 1
    assert bench.go(1) is Stop.HORIZON
    assert bench.a(3) == 2


@pytest.mark.parametrize("limit", range(1, 20))
def test_the_horizon_is_met_to_the_cycle(bench: Bench, limit: int) -> None:
    bench.run(program(("movi", 2, 100), ("addi", 2, 2, -1), ("nop",), ("bnez", 2, -6), ("ret",)), limit=limit)
    assert bench.state.cycles == bench.state.instructions == limit


def test_ccount_counts_and_can_be_set(bench: Bench) -> None:
    bench.state.cycles = 1000
    bench.run(program(("rsr", 2, SR["ccount"]), ("nop",), ("rsr", 3, SR["ccount"]), ("wsr", 4, SR["ccount"]),
                      ("rsr", 5, SR["ccount"]), ("ret",)), {4: 0xFFFFFFFF})  # fmt: skip
    assert bench.a(3) - bench.a(2) == 2
    assert bench.a(5) == 0
    assert bench.state.cycles == 1006


def test_ccompare_interrupts_when_ccount_gets_there(bench: Bench) -> None:
    bench.state.intenable = 1 << 6
    code = program(("rsr", 2, SR["ccount"]), ("addi", 2, 2, 20), ("wsr", 2, SR["ccompare0"]), ("j", 0))
    assert bench.run(code) is Stop.HOOK
    assert (bench.state.pc, bench.state.interrupt) == (ROM_START + USER_VECTOR, 1 << 6)
    assert bench.state.cycles == 21  # ccount was 1 when it was read
    bench.run(program(("wsr", 2, SR["ccompare0"]), ("ret",)))
    assert bench.state.interrupt == 0


def test_ccompare_equal_to_ccount_is_a_lap_away(bench: Bench) -> None:
    bench.run(program(("rsr", 2, SR["ccount"]), ("addi", 2, 2, 2), ("wsr", 2, SR["ccompare0"]), ("ret",)))
    assert bench.state.timer_at == 3 + (1 << 32)
    assert bench.state.interrupt == 0


def test_waiti_waits_for_an_interrupt(bench: Bench) -> None:
    code = program(("waiti", 0), ("movi", 4, 1), ("ret",))
    assert bench.run(code, limit=100) is Stop.WAITI
    assert (bench.state.pc, bench.state.cycles, bench.state.waiting) == (CODE + 3, 1, 1)
    assert bench.core.run() is Stop.WAITI
    bench.state.cycles = 100
    assert bench.core.run() is Stop.HORIZON
    bench.state.interrupt = bench.state.intenable = 2
    assert bench.go() is Stop.HOOK
    assert (bench.state.pc, bench.state.epc1, bench.state.waiting) == (ROM_START + USER_VECTOR, CODE + 3, 0)
    assert (bench.state.cycles, bench.state.instructions) == (100, 1)


def test_waiti_with_an_interrupt_pending_does_not_wait(bench: Bench) -> None:
    bench.state.ps, bench.state.interrupt, bench.state.intenable = USER | 3, 2, 2
    assert bench.run(asm("waiti", 0)) is Stop.HOOK
    assert bench.state.epc1 == CODE + 3


def test_waiting_ends_with_ccompare(bench: Bench) -> None:
    bench.state.intenable = 1 << 6
    bench.run(program(("wsr", 2, SR["ccompare0"]), ("waiti", 0)), {2: 500})
    assert bench.core.run() is Stop.WAITI
    bench.state.cycles = bench.state.timer_at
    assert bench.go() is Stop.HOOK
    assert bench.state.cycles == 500


# --- special registers -----------------------------------------------------------------------------------------------

BITS = {
    "sar": 0x3F, "litbase": 0xFFFFF001, "ps": 0x3F, "eps2": 0x3F, "eps3": 0x3F, "exccause": 0x3F, "intenable": 0x7FFF,
    "ibreakenable": 1, "icountlevel": 15, "interrupt": 0x80, "intset": 0x80,
}  # fmt: skip
"""Bits that a program can change; all 32 where nothing is said."""
CONSTANT = {"prid": 0xCDCD, "configid0": 0xC28CDAFA, "configid1": 0x1082B6F6, "debugcause": 0}
COUNTING = {"ccount", "ccompare0"}
ORDINARY = [name for name in SR if name not in {*CONSTANT, "ccount", "intset", "intclear", "interrupt"}]


@pytest.mark.parametrize("register", [*ORDINARY, "intset"])
def test_special_registers_keep_the_bits_they_have(bench: Bench, register: str) -> None:
    bench.state.ps = 3
    bench.run(program(("wsr", 3, SR[register]), ("rsr", 4, SR[register])), {3: 0xFFFFFFFF}, limit=2)
    assert bench.a(4) == BITS.get(register, 0xFFFFFFFF)


@pytest.mark.parametrize("register", ORDINARY)
def test_exchanging_a_special_register(bench: Bench, register: str) -> None:
    number = SR[register]
    bench.state.ps = 3
    bench.run(program(("rsr", 2, number), ("xsr", 3, number), ("rsr", 4, number)), {3: 0x05}, limit=3)
    assert bench.a(3) == bench.a(2)
    assert bench.a(4) == 0x05 & BITS.get(register, 0xFFFFFFFF)


@pytest.mark.parametrize("register", CONSTANT)
def test_registers_that_only_tell(bench: Bench, register: str) -> None:
    bench.run(program(("rsr", 4, SR[register])), limit=1)
    assert bench.a(4) == CONSTANT[register]
    for name in ("wsr", "xsr"):
        bench.state.ps, bench.state.cycles, bench.state.instructions = USER, 0, 0
        raises(bench, asm(name, 4, SR[register]), Cause.ILLEGAL_INSTRUCTION)


@pytest.mark.parametrize(("name", "register"), [("rsr", "intclear"), ("xsr", "intclear"), ("xsr", "interrupt")])
def test_registers_that_cannot_be_read_or_exchanged(bench: Bench, name: str, register: str) -> None:
    raises(bench, asm(name, 4, SR[register]), Cause.ILLEGAL_INSTRUCTION)


@pytest.mark.parametrize("kind", ["i", "d"])
def test_region_protection_keeps_what_it_is_told(bench: Bench, kind: str) -> None:
    code = program(
        (f"r{kind}tlb1", 4, 2), (f"w{kind}tlb", 3, 2), (f"r{kind}tlb1", 5, 2), (f"r{kind}tlb0", 6, 2),
        (f"p{kind}tlb", 7, 2), (f"i{kind}tlb", 2), ("ret",),
    )  # fmt: skip
    bench.run(code, {2: 0x8A345678, 3: 0x12345675})
    assert [bench.a(number) for number in (4, 5, 6, 7)] == [0x80000002, 0x80000005, 0x80000000, 0x80000001]
    assert (bench.state.itlb, bench.state.dtlb) == (
        (0x22252222, 0x22222222) if kind == "i" else (0x22222222, 0x22252222)
    )
