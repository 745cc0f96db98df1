"""The ROM's tasks: up to 32 priorities with a queue each. The loop that runs them, and `ets_post`, are in code.py.

Layout in data RAM, as the ROM's own (pvvx, info/libs/bios/ets_run.c and ld/eagle.rom.addr.v6.ld): the table has 32
entries of 16 bytes, for priorities 1 to 32, of which 32 is the highest: function and queue, bytes for the queue's
size, the next event to read, the next to write and how many wait, then the priority's bit in `READY`. An event is two
words, signal and parameter.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.rom.guest import HANG, Guest
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom

IDLE_FUNCTION: Final = 0x3FFFDAB0
IDLE_ARGUMENT: Final = 0x3FFFDAB4
READY: Final = 0x3FFFDAB8
"""One bit for each priority that has something to do."""
TABLE: Final = 0x3FFFDAC0
CURRENT: Final = 0x3FFFC6FC
"""Priority of the task that runs."""
USER_START: Final = 0x3FFFDCD0
ENTRY: Final = 16
PRIORITIES: Final = 32
RUN: Final = 0x40000E04
PROGRAM_RETURNED: Final = CONTINUATIONS + 4 * 10
"""Return address of the program's entry: the ROM goes on with its tasks."""


@rom("ets_task", 0x40000DD0)
def task(guest: Guest, function: int, priority: int, queue: int, size: int) -> None:
    """Register a task with its queue of `size` events."""
    index = (priority - 1) % PRIORITIES
    words = (function, queue, size & 0xFF, 1 << index)
    guest.memory.write(TABLE + ENTRY * index, b"".join(word.to_bytes(4, "little") for word in words))


@rom("ets_set_idle_cb", 0x40000DC0)
def set_idle(guest: Guest, function: int, argument: int) -> None:
    """Set what runs when no task has anything to do."""
    guest.memory.set_u32(IDLE_FUNCTION, function)
    guest.memory.set_u32(IDLE_ARGUMENT, argument)


@rom("ets_set_user_start", 0x40000FBC)
def set_user_start(guest: Guest, function: int) -> None:
    """Set what the ROM starts once the program is loaded."""
    guest.memory.set_u32(USER_START, function)


@continuation("program returned", (PROGRAM_RETURNED - CONTINUATIONS) // 4)
def program_returned(guest: Guest) -> None:
    """The program has set itself up."""
    guest.state.pc = RUN


@continuation("hang", (HANG - CONTINUATIONS) // 4)
def hang(guest: Guest) -> None:
    """Nothing more happens but what devices do."""
    guest.state.waiting = 1
