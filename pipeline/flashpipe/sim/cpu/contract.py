"""What a core is to the rest of the virtual board: its state, how it stops, and what it asks of the devices.

Rules, the same for both cores, cycle by cycle:

- One instruction is one clock of the core: a cycle, or half of one where the core is `fast` (160 MHz; cycles are those
  of the bus, 80 MHz, always). Devices, mask ROM functions and whoever lets time pass add to `cycles` themselves.
- Before each instruction, in this order: CCOMPARE0 is compared (`timer_at`); `cycles >= horizon` stops the run, and so
  does `pause`; an interrupt that is pending and allowed is taken (it costs no cycle); a core that waits stops the run;
  a hook, or an address of the mask ROM where `Memory.rom` has no instruction, stops the run; the instruction is
  executed. So `horizon = cycles + 1` is a single step, of two instructions where the core is fast.
- RAM and the flash window are the core's own affair. Every other data address is a device access: the core calls
  `Devices.read` or `write` in the middle of the instruction. Meanwhile `state.pc` is the address of that instruction,
  `state.cycles` counts it already, and the device may change `cycles`, `interrupt` and `horizon`, with effect from the
  next instruction on. The registers `a` are not defined during the call: they are valid between runs only.
  A core may do by itself what `Devices` does with registers of a `RegisterFile`, if they have one as `registers`.
- Exceptions and interrupts jump to `vecbase` plus their offset, which is mask ROM as long as nobody moves it: the run
  stops there with Stop.HOOK. An exception inside an exception jumps to the double exception vector, as the core does.
- A run may be ended, copied (`bytes(state)` and `Memory.snapshot()`) and gone on with in another core at every stop.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Final, Protocol

from flashpipe.sim.memory import Memory

NEVER: Final = (1 << 64) - 1
"""A cycle that does not come."""
MASK: Final = 0xFFFFFFFF
"""Registers have 32 bits."""

PS_INTLEVEL: Final = 0x0F
PS_EXCM: Final = 0x10
PS_UM: Final = 0x20
"""Fields of PS; the lx106 has no others (register windows and rings are not configured: QEMU, core-lx106)."""

KERNEL_VECTOR: Final = 0x30
USER_VECTOR: Final = 0x50
DOUBLE_VECTOR: Final = 0x70
DEBUG_VECTOR: Final = 0x10
NMI_VECTOR: Final = 0x20
"""Offsets from VECBASE (xtensa/config/core-isa.h of the lx106: XCHAL_…_VECOFS)."""

TIMER_INTERRUPT: Final = 6
"""CCOMPARE0 (XCHAL_TIMER0_INTERRUPT)."""
SOFTWARE_INTERRUPT: Final = 7
NMI_INTERRUPT: Final = 14
"""Level 3, entered whatever INTENABLE says; XCHAL_NMI_INTERRUPT."""
SOFTWARE_MASK: Final = 0x0080
"""What WSR.INTSET can set."""
CLEARABLE_MASK: Final = 0x3F80
"""What WSR.INTCLEAR can clear: software and edge-triggered interrupts. Devices hold the levels 0 to 5 themselves."""
LEVEL1_MASK: Final = 0x3FFF
"""Interrupts of level 1 (XCHAL_INTLEVEL1_MASK)."""
INTERRUPT_MASK: Final = 0x7FFF

RESET_VECBASE: Final = 0x40000000
RESET_PS: Final = 0x1F
"""Interrupts masked, exception mode (ISA: PS after reset)."""
RESET_TLB: Final = 0x22222222
"""Attribute 2 for all regions (QEMU: reset of the region protection option)."""
PRID: Final = 0xCDCD
"""Processor identification that the chip reports (shared emulator sketch; unconfirmed on a board)."""


CORE_VARIABLE: Final = "FLASHPIPE_CORE"
"""Environment variable that chooses the core: auto, python, c."""
NO_CORE: Final = "none"
"""Its value for boards that execute nothing: what their program would say is predicted, as with `execute=off`."""


class Cause(IntEnum):
    """EXCCAUSE values that a core raises by itself (Xtensa ISA, table of exception causes)."""

    ILLEGAL_INSTRUCTION = 0
    SYSCALL = 1
    INSTRUCTION_FETCH_ERROR = 2
    LOAD_STORE_ERROR = 3
    LEVEL1_INTERRUPT = 4
    UNALIGNED = 9
    FETCH_PROHIBITED = 20
    LOAD_PROHIBITED = 28
    STORE_PROHIBITED = 29


class Stop(IntEnum):
    """Why `run` came back."""

    HORIZON = 1
    """`cycles >= horizon`."""
    HOOK = 2
    """`pc` is a hook, or lies where the mask ROM has no instruction; nothing was executed."""
    WAITI = 3
    """The core waits for an interrupt and none that is allowed is pending. Time stands still: the caller moves `cycles`
    to the next event (not past `timer_at`, where CCOMPARE0 matches) and runs again; without an interrupt the core goes
    on waiting, and says so again."""
    PAUSE = 4
    """`clocks >= pause`: somebody who looks on (`trace`, `profile`) wants to; it changes nothing."""


class CoreState(ctypes.Structure):
    """Everything a core remembers, as one flat buffer: all that a snapshot needs besides the memory."""

    _fields_ = (
        # The cores look at these all the time.
        ("a", ctypes.c_uint32 * 16),
        ("pc", ctypes.c_uint32),
        ("sar", ctypes.c_uint32),
        ("ps", ctypes.c_uint32),
        ("intenable", ctypes.c_uint32),
        ("interrupt", ctypes.c_uint32),
        ("litbase", ctypes.c_uint32),
        ("waiting", ctypes.c_uint32),
        ("past_hook", ctypes.c_uint32),
        ("cycles", ctypes.c_uint64),
        ("instructions", ctypes.c_uint64),
        ("horizon", ctypes.c_uint64),
        ("timer_at", ctypes.c_uint64),
        ("pause", ctypes.c_uint64),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "vecbase", "epc1", "epc2", "epc3", "eps2", "eps3", "excsave1", "excsave2", "excsave3", "depc",
                "exccause", "excvaddr", "debugcause", "ccompare0", "ccount_offset", "ibreakenable", "ibreaka0",
                "dbreaka0", "dbreakc0", "ddr", "icount", "icountlevel", "itlb", "dtlb", "fast", "half",
            )
        ),
    )  # fmt: skip

    a: ctypes.Array[ctypes.c_uint32]
    """The registers a0 to a15."""
    pc: int
    sar: int
    litbase: int
    ps: int
    vecbase: int
    epc1: int
    epc2: int
    epc3: int
    eps2: int
    eps3: int
    excsave1: int
    excsave2: int
    excsave3: int
    depc: int
    exccause: int
    excvaddr: int
    debugcause: int
    interrupt: int
    """Pending interrupts, one bit each. Devices set and clear their bits; the core clears the NMI when it takes it."""
    intenable: int
    ccompare0: int
    ccount_offset: int
    """CCOUNT is the low 32 bits of `clocks` plus this."""
    ibreakenable: int
    ibreaka0: int
    dbreaka0: int
    dbreakc0: int
    ddr: int
    icount: int
    icountlevel: int
    """Registers of the debug option: kept, without effect."""
    itlb: int
    dtlb: int
    """Access attributes of the eight regions of 512 MB, four bits each, for code and data: kept, without effect."""
    fast: int
    """1 where the core has two clocks in a cycle; changed by `set_fast`."""
    half: int
    """1 where the first of them has passed."""
    waiting: int
    """1 after WAITI until an interrupt is taken."""
    past_hook: int
    """Set to 1 by a caller that wants the instruction at a hook executed after all: it counts for one instruction."""
    cycles: int
    """Board cycles since power on; never goes back."""
    instructions: int
    """Instructions executed, failed ones included."""
    horizon: int
    timer_at: int
    """The value of `cycles` at which CCOUNT next equals CCOMPARE0."""
    pause: int
    """As `horizon`, for onlookers, and in clocks; NEVER usually."""

    @property
    def clocks(self) -> int:
        """Clocks of the core, counted as if it had always been as fast as it is."""
        return self.cycles << self.fast | self.half

    def set_fast(self, fast: bool) -> None:  # noqa: FBT001  what a register's bit says
        """Let the core have two clocks in a cycle, or one. CCOUNT counts on from where it is."""
        if fast == self.fast:
            return
        count = self.clocks + self.ccount_offset
        self.fast, self.half = fast, 0
        self.ccount_offset = count - self.clocks & MASK
        self.arm_timer()
        if self.pause != NEVER:
            self.pause = self.pause << 1 if fast else self.pause >> 1

    def arm_timer(self) -> None:
        """The next match: a comparison that is equal right now comes round after 2^32 clocks (QEMU does so too)."""
        now = self.clocks
        ahead = (self.ccompare0 - (now + self.ccount_offset) - 1 & MASK) + 1
        self.timer_at = now + ahead + self.fast >> self.fast

    def reset(self) -> None:
        """What a reset of the core does; counters of the board go on."""
        cycles, instructions, pause = self.cycles, self.instructions, self.pause
        ctypes.memset(ctypes.byref(self), 0, ctypes.sizeof(self))
        self.cycles = self.horizon = cycles
        self.instructions, self.pause = instructions, pause or NEVER
        self.ps = RESET_PS
        self.vecbase = RESET_VECBASE
        self.itlb = self.dtlb = RESET_TLB
        self.ccount_offset = -cycles & MASK
        self.timer_at = cycles + (1 << 32)


class Devices(Protocol):
    """What lies behind every data address that is neither RAM nor flash window: registers, mask ROM, nothing at all.

    Both may raise `BusError`: the core then delivers a load or store prohibited exception (28, 29) to the program. What
    else they raise ends the run and reaches its caller; the core then stands at the instruction that did it.
    """

    def read(self, address: int, size: int) -> int:
        """The value of `size` bytes (1, 2 or 4, aligned) at `address`, unsigned."""
        ...

    def write(self, address: int, size: int, value: int) -> None:
        """Store the `size` low bytes of `value`, already cut to size."""
        ...


class Core(Protocol):
    """An lx106. `name` is `python` or `c`."""

    name: str
    state: CoreState
    memory: Memory
    devices: Devices

    def run(self) -> Stop:
        """Execute until one of the reasons to stop."""
        ...

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        ...

    def flush(self, start: int, length: int) -> None:
        """Forget what was decoded of these addresses: somebody other than this core has written there.

        Not needed for data in DRAM, which is never executed.
        """
        ...

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was decoded of the flash window; `start` counts from the window's first byte."""
        ...
