"""The few functions of the mask ROM that stand there as instructions: a program enters them 100,000 times in a boot.

Byte loads from flash are exceptions, which the program's own handler serves: each goes through the C wrapper and back
(exceptions.py says what the frame holds). Interrupts are served one after the other, the lowest first, from the table
that interrupts.py describes; they are masked up to the NMI of level 3 around each message between tasks, and calls of
that do not nest (ets_sys.h of the Arduino core warns of it). `__udivsi3` is nine of ten calls of the ROM while NodeMCU
starts. The loop that runs the tasks, and `ets_post`, are all that a board at its prompt does, some 50 times in a second
(tasks.py says how the table lies in memory); they look and change with interrupts masked. All else in the ROM is
Python, and a stop of the core.

These are not the bytes of the chip's ROM: they were written from what the functions do. Divisions shift and
subtract; by zero they go to an illegal instruction at 0x4000dce5 (core_esp8266_postmortem.cpp of the Arduino core).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.memory import ROM_START, Memory
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class MachineCode:
    """Instructions at an address of the ROM."""

    name: str
    address: int
    listing: str
    """Each line an instruction: bytes, as they lie in memory, and assembly."""

    @property
    def data(self) -> bytes:
        """The instructions."""
        return bytes.fromhex("".join(line[:8] for line in self.listing.splitlines()))


def install(memory: Memory) -> None:
    """Put all of it into a board's ROM."""
    for code in CODE:
        at = code.address - ROM_START
        memory.rom[at : at + len(code.data)] = code.data


CODE: Final = (
    MachineCode(
        "_xtos_l1int_handler",
        0x4000048C,
        """\
0941    s32i.n a0, a1, 16
00b103  rsr a0, epc1
0901    s32i.n a0, a1, 0
00e603  rsr a0, ps
0911    s32i.n a0, a1, 4
000303  rsr a0, sar
0921    s32i.n a0, a1, 8
5981    s32i.n a5, a1, 32
6991    s32i.n a6, a1, 36
79a1    s32i.n a7, a1, 40
89b1    s32i.n a8, a1, 44
99c1    s32i.n a9, a1, 48
a9d1    s32i.n a10, a1, 52
b9e1    s32i.n a11, a1, 56
c9f1    s32i.n a12, a1, 60
d26110  s32i a13, a1, 64
e26111  s32i a14, a1, 68
f26112  s32i a15, a1, 72
226113  s32i a2, a1, 76
2c10    movi.n a0, 33
00e613  wsr a0, ps
102000  rsync
        serve:
20e203  rsr a2, interrupt
30e403  rsr a3, intenable
302210  and a2, a2, a3
2020d4  extui a2, a2, 0, 14
165202  beqz a2, served
203060  neg a3, a2
302210  and a2, a2, a3
20e313  wsr a2, intclear
30f240  nsau a3, a2
0c14    movi.n a4, 1
204401  slli a4, a4, 30
42d4c2  addmi a4, a4, -15872
42c484  addi a4, a4, -124
4043b0  addx8 a4, a3, a4
2814    l32i.n a2, a4, 4
3d01    mov.n a3, a1
4804    l32i.n a4, a4, 0
c00400  callx0 a4
86f2ff  j serve
        served:
86d635  j 0x4000dc54
""",
    ),
    MachineCode(
        "ets_run",
        0x40000E04,
        """\
069e3a  j 0x4000f880
""",
    ),
    MachineCode(
        "ets_run, continued",
        0x4000F880,
        """\
        next:
306300  rsil a3, 3
0c12    movi.n a2, 1
202201  slli a2, a2, 30
22d2da  addmi a2, a2, -9728
42d2ec  addmi a4, a2, -5120
52222e  l32i a5, a2, 184
16c504  beqz a5, idle
60f540  nsau a6, a5
2c07    movi.n a7, 32
6077c0  sub a7, a7, a6
72643f  s32i a7, a4, 252
c07711  slli a7, a7, 4
2a77    add.n a7, a7, a2
82272c  l32i a8, a7, 176
32272d  l32i a3, a7, 180
9207b8  l8ui a9, a7, 184
a207b9  l8ui a10, a7, 185
303ab0  addx8 a3, a10, a3
1baa    addi.n a10, a10, 1
973a01  bltu a10, a9, inside
0c0a    movi.n a10, 0
        inside:
a247b9  s8i a10, a7, 185
9207bb  l8ui a9, a7, 187
0b99    addi.n a9, a9, -1
9247bb  s8i a9, a7, 187
e6190d  bgei a9, 1, more
92272f  l32i a9, a7, 188
7cfa    movi.n a10, -1
a09930  xor a9, a9, a10
905510  and a5, a5, a9
52622e  s32i a5, a2, 184
        more:
2d03    mov.n a2, a3
306000  rsil a3, 0
c00800  callx0 a8
86e7ff  j next
        idle:
52643f  s32i a5, a4, 252
32222c  l32i a3, a2, 176
165300  beqz a3, wait
22222d  l32i a2, a2, 180
c00300  callx0 a3
        wait:
007000  waiti 0
46e2ff  j next
""",
    ),
    MachineCode(
        "ets_post",
        0x40000E24,
        """\
506300  rsil a5, 3
0b22    addi.n a2, a2, -1
202044  extui a2, a2, 0, 5
c02211  slli a2, a2, 4
0c16    movi.n a6, 1
206601  slli a6, a6, 30
62d6da  addmi a6, a6, -9728
6a22    add.n a2, a2, a6
722230  l32i a7, a2, 192
8202c8  l8ui a8, a2, 200
9202cb  l8ui a9, a2, 203
bc37    beqz.n a7, refused
87b931  bgeu a9, a8, refused
1b99    addi.n a9, a9, 1
9242cb  s8i a9, a2, 203
9202ca  l8ui a9, a2, 202
722231  l32i a7, a2, 196
7079b0  addx8 a7, a9, a7
3907    s32i.n a3, a7, 0
4917    s32i.n a4, a7, 4
1b99    addi.n a9, a9, 1
873901  bltu a9, a8, inside
0c09    movi.n a9, 0
        inside:
9242ca  s8i a9, a2, 202
722233  l32i a7, a2, 204
82262e  l32i a8, a6, 184
708820  or a8, a8, a7
82662e  s32i a8, a6, 184
0c02    movi.n a2, 0
        leave:
50e613  wsr a5, ps
102000  rsync
0df0    ret.n
        refused:
0c12    movi.n a2, 1
86fcff  j leave
""",
    ),
    MachineCode(
        "ets_intr_lock",
        0x40000F74,
        """\
206300  rsil a2, 3
0df0    ret.n
""",
    ),
    MachineCode(
        "ets_intr_unlock",
        0x40000F80,
        """\
206000  rsil a2, 0
0df0    ret.n
""",
    ),
    MachineCode(
        "_xtos_c_wrapper_handler",
        0x40000598,
        """\
0941    s32i.n a0, a1, 16
00b103  rsr a0, epc1
0901    s32i.n a0, a1, 0
00e603  rsr a0, ps
0911    s32i.n a0, a1, 4
000303  rsr a0, sar
0921    s32i.n a0, a1, 8
5981    s32i.n a5, a1, 32
6991    s32i.n a6, a1, 36
79a1    s32i.n a7, a1, 40
89b1    s32i.n a8, a1, 44
99c1    s32i.n a9, a1, 48
a9d1    s32i.n a10, a1, 52
b9e1    s32i.n a11, a1, 56
c9f1    s32i.n a12, a1, 60
d26110  s32i a13, a1, 64
e26111  s32i a14, a1, 68
f26112  s32i a15, a1, 72
226113  s32i a2, a1, 76
2c00    movi.n a0, 32
00e613  wsr a0, ps
102000  rsync
3d02    mov.n a3, a2
205054  extui a5, a2, 0, 6
0c14    movi.n a4, 1
204401  slli a4, a4, 30
02d4c1  addmi a0, a4, -16128
0055a0  addx4 a5, a5, a0
5805    l32i.n a5, a5, 0
2d01    mov.n a2, a1
02d47f  addmi a0, a4, 32512
02d05d  addmi a0, a0, 23808
02c054  addi a0, a0, 84
a00500  jx a5
""",
    ),
    MachineCode(
        "_xtos_return_from_exc",
        0x4000DC54,
        """\
06ea06  j 0x4000f800
""",
    ),
    MachineCode(
        "_xtos_return_from_exc, continued",
        0x4000F800,
        """\
0811    l32i.n a0, a1, 4
1c02    movi.n a2, 16
200020  or a0, a0, a2
00e613  wsr a0, ps
102000  rsync
0801    l32i.n a0, a1, 0
00b113  wsr a0, epc1
0821    l32i.n a0, a1, 8
000313  wsr a0, sar
0841    l32i.n a0, a1, 16
2851    l32i.n a2, a1, 20
3861    l32i.n a3, a1, 24
4871    l32i.n a4, a1, 28
5881    l32i.n a5, a1, 32
6891    l32i.n a6, a1, 36
78a1    l32i.n a7, a1, 40
88b1    l32i.n a8, a1, 44
98c1    l32i.n a9, a1, 48
a8d1    l32i.n a10, a1, 52
b8e1    l32i.n a11, a1, 56
c8f1    l32i.n a12, a1, 60
d22110  l32i a13, a1, 64
e22111  l32i a14, a1, 68
f22112  l32i a15, a1, 72
12d101  addmi a1, a1, 256
003000  rfe
""",
    ),
    MachineCode(
        "__udivsi3",
        0x4000E21C,
        """\
b6232d  bltui a3, 2, small
373226  bltu a2, a3, zero
40f340  nsau a4, a3
50f240  nsau a5, a2
5044c0  sub a4, a4, a5
001440  ssl a4
0033a1  sll a3, a3
0c05    movi.n a5, 0
        next:
5a55    add.n a5, a5, a5
373204  bltu a2, a3, less
3022c0  sub a2, a2, a3
1b55    addi.n a5, a5, 1
        less:
303141  srli a3, a3, 1
0b44    addi.n a4, a4, -1
d6d4fe  bgez a4, next
2d05    mov.n a2, a5
0df0    ret.n
        zero:
0c02    movi.n a2, 0
0df0    ret.n
        small:
8c03    beqz.n a3, none
0df0    ret.n
        none:
06a4fe  j 0x4000dce5
""",
    ),
    MachineCode(
        "__umodsi3",
        0x4000E268,
        """\
b62321  bltui a3, 2, small
37321c  bltu a2, a3, done
40f340  nsau a4, a3
50f240  nsau a5, a2
5044c0  sub a4, a4, a5
001440  ssl a4
0033a1  sll a3, a3
        next:
373202  bltu a2, a3, less
3022c0  sub a2, a2, a3
        less:
303141  srli a3, a3, 1
0b44    addi.n a4, a4, -1
d614ff  bgez a4, next
        done:
0df0    ret.n
        small:
8c23    beqz.n a3, none
0c02    movi.n a2, 0
0df0    ret.n
        none:
8693fe  j 0x4000dce5
""",
    ),
    MachineCode(
        "__divsi3",
        0x4000DC88,
        """\
307230  xor a7, a2, a3
202160  abs a2, a2
303160  abs a3, a3
b62333  bltui a3, 2, small
37322c  bltu a2, a3, zero
40f340  nsau a4, a3
50f240  nsau a5, a2
5044c0  sub a4, a4, a5
001440  ssl a4
0033a1  sll a3, a3
0c05    movi.n a5, 0
        next:
5a55    add.n a5, a5, a5
373204  bltu a2, a3, less
3022c0  sub a2, a2, a3
1b55    addi.n a5, a5, 1
        less:
303141  srli a3, a3, 1
0b44    addi.n a4, a4, -1
d6d4fe  bgez a4, next
2d05    mov.n a2, a5
        sign:
205060  neg a5, a2
7025a3  movltz a2, a5, a7
0df0    ret.n
        zero:
0c02    movi.n a2, 0
0df0    ret.n
        small:
5603ff  bnez a3, sign
860500  j 0x4000dce5
""",
    ),
    MachineCode(
        "division by zero",
        0x4000DCE5,
        """\
6df0    ill.n
""",
    ),
)
"""Interrupts, exceptions, tasks, divisions."""
