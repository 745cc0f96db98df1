"""A small assembler for the lx106, written from the tables of the ISA manual and from nothing of the cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

B4CONST: Final = (-1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)
B4CONSTU: Final = (32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256)

SR: Final = {
    "sar": 3, "litbase": 5, "ibreakenable": 96, "ddr": 104, "ibreaka0": 128, "dbreaka0": 144, "dbreakc0": 160,
    "configid0": 176, "epc1": 177, "epc2": 178, "epc3": 179, "depc": 192, "eps2": 194, "eps3": 195, "configid1": 208,
    "excsave1": 209, "excsave2": 210, "excsave3": 211, "interrupt": 226, "intset": 226, "intclear": 227,
    "intenable": 228, "ps": 230, "vecbase": 231, "exccause": 232, "debugcause": 233, "ccount": 234, "prid": 235,
    "icount": 236, "icountlevel": 237, "excvaddr": 238, "ccompare0": 240,
}  # fmt: skip

RST: Final = {
    "and": 0x100000, "or": 0x200000, "xor": 0x300000, "add": 0x800000, "addx2": 0x900000, "addx4": 0xA00000,
    "addx8": 0xB00000, "sub": 0xC00000, "subx2": 0xD00000, "subx4": 0xE00000, "subx8": 0xF00000, "src": 0x810000,
    "mul16u": 0xC10000, "mul16s": 0xD10000, "mull": 0x820000, "moveqz": 0x830000, "movnez": 0x930000,
    "movltz": 0xA30000, "movgez": 0xB30000,
}  # fmt: skip
"""Operands r, s, t."""
RT: Final = {"neg": 0x600000, "abs": 0x600100, "srl": 0x910000, "sra": 0xB10000}
SHIFT_SETUP: Final = {"ssr": 0x400000, "ssl": 0x401000, "ssa8l": 0x402000, "ssa8b": 0x403000}
TS: Final = {
    "nsa": 0x40E000, "nsau": 0x40F000, "rer": 0x406000, "wer": 0x407000, "ritlb0": 0x503000, "pitlb": 0x505000,
    "witlb": 0x506000, "ritlb1": 0x507000, "rdtlb0": 0x50B000, "pdtlb": 0x50D000, "wdtlb": 0x50E000, "rdtlb1": 0x50F000,
}  # fmt: skip
INVALIDATE: Final = {"iitlb": 0x504000, "idtlb": 0x50C000}
PLAIN: Final = {
    "ill": 0x000000, "ret": 0x000080, "isync": 0x002000, "rsync": 0x002010, "esync": 0x002020, "dsync": 0x002030,
    "excw": 0x002080, "memw": 0x0020C0, "extw": 0x0020D0, "nop": 0x0020F0, "rfe": 0x003000, "rfde": 0x003200,
    "syscall": 0x005000,
}  # fmt: skip
PLAIN_N: Final = {"ret.n": 0xF00D, "nop.n": 0xF03D, "ill.n": 0xF06D}
MEMORY: Final = {
    "l8ui": (0x0002, 1), "l16ui": (0x1002, 2), "l32i": (0x2002, 4), "s8i": (0x4002, 1), "s16i": (0x5002, 2),
    "s32i": (0x6002, 4), "l16si": (0x9002, 2),
}  # fmt: skip
"""Operands t, s, offset; with the size that the offset is counted in."""
ZERO_BRANCHES: Final = {"beqz": 0x16, "bnez": 0x56, "bltz": 0x96, "bgez": 0xD6}
CONSTANT_BRANCHES: Final = {"beqi": 0x26, "bnei": 0x66, "blti": 0xA6, "bgei": 0xE6, "bltui": 0xB6, "bgeui": 0xF6}
BRANCHES: Final = {
    "bnone": 0, "beq": 1, "blt": 2, "bltu": 3, "ball": 4, "bbc": 5, "bany": 8, "bne": 9, "bge": 10, "bgeu": 11,
    "bnall": 12, "bbs": 13,
}  # fmt: skip
BIT_BRANCHES: Final = {"bbci": 6, "bbsi": 14}
SPECIAL: Final = {"rsr": 0x030000, "wsr": 0x130000, "xsr": 0x610000}


def asm(name: str, *operands: int) -> bytes:
    """One instruction. Targets of branches, jumps, calls and literals count from the instruction's own address."""
    word = _ENCODERS[name](*operands)
    return word.to_bytes(2 if name.endswith(".n") else 3, "little")


def program(*lines: tuple[Any, ...]) -> bytes:
    """Several instructions, one after the other."""
    return b"".join(asm(*line) for line in lines)


def _signed(value: int, bits: int) -> int:
    assert -(1 << bits - 1) <= value < 1 << bits - 1, value
    return value & (1 << bits) - 1


def _unsigned(value: int, bits: int) -> int:
    assert 0 <= value < 1 << bits, value
    return value


def _rst(base: int) -> Callable[..., int]:
    return lambda r, s, t: base | r << 12 | s << 8 | t << 4


def _rt(base: int) -> Callable[..., int]:
    return lambda r, t: base | r << 12 | t << 4


def _ts(base: int) -> Callable[..., int]:
    return lambda t, s: base | s << 8 | t << 4


def _s(base: int) -> Callable[..., int]:
    return lambda s: base | s << 8


def _memory(base: int, size: int) -> Callable[..., int]:
    return lambda t, s, offset: base | s << 8 | t << 4 | _unsigned(offset // size, 8) << 16


def _zero_branch(base: int) -> Callable[..., int]:
    return lambda s, offset: base | s << 8 | _signed(offset - 4, 12) << 12


def _constant_branch(base: int, constants: tuple[int, ...]) -> Callable[..., int]:
    return lambda s, value, offset: base | s << 8 | constants.index(value) << 12 | _signed(offset - 4, 8) << 16


def _branch(code: int) -> Callable[..., int]:
    return lambda s, t, offset: 7 | t << 4 | s << 8 | code << 12 | _signed(offset - 4, 8) << 16


def _bit_branch(code: int) -> Callable[..., int]:
    return lambda s, bit, offset: 7 | (bit & 15) << 4 | s << 8 | (code | bit >> 4) << 12 | _signed(offset - 4, 8) << 16


def _special(base: int) -> Callable[..., int]:
    return lambda t, number: base | number << 8 | t << 4


def _plain(word: int) -> Callable[..., int]:
    return lambda: word


_ENCODERS: Final[dict[str, Callable[..., int]]] = {
    **{name: _rst(base) for name, base in RST.items()},
    **{name: _rt(base) for name, base in RT.items()},
    **{name: _ts(base) for name, base in TS.items()},
    **{name: _s(base) for name, base in {**SHIFT_SETUP, **INVALIDATE}.items()},
    **{name: _plain(word) for name, word in {**PLAIN, **PLAIN_N}.items()},
    **{name: _memory(*row) for name, row in MEMORY.items()},
    **{name: _zero_branch(base) for name, base in ZERO_BRANCHES.items()},
    **{
        name: _constant_branch(base, B4CONSTU if name.endswith("ui") else B4CONST)
        for name, base in CONSTANT_BRANCHES.items()
    },
    **{name: _branch(code) for name, code in BRANCHES.items()},
    **{name: _bit_branch(code) for name, code in BIT_BRANCHES.items()},
    **{name: _special(base) for name, base in SPECIAL.items()},
    "sll": lambda r, s: 0xA10000 | r << 12 | s << 8,
    "slli": lambda r, s, by: 0x010000 | (32 - by >> 4) << 20 | r << 12 | s << 8 | (32 - by & 15) << 4,
    "srli": lambda r, t, by: 0x410000 | r << 12 | _unsigned(by, 4) << 8 | t << 4,
    "srai": lambda r, t, by: 0x210000 | by >> 4 << 20 | r << 12 | (by & 15) << 8 | t << 4,
    "ssai": lambda by: 0x404000 | (by & 15) << 8 | by >> 4 << 4,
    "extui": lambda r, t, shift, bits: (
        0x040000 | bits - 1 << 20 | shift >> 4 << 16 | r << 12 | (shift & 15) << 8 | t << 4
    ),
    "movi": lambda t, value: 0xA002 | t << 4 | (_signed(value, 12) >> 8) << 8 | (value & 255) << 16,
    "addi": lambda t, s, value: 0xC002 | t << 4 | s << 8 | _signed(value, 8) << 16,
    "addmi": lambda t, s, value: 0xD002 | t << 4 | s << 8 | _signed(value >> 8, 8) << 16,
    "l32r": lambda t, offset: 0x0001 | t << 4 | (offset >> 2 & 0xFFFF) << 8,  # from pc + 3, aligned
    "call0": lambda offset: 0x0005 | _signed((offset - 4) // 4, 18) << 6,  # from pc, aligned
    "callx0": lambda s: 0x0000C0 | s << 8,
    "j": lambda offset: 0x0006 | _signed(offset - 4, 18) << 6,
    "jx": lambda s: 0x0000A0 | s << 8,
    "rsil": lambda t, level: 0x006000 | level << 8 | t << 4,
    "waiti": lambda level: 0x007000 | level << 8,
    "rfi": lambda level: 0x003010 | level << 8,
    "break": lambda s, t: 0x004000 | s << 8 | t << 4,
    "break.n": lambda s: 0xF02D | s << 8,
    "l32i.n": lambda t, s, offset: 0x0008 | t << 4 | s << 8 | _unsigned(offset // 4, 4) << 12,
    "s32i.n": lambda t, s, offset: 0x0009 | t << 4 | s << 8 | _unsigned(offset // 4, 4) << 12,
    "add.n": lambda r, s, t: 0x000A | r << 12 | s << 8 | t << 4,
    "addi.n": lambda r, s, value: 0x000B | r << 12 | s << 8 | (0 if value == -1 else value) << 4,
    "movi.n": lambda s, value: 0x000C | s << 8 | (value & 15) << 12 | (value >> 4 & 7) << 4,
    "beqz.n": lambda s, offset: 0x008C | s << 8 | (offset - 4 & 15) << 12 | offset - 4 >> 4 << 4,
    "bnez.n": lambda s, offset: 0x00CC | s << 8 | (offset - 4 & 15) << 12 | offset - 4 >> 4 << 4,
    "mov.n": lambda t, s: 0x000D | t << 4 | s << 8,
}
"""Encoders by name; operands in the order of the manual's assembly."""
