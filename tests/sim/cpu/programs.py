"""Random programs for the lx106: every instruction there is, and now and then none.

One table of what may be drawn serves hypothesis, which shrinks what fails, and a seeded generator, which makes many.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from hypothesis import strategies as st

from tests.sim.cpu import assembler
from tests.sim.cpu.assembler import SR, asm
from tests.sim.cpu.machines import CODE, DATA

Domain = Sequence[int]
"""What an operand is drawn from."""

REGISTERS: Final = range(16)
OFFSETS: Final = range(-40, 61)
AMOUNTS: Final = range(32)
SPECIAL: Final = sorted(set(SR.values()))
VALUES: Final = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x8000, 0xFFFF, 31, 32)
"""Where arithmetic likes to go wrong."""


class Shape(NamedTuple):
    """One instruction and what its operands are drawn from."""

    name: str
    operands: tuple[Domain, ...] = ()


def _shapes() -> list[Shape]:
    r = REGISTERS
    shapes = [Shape(name, (r, r, r)) for name in (*assembler.RST, "add.n")]
    shapes += [Shape(name, (r, r)) for name in (*assembler.RT, *assembler.TS, "sll", "mov.n")]
    shapes += [Shape(name, (r,)) for name in (*assembler.SHIFT_SETUP, *assembler.INVALIDATE, "callx0", "jx", "break.n")]
    for name, (_base, size) in assembler.MEMORY.items():
        shapes += [Shape(name, (r, r, range(0, 13 * size, size)))] * 4
    shapes += [Shape(name, (r, OFFSETS)) for name in assembler.ZERO_BRANCHES]
    for name in assembler.CONSTANT_BRANCHES:
        table = assembler.B4CONSTU if name.endswith("ui") else assembler.B4CONST
        shapes.append(Shape(name, (r, table, OFFSETS)))
    shapes += [Shape(name, (r, r, OFFSETS)) for name in assembler.BRANCHES]
    shapes += [Shape(name, (r, AMOUNTS, OFFSETS)) for name in assembler.BIT_BRANCHES]
    shapes += [Shape(name, (r, SPECIAL)) for name in assembler.SPECIAL]
    shapes += [Shape(name) for name in (*assembler.PLAIN, *assembler.PLAIN_N)]
    shapes += [
        Shape("slli", (r, r, range(1, 32))), Shape("srli", (r, r, range(16))), Shape("srai", (r, r, AMOUNTS)),
        Shape("ssai", (AMOUNTS,)), Shape("extui", (r, r, AMOUNTS, range(1, 17))),
        Shape("movi", (r, range(-2048, 2048))),
        Shape("addi", (r, r, range(-128, 128))), Shape("addmi", (r, r, range(-1024, 1025, 256))),
        Shape("l32r", (r, range(-128, 1, 4))), Shape("call0", (range(-24, 49, 4),)), Shape("j", (OFFSETS,)),
        Shape("rsil", (r, range(5))), Shape("waiti", (range(4),)), Shape("rfi", (range(2, 4),)), Shape("break", (r, r)),
        Shape("addi.n", (r, r, (-1, *range(1, 16)))), Shape("movi.n", (r, range(-32, 96))),
        Shape("l32i.n", (r, r, range(0, 64, 4))), Shape("s32i.n", (r, r, range(0, 64, 4))),
        Shape("beqz.n", (r, range(4, 68))), Shape("bnez.n", (r, range(4, 68))),
    ]  # fmt: skip
    return shapes


SHAPES: Final = tuple(_shapes())
_LEAVING: Final = {
    "callx0", "jx", "ret", "ret.n", "rfe", "rfde", "rfi", "ill", "ill.n", "syscall", "break", "break.n", "waiti", "rer",
    "wer", "witlb", "wdtlb", "wsr", "xsr", "rsr", "rsil",
}  # fmt: skip
_ACCESSES: Final = {*assembler.MEMORY, "l32i.n", "s32i.n"}


def _tame() -> tuple[Shape, ...]:
    """Programs of these keep their pointers, a8 to a15, and so go on for longer."""
    tame = []
    for name, operands in SHAPES:
        if name in _ACCESSES:
            tame.append(Shape(name, (range(8), range(8, 16), operands[2])))
        elif name not in _LEAVING:
            writes = operands[:1] == (REGISTERS,) and operands[-1] not in {OFFSETS, range(4, 68)}
            tame.append(Shape(name, (range(8), *operands[1:]) if writes else operands))
    return tuple(tame)


TAME: Final = _tame()

_instructions = st.one_of(
    st.builds(
        lambda shape, indices: asm(
            shape.name, *(domain[at % len(domain)] for domain, at in zip(shape.operands, indices, strict=False))
        ),
        st.sampled_from(SHAPES),
        st.tuples(*[st.integers(0, 4095)] * 4),
    ),
    st.binary(min_size=3, max_size=3),
)
programs = st.lists(_instructions, min_size=1, max_size=40).map(b"".join)


def addresses(code: int = CODE) -> st.SearchStrategy[int]:
    """Addresses of all kinds, for hypothesis."""
    return st.builds(lambda base, by: base + by & 0xFFFFFFFF, st.sampled_from(_bases(code)), st.integers(-8, 96))


values = st.one_of(st.sampled_from(VALUES), st.integers(0, 0xFFFFFFFF))


def _bases(code: int) -> tuple[int, ...]:
    """Data, this very code, registers of devices, flash, ends of memories, nothing."""
    return (DATA, DATA, DATA, code, code, 0x60000000, 0x3FF00000, 0x40200000, 0x402FFFF0, 0x3FFFFFF0, 0x4010FFF8, 0)


def random_program(random: Random, count: int, shapes: Sequence[Shape] = SHAPES) -> bytes:
    """`count` random instructions."""
    drawn = (random.choice(shapes) for _ in range(count))
    return b"".join(asm(shape.name, *map(random.choice, shape.operands)) for shape in drawn)


def tame_registers(random: Random) -> list[int]:
    """Numbers below, pointers to data above."""
    numbers = [random.choice((random.choice(VALUES), random.getrandbits(32))) for _ in range(8)]
    return numbers + [DATA + 4 * random.randrange(16) + random.choice((0, 0, 0, 0, 0, 0, 0, 2)) for _ in range(8)]


def random_registers(random: Random, code: int = CODE) -> list[int]:
    """Sixteen registers, most of which point somewhere."""
    return [
        random.choice(VALUES) if random.random() < 0.15
        else random.getrandbits(32) if random.random() < 0.2
        else random.choice(_bases(code)) + random.choice((0, 0, random.randrange(-8, 96))) & 0xFFFFFFFF
        for _ in range(16)
    ]  # fmt: skip
