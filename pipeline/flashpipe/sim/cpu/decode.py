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
_SPECIAL: Final = {
    "rsr": frozenset(SPECIAL_REGISTERS) - _WRITE_ONLY,
    "wsr": frozenset(SPECIAL_REGISTERS) - _READ_ONLY,
    "xsr": frozenset(SPECIAL_REGISTERS) - _NO_EXCHANGE,
}
"""The registers for which each exists."""

_B4CONST: Final = (MASK, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)
_B4CONSTU: Final = (32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)
"""Constants of the compare-with-immediate branches, by their code (ISA: b4const, b4constu)."""

# The tables go by the manual's names of the fields: r, s, t, op1, op2.
_RST0: Final = {
    1: "and", 2: "or", 3: "xor", 8: "add", 9: "addx2", 10: "addx4", 11: "addx8", 12: "sub", 13: "subx2", 14: "subx4",
    15: "subx8",
}  # fmt: skip
_JUMPS: Final = {0x8: "ret", 0xA: "jx", 0xC: "callx0"}
_SYNCS: Final = frozenset({0, 1, 2, 3, 8, 12, 13, 15})
"""ISYNC, RSYNC, ESYNC, DSYNC, EXCW, MEMW, EXTW, NOP by their field t: nothing to do here."""
_RETURNS: Final = {(0, 0): "rfe", (2, 0): "rfde", (2, 1): "rfi", (3, 1): "rfi"}
_ST1: Final = {0: "ssr", 1: "ssl", 2: "ssa8l", 3: "ssa8b", 4: "ssai", 6: "rer", 7: "wer", 14: "nsa", 15: "nsau"}
_ST1_LAST_T: Final = {0: 0, 1: 0, 2: 0, 3: 0, 4: 1}
"""The largest t of those that do not use all of it."""
_TLB: Final = {
    3: "rtlb0", 4: "itlb", 5: "ptlb", 6: "wtlb", 7: "rtlb1",
    11: "rtlb0", 12: "itlb", 13: "ptlb", 14: "wtlb", 15: "rtlb1",
}  # fmt: skip
"""By field r; from 11 on for data."""
_RT0: Final = {0: "neg", 1: "abs"}
_RST1: Final = {
    0: "slli", 1: "slli", 2: "srai", 3: "srai", 4: "srli", 6: "xsr", 8: "src", 9: "srl", 10: "sll", 11: "sra",
    12: "mul16u", 13: "mul16s",
}  # fmt: skip
_RST3: Final = {0: "rsr", 1: "wsr", 8: "moveqz", 9: "movnez", 10: "movltz", 11: "movgez"}
_MEMORY: Final = {
    0: ("l8ui", 0), 1: ("l16ui", 1), 2: ("l32i", 2), 4: ("s8i", 0), 5: ("s16i", 1), 6: ("s32i", 2), 9: ("l16si", 1),
}  # fmt: skip
"""By field r: operation, and how far its offset is shifted."""
_BRANCHES: Final = (
    "bnone", "beq", "blt", "bltu", "ball", "bbc", "bbci", "bbci",
    "bany", "bne", "bge", "bgeu", "bnall", "bbs", "bbsi", "bbsi",
)  # fmt: skip
_ZERO_BRANCHES: Final = ("beqz", "bnez", "bltz", "bgez")
_CONSTANT_BRANCHES: Final = ("beqi", "bnei", "blti", "bgei")
_UNSIGNED_BRANCHES: Final = {2: "bltui", 3: "bgeui"}
_S3: Final = {0x0: "ret", 0x2: "break", 0x3: "nop"}


def _sign(value: int, bits: int) -> int:
    return (value & (1 << bits) - 1 ^ 1 << bits - 1) - (1 << bits - 1)


def decode(word: int, pc: int) -> Instruction:
    """The instruction whose three bytes are `word` (little-endian) at address `pc`.

    A narrow one uses only two of them.
    """
    return _OP0[word & 15](word, pc)


def _wide(operation: str | None, word: int, imm: int = 0, imm2: int = 0) -> Instruction:
    return Instruction(operation or ILLEGAL, 3, word >> 12 & 15, word >> 8 & 15, word >> 4 & 15, imm, imm2)


def _narrow(operation: str, word: int, imm: int = 0) -> Instruction:
    return Instruction(operation, 2, word >> 12 & 15, word >> 8 & 15, word >> 4 & 15, imm)


def _ill(word: int, _pc: int = 0) -> Instruction:
    return _wide(None, word)


# --- QRST: by op1, then op2 ------------------------------------------------------------------------------------------


def _qrst(word: int, _pc: int) -> Instruction:
    return _OP1.get(word >> 16 & 15, _ill)(word)


def _rst0(word: int) -> Instruction:
    op2 = word >> 20
    return _wide(_RST0[op2], word) if op2 in _RST0 else _RST0_GROUPS.get(op2, _ill)(word)


def _st0(word: int) -> Instruction:
    """Jumps by register, synchronisation, returns from exceptions, and what asks for one."""
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    operation = {
        0: _JUMPS.get(t),
        2: "nop" if s == 0 and t in _SYNCS else None,
        3: _RETURNS.get((s, t)),
        4: "break",
        5: "syscall" if s == t == 0 else None,
        6: "rsil",
        7: "waiti" if t == 0 else None,
    }.get(r)
    return _wide(operation, word)


def _st1(word: int) -> Instruction:
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    return _wide(_ST1.get(r) if t <= _ST1_LAST_T.get(r, 15) else None, word, s | (t & 1) << 4)


def _tlb(word: int) -> Instruction:
    r, t = word >> 12 & 15, word >> 4 & 15
    operation = _TLB.get(r)
    return _wide(None if operation == "itlb" and t else operation, word, imm2=r >> 3)


def _rt0(word: int) -> Instruction:
    return _wide(_RT0.get(word >> 8 & 15), word)


def _rst1(word: int) -> Instruction:
    op2, s, t = word >> 20, word >> 8 & 15, word >> 4 & 15
    operation = _RST1.get(op2)
    if operation == "xsr":
        return _special(operation, word)
    unused = {"srl": s, "sra": s, "sll": t}.get(operation or "", 0)
    amount = {"slli": 32 - (op2 << 4 | t), "srai": (op2 & 1) << 4 | s}.get(operation or "", s)
    return _wide(None if unused else operation, word, amount)


def _rst2(word: int) -> Instruction:
    return _wide({8: "mull"}.get(word >> 20), word)


def _rst3(word: int) -> Instruction:
    operation = _RST3.get(word >> 20)
    return _special(operation, word) if operation in _SPECIAL else _wide(operation, word)


def _special(operation: str, word: int) -> Instruction:
    number = word >> 8 & 255
    return _wide(operation if number in _SPECIAL[operation] else None, word, number)


def _extui(word: int) -> Instruction:
    return _wide("extui", word, (word >> 16 & 1) << 4 | word >> 8 & 15, (1 << (word >> 20) + 1) - 1)


# --- the other wide ones ---------------------------------------------------------------------------------------------


def _l32r(word: int, pc: int) -> Instruction:
    """The literal's address lies before the instruction: 16 bits of words, filled up with ones (ISA: L32R)."""
    return _wide("l32r", word, (pc + 3 & ~3) + (0xFFFC0000 | (word >> 8) << 2) & MASK)


def _lsai(word: int, _pc: int) -> Instruction:
    """Loads and stores, and constants; the lx106 has no operations on caches here."""
    r, s, imm8 = word >> 12 & 15, word >> 8 & 15, word >> 16
    if r in _MEMORY:
        operation, shift = _MEMORY[r]
        return _wide(operation, word, imm8 << shift)
    constants = {
        10: ("movi", _sign(s << 8 | imm8, 12)),
        12: ("addi", _sign(imm8, 8)),
        13: ("addi", _sign(imm8, 8) * 256),
    }
    name, value = constants.get(r, (None, 0))
    return _wide(name, word, value & MASK)


def _calln(word: int, pc: int) -> Instruction:
    turns_windows = word >> 4 & 3
    return _wide(None if turns_windows else "call0", word, (pc & ~3) + (_sign(word >> 6, 18) << 2) + 4 & MASK)


def _si(word: int, pc: int) -> Instruction:
    n, m, code = word >> 4 & 3, word >> 6 & 3, word >> 12 & 15
    target = pc + 4 + _sign(word >> 16, 8) & MASK
    return (
        _wide("j", word, pc + 4 + _sign(word >> 6, 18) & MASK),
        _wide(_ZERO_BRANCHES[m], word, pc + 4 + _sign(word >> 12, 12) & MASK),
        _wide(_CONSTANT_BRANCHES[m], word, target, _B4CONST[code]),
        _wide(_UNSIGNED_BRANCHES.get(m), word, target, _B4CONSTU[code]),
    )[n]


def _branch(word: int, pc: int) -> Instruction:
    r, t = word >> 12 & 15, word >> 4 & 15
    return _wide(_BRANCHES[r], word, pc + 4 + _sign(word >> 16, 8) & MASK, (r & 1) << 4 | t)


# --- narrow ones -----------------------------------------------------------------------------------------------------


def _l32i_n(word: int, _pc: int) -> Instruction:
    return _narrow("l32i", word, (word >> 12 & 15) << 2)


def _s32i_n(word: int, _pc: int) -> Instruction:
    return _narrow("s32i", word, (word >> 12 & 15) << 2)


def _add_n(word: int, _pc: int) -> Instruction:
    return _narrow("add", word)


def _addi_n(word: int, _pc: int) -> Instruction:
    """The field t is the constant, with 0 for -1; the sum goes to r, which `addi` calls t."""
    return Instruction("addi", 2, 0, word >> 8 & 15, word >> 12 & 15, (word >> 4 & 15) or MASK)


def _st2_n(word: int, pc: int) -> Instruction:
    r, s, t = word >> 12 & 15, word >> 8 & 15, word >> 4 & 15
    if t & 8:
        return _narrow("bnez" if t & 4 else "beqz", word, pc + 4 + ((t & 3) << 4 | r) & MASK)
    value = (t & 7) << 4 | r  # 0 to 95, or -32 to -1
    return Instruction("movi", 2, 0, 0, s, (value - 128 if value & 0x60 == 0x60 else value) & MASK)  # noqa: PLR2004


def _st3_n(word: int, _pc: int) -> Instruction:
    s, t = word >> 8 & 15, word >> 4 & 15
    s3 = None if _S3.get(t) == "nop" and s else _S3.get(t)
    return _narrow({0: "mov", 15: s3}.get(word >> 12 & 15) or ILLEGAL, word)


_RST0_GROUPS: Final = {0: _st0, 4: _st1, 5: _tlb, 6: _rt0}
_OP1: Final = {0: _rst0, 1: _rst1, 2: _rst2, 3: _rst3, 4: _extui, 5: _extui}
_OP0: Final = (
    _qrst, _l32r, _lsai, _ill, _ill, _calln, _si, _branch,
    _l32i_n, _s32i_n, _add_n, _addi_n, _st2_n, _st3_n, _ill, _ill,
)  # fmt: skip
"""By the low four bits. 3 and 4 (floating point, MAC16), 14 and 15 are not configured."""
