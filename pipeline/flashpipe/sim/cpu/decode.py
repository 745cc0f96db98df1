"""Instructions of the lx106: bytes to records.

Source of the encoding: Xtensa Instruction Set Architecture (ISA) reference manual, chapter "Instruction formats and
opcodes"; what the lx106 has of it: its core-isa.h (QEMU, target/xtensa/core-lx106). Narrow instructions give the
operation of their wide twin, with length 2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from flashpipe.sim.cpu.contract import MASK

ILLEGAL: Final = "ill"
"""Operation of everything that is no instruction."""


class Instruction(NamedTuple):
    """One decoded instruction. What a field means depends on the operation; unused ones are the raw bits."""

    operation: str
    length: int
    r: int
    s: int
    t: int
    """Register numbers, as the manual names the fields."""
    imm: int = 0
    """The constant: offset, shift, target address of a branch or jump, address of a literal; 32 bits, unsigned."""
    imm2: int = 0
    """A second one: the mask of `extui`, what `beqi` and its kin compare with."""


_B4CONST: Final = (MASK, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)
_B4CONSTU: Final = (32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)
"""Constants of the compare-with-immediate branches, by their code (ISA: b4const, b4constu)."""

_ARITHMETIC: Final = {
    1: "and", 2: "or", 3: "xor", 8: "add", 9: "addx2", 10: "addx4", 11: "addx8", 12: "sub", 13: "subx2", 14: "subx4",
    15: "subx8",
}  # fmt: skip
_SYNCS: Final = frozenset({0, 1, 2, 3, 8, 12, 13, 15})
"""ISYNC, RSYNC, ESYNC, DSYNC, EXCW, MEMW, EXTW, NOP by their field t: nothing to do here."""
_SHIFT_SETUP: Final = {0: "ssr", 1: "ssl", 2: "ssa8l", 3: "ssa8b"}
_SHIFTS: Final = {8: "src", 12: "mul16u", 13: "mul16s"}
_MOVES: Final = {8: "moveqz", 9: "movnez", 10: "movltz", 11: "movgez"}
_SPECIAL: Final = {0: "rsr", 1: "wsr"}
_NARROW_END: Final = {0: "ret", 2: "break", 3: "nop"}
_BRANCHES: Final = (
    "bnone", "beq", "blt", "bltu", "ball", "bbc", "bbci", "bbci",
    "bany", "bne", "bge", "bgeu", "bnall", "bbs", "bbsi", "bbsi",
)  # fmt: skip
_ZERO_BRANCHES: Final = ("beqz", "bnez", "bltz", "bgez")
_CONSTANT_BRANCHES: Final = ("beqi", "bnei", "blti", "bgei")
_MEMORY: Final = {
    0: ("l8ui", 0), 1: ("l16ui", 1), 2: ("l32i", 2), 4: ("s8i", 0), 5: ("s16i", 1), 6: ("s32i", 2), 9: ("l16si", 1),
}  # fmt: skip
"""By field r of the group LSAI: operation, and how far its offset is shifted."""

SPECIAL_REGISTERS: Final = {
    3: "sar", 5: "litbase", 96: "ibreakenable", 104: "ddr", 128: "ibreaka0", 144: "dbreaka0", 160: "dbreakc0",
    176: "configid0", 177: "epc1", 178: "epc2", 179: "epc3", 192: "depc", 194: "eps2", 195: "eps3", 208: "configid1",
    209: "excsave1", 210: "excsave2", 211: "excsave3", 226: "interrupt", 227: "intclear", 228: "intenable", 230: "ps",
    231: "vecbase", 232: "exccause", 233: "debugcause", 234: "ccount", 235: "prid", 236: "icount", 237: "icountlevel",
    238: "excvaddr", 240: "ccompare0",
}  # fmt: skip
"""Special registers of the lx106 by number; 226 is read as INTERRUPT and written as INTSET."""
_WRITE_ONLY: Final = frozenset({227})
_READ_ONLY: Final = frozenset({176, 208, 233, 235})
_NO_EXCHANGE: Final = _WRITE_ONLY | _READ_ONLY | {226}
"""Registers that RSR, WSR or XSR does not exist for (QEMU, core-lx106, where it raises an illegal instruction)."""
_FORBIDDEN: Final = {"rsr": _WRITE_ONLY, "wsr": _READ_ONLY, "xsr": _NO_EXCHANGE}
_TLB: Final = {
    3: "rtlb0", 4: "itlb", 5: "ptlb", 6: "wtlb", 7: "rtlb1", 11: "rtlb0", 12: "itlb", 13: "ptlb", 14: "wtlb", 15: "rtlb1",
}  # fmt: skip
"""By field r; from 11 on for data."""


def _sign(value: int, bits: int) -> int:
    return (value & (1 << bits) - 1 ^ 1 << bits - 1) - (1 << bits - 1)


def instruction_length(first_byte: int) -> int:
    """2 or 3 bytes, as the low four bits of the first byte say."""
    return 3 if first_byte & 0x08 == 0 or first_byte & 0x0F >= 14 else 2


def decode(word: int, pc: int) -> Instruction:
    """The instruction whose three bytes are `word` (little-endian) at address `pc`.

    A narrow one uses only two of them.
    """
    op0 = word & 15
    decoder = _DECODERS[op0]
    return decoder(word, pc)


def _operation(operation: str, word: int, imm: int = 0, imm2: int = 0) -> Instruction:
    return Instruction(operation, 3, word >> 12 & 15, word >> 8 & 15, word >> 4 & 15, imm, imm2)


def _narrow(operation: str, word: int, imm: int = 0) -> Instruction:
    return Instruction(operation, 2, word >> 12 & 15, word >> 8 & 15, word >> 4 & 15, imm)


def _ill(word: int, _pc: int = 0) -> Instruction:
    return _operation(ILLEGAL, word)


def _qrst(word: int, _pc: int) -> Instruction:
    op1, op2 = word >> 16 & 15, word >> 20 & 15
    if op1 == 0:
        return _rst0(word, op2)
    if op1 == 1:
        return _rst1(word, op2)
    if op1 == 2 and op2 == 8:
        return _operation("mull", word)
    if op1 == 3:
        return _rst3(word, op2)
    if op1 in {4, 5}:
        return _operation("extui", word, (op1 & 1) << 4 | word >> 8 & 15, (1 << op2 + 1) - 1)
    return _ill(word)


def _rst0(word: int, op2: int) -> Instruction:
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    if op2 in _ARITHMETIC:
        return _operation(_ARITHMETIC[op2], word)
    if op2 == 0:
        return _st0(word, r, s, t)
    if op2 == 4:
        return _st1(word, r, s, t)
    if op2 == 5 and r in _TLB and (t == 0 or _TLB[r] != "itlb"):
        return _operation(_TLB[r], word, imm2=r >> 3)
    if op2 == 6 and s in {0, 1}:
        return _operation(("neg", "abs")[s], word)
    return _ill(word)


def _st0(word: int, r: int, s: int, t: int) -> Instruction:
    """Jumps by register, synchronisation, returns from exceptions, and what asks for one."""
    operation = ILLEGAL
    if r == 0:
        operation = {0x8: "ret", 0xA: "jx", 0xC: "callx0"}.get(t, ILLEGAL)
    elif r == 2 and s == 0 and t in _SYNCS:
        operation = "nop"
    elif r == 3 and t == 0:
        operation = {0: "rfe", 2: "rfde"}.get(s, ILLEGAL)
    elif r == 3 and t == 1 and s in {2, 3}:
        operation = "rfi"
    elif r == 4:
        operation = "break"
    elif r == 5 and s == 0 and t == 0:
        operation = "syscall"
    elif r == 6:
        operation = "rsil"
    elif r == 7 and t == 0:
        operation = "waiti"
    return _operation(operation, word, s)


def _st1(word: int, r: int, s: int, t: int) -> Instruction:
    if r in _SHIFT_SETUP and t == 0:
        return _operation(_SHIFT_SETUP[r], word)
    if r == 4 and t < 2:
        return _operation("ssai", word, s | (t & 1) << 4)
    operation = {6: "rer", 7: "wer", 14: "nsa", 15: "nsau"}.get(r, ILLEGAL)
    return _operation(operation, word)


def _rst1(word: int, op2: int) -> Instruction:
    s, t = word >> 8 & 15, word >> 4 & 15
    if op2 in {0, 1}:
        return _operation("slli", word, 32 - (op2 << 4 | t))
    if op2 in {2, 3}:
        return _operation("srai", word, (op2 & 1) << 4 | s)
    if op2 == 4:
        return _operation("srli", word, s)
    if op2 == 6:
        return _special("xsr", word)
    if op2 in {9, 11} and s == 0:
        return _operation("srl" if op2 == 9 else "sra", word)
    if op2 == 10 and t == 0:
        return _operation("sll", word)
    return _operation(_SHIFTS.get(op2, ILLEGAL), word)


def _rst3(word: int, op2: int) -> Instruction:
    if op2 in _SPECIAL:
        return _special(_SPECIAL[op2], word)
    return _operation(_MOVES.get(op2, ILLEGAL), word)


def _special(operation: str, word: int) -> Instruction:
    number = word >> 8 & 255
    known = number in SPECIAL_REGISTERS and number not in _FORBIDDEN[operation]
    return _operation(operation, word, number) if known else _ill(word)


def _l32r(word: int, pc: int) -> Instruction:
    """The literal's address lies before the instruction: 16 bits of words, filled up with ones (ISA: L32R)."""
    return _operation("l32r", word, (pc + 3 & ~3) + (0xFFFC0000 | (word >> 8) << 2) & MASK)


def _lsai(word: int, _pc: int) -> Instruction:
    r, imm8 = word >> 12 & 15, word >> 16 & 255
    if r in _MEMORY:
        operation, shift = _MEMORY[r]
        return _operation(operation, word, imm8 << shift)
    if r == 10:
        return _operation("movi", word, _sign((word >> 8 & 15) << 8 | imm8, 12) & MASK)
    if r in {12, 13}:
        return _operation("addi", word, _sign(imm8, 8) * (256 if r == 13 else 1) & MASK)
    return _ill(word)  # among them operations on caches, of which the lx106 has none


def _calln(word: int, pc: int) -> Instruction:
    if word >> 4 & 3:
        return _ill(word)  # calls that turn register windows
    return _operation("call0", word, (pc & ~3) + (_sign(word >> 6, 18) << 2) + 4 & MASK)


def _si(word: int, pc: int) -> Instruction:
    n, m = word >> 4 & 3, word >> 6 & 3
    if n == 0:
        return _operation("j", word, pc + 4 + _sign(word >> 6, 18) & MASK)
    if n == 1:
        return _operation(_ZERO_BRANCHES[m], word, pc + 4 + _sign(word >> 12, 12) & MASK)
    target = pc + 4 + _sign(word >> 16, 8) & MASK
    code = word >> 12 & 15
    if n == 2:
        return _operation(_CONSTANT_BRANCHES[m], word, target, _B4CONST[code])
    if m >= 2:
        return _operation(("bltui", "bgeui")[m - 2], word, target, _B4CONSTU[code])
    return _ill(word)


def _branch(word: int, pc: int) -> Instruction:
    r, t = word >> 12 & 15, word >> 4 & 15
    operation = _BRANCHES[r]
    bit = (r & 1) << 4 | t if operation in {"bbci", "bbsi"} else 0
    return _operation(operation, word, pc + 4 + _sign(word >> 16, 8) & MASK, bit)


def _l32i_n(word: int, _pc: int) -> Instruction:
    return _narrow("l32i", word, (word >> 12 & 15) << 2)


def _s32i_n(word: int, _pc: int) -> Instruction:
    return _narrow("s32i", word, (word >> 12 & 15) << 2)


def _add_n(word: int, _pc: int) -> Instruction:
    return _narrow("add", word)


def _addi_n(word: int, _pc: int) -> Instruction:
    """The field t is the constant, with 0 for -1; it adds to s and goes to r, which `addi` calls t."""
    constant = word >> 4 & 15
    return Instruction("addi", 2, 0, word >> 8 & 15, word >> 12 & 15, constant or MASK)


def _st2_n(word: int, pc: int) -> Instruction:
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    if t & 8:
        return _narrow("bnez" if t & 4 else "beqz", word, pc + 4 + ((t & 3) << 4 | r) & MASK)
    value = (t & 7) << 4 | r
    return Instruction("movi", 2, 0, 0, s, (value - 128 if value >= 96 else value) & MASK)


def _st3_n(word: int, _pc: int) -> Instruction:
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    if r == 0:
        return _narrow("mov", word)
    known = r == 15 and (t != 3 or s == 0)
    return _narrow(_NARROW_END.get(t, ILLEGAL) if known else ILLEGAL, word)


_DECODERS: Final = (
    _qrst, _l32r, _lsai, _ill, _ill, _calln, _si, _branch,
    _l32i_n, _s32i_n, _add_n, _addi_n, _st2_n, _st3_n, _ill, _ill,
)  # fmt: skip
"""By the low four bits. 3 and 4 (floating point, MAC16), 14 and 15 are not configured."""
