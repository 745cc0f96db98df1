"""What the plain instructions compute, as templates of Python source, one line each.

`{r}`, `{s}`, `{t}` stand for registers (unsigned, 32 bits), `{imm}` and `{imm2}` for the constants of `Instruction`,
`SAR` for the shift amount register, `M` for 32 ones. The interpreter fills them with `R[r]`, the translator with names
of local variables and numbers: both execute the same lines. Source: Xtensa ISA reference manual, chapter 6.
"""

from __future__ import annotations

from typing import Final

_SIGNED_S: Final = "({s} ^ 0x80000000) - 0x80000000"
_SIGNED_T: Final = "({t} ^ 0x80000000) - 0x80000000"

COMPUTE: Final = {
    "nop": "pass",
    "and": "{r} = {s} & {t}",
    "or": "{r} = {s} | {t}",
    "xor": "{r} = {s} ^ {t}",
    "add": "{r} = {s} + {t} & M",
    "addx2": "{r} = ({s} << 1) + {t} & M",
    "addx4": "{r} = ({s} << 2) + {t} & M",
    "addx8": "{r} = ({s} << 3) + {t} & M",
    "sub": "{r} = {s} - {t} & M",
    "subx2": "{r} = ({s} << 1) - {t} & M",
    "subx4": "{r} = ({s} << 2) - {t} & M",
    "subx8": "{r} = ({s} << 3) - {t} & M",
    "neg": "{r} = -{t} & M",
    "abs": "{r} = -{t} & M if {t} & 0x80000000 else {t}",
    "mov": "{t} = {s}",
    "movi": "{t} = {imm}",
    "addi": "{t} = {s} + {imm} & M",
    "extui": "{r} = {t} >> {imm} & {imm2}",
    "slli": "{r} = {s} << {imm} & M",
    "srli": "{r} = {t} >> {imm}",
    "srai": "{r} = (" + _SIGNED_T + ") >> {imm} & M",
    # The funnel shifter: 64 bits, of which the low 32 after a shift by SAR (0 to 63) are the result.
    "src": "{r} = ({s} << 32 | {t}) >> SAR & M",
    "sll": "{r} = ({s} << 32) >> SAR & M",
    "srl": "{r} = {t} >> SAR",
    "sra": "{r} = (" + _SIGNED_T + ") >> SAR & M",
    "ssr": "SAR = {s} & 31",
    "ssl": "SAR = 32 - ({s} & 31)",
    "ssa8l": "SAR = ({s} & 3) << 3",
    "ssa8b": "SAR = 32 - (({s} & 3) << 3)",
    "ssai": "SAR = {imm}",
    "nsau": "{t} = 32 - ({s}).bit_length()",
    "nsa": "{t} = 31 - (({s} ^ M) if {s} & 0x80000000 else {s}).bit_length()",
    "mull": "{r} = {s} * {t} & M",
    "mul16u": "{r} = ({s} & 0xFFFF) * ({t} & 0xFFFF)",
    "mul16s": "{r} = (({s} & 0xFFFF ^ 0x8000) - 0x8000) * (({t} & 0xFFFF ^ 0x8000) - 0x8000) & M",
    "moveqz": "if not {t}: {r} = {s}",
    "movnez": "if {t}: {r} = {s}",
    "movltz": "if {t} & 0x80000000: {r} = {s}",
    "movgez": "if not {t} & 0x80000000: {r} = {s}",
}
"""Instructions that only change registers or SAR."""

CONDITION: Final = {
    "beqz": "not {s}",
    "bnez": "{s}",
    "bltz": "{s} & 0x80000000",
    "bgez": "not {s} & 0x80000000",
    "beqi": "{s} == {imm2}",
    "bnei": "{s} != {imm2}",
    # Both sides shifted by half the range compare as signed numbers do.
    "blti": "{s} ^ 0x80000000 < {imm2} ^ 0x80000000",
    "bgei": "{s} ^ 0x80000000 >= {imm2} ^ 0x80000000",
    "bltui": "{s} < {imm2}",
    "bgeui": "{s} >= {imm2}",
    "beq": "{s} == {t}",
    "bne": "{s} != {t}",
    "blt": "{s} ^ 0x80000000 < {t} ^ 0x80000000",
    "bge": "{s} ^ 0x80000000 >= {t} ^ 0x80000000",
    "bltu": "{s} < {t}",
    "bgeu": "{s} >= {t}",
    "bany": "{s} & {t}",
    "bnone": "not {s} & {t}",
    "ball": "not ({s} ^ M) & {t}",
    "bnall": "({s} ^ M) & {t}",
    "bbs": "{s} >> ({t} & 31) & 1",
    "bbc": "not {s} >> ({t} & 31) & 1",
    "bbsi": "{s} >> {imm2} & 1",
    "bbci": "not {s} >> {imm2} & 1",
}
"""Branches to `imm`, by what makes them jump."""

LOADS: Final = {"l8ui": 1, "l16ui": 2, "l16si": 2, "l32i": 4}
STORES: Final = {"s8i": 1, "s16i": 2, "s32i": 4}
"""Size of the access at `{s} + {imm}`, from or to `{t}`."""
