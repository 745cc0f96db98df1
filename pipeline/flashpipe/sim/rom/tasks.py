"""The ROM's tasks: up to 32 priorities with a queue each, and the loop that runs them.

Layout in data RAM, as the ROM's own (pvvx, info/libs/bios/ets_run.c and ld/eagle.rom.addr.v6.ld): the table has 32
entries of 16 bytes, for priorities 1 to 32, of which 32 is the highest.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.cpu.contract import PS_INTLEVEL
from flashpipe.sim.rom.guest import HANG, MASK, Guest
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom, rom_raw

IDLE_FUNCTION: Final = 0x3FFFDAB0
IDLE_ARGUMENT: Final = 0x3FFFDAB4
READY: Final = 0x3FFFDAB8
"""One bit for each priority that has something to do."""
TABLE: Final = 0x3FFFDAC0
CURRENT: Final = 0x3FFFC6FC
"""Priority of the task that runs."""
USER_START: Final = 0x3FFFDCD0
_FUNCTION, _QUEUE, _SIZE, _READ, _WRITE, _COUNT, _BIT = 0, 4, 8, 9, 10, 11, 12
ENTRY: Final = 16
PRIORITIES: Final = 32
_EVENT: Final = 8
"""Bytes of a queued event: signal and parameter."""
RUN: Final = 0x40000E04
_LOOP: Final = CONTINUATIONS + 4 * 1
_IDLE: Final = CONTINUATIONS + 4 * 2
_TURN_CYCLES: Final = 30


def _entry(priority: int) -> int:
    return TABLE + ENTRY * ((priority - 1) % PRIORITIES)


@rom("ets_task", 0x40000DD0)
def task(guest: Guest, function: int, priority: int, queue: int, size: int) -> None:
    """Register a task with its queue of `size` events."""
    bit = 1 << (priority - 1) % PRIORITIES
    words = (function, queue, size & 0xFF, bit)
    guest.memory.write(_entry(priority), b"".join(word.to_bytes(4, "little") for word in words))


@rom("ets_post", 0x40000E24, 25)
def post(guest: Guest, priority: int, signal: int, parameter: int) -> int:
    """Queue an event; 1 where the queue is full or no such task exists."""
    entry = _entry(priority)
    memory = guest.memory
    size, count = guest.byte(entry + _SIZE), guest.byte(entry + _COUNT)
    if not memory.u32(entry + _FUNCTION) or count >= size:
        return 1
    place = guest.byte(entry + _WRITE)
    event = signal.to_bytes(4, "little") + parameter.to_bytes(4, "little")
    memory.write(memory.u32(entry + _QUEUE) + _EVENT * place, event)
    memory.write(entry + _WRITE, bytes(((place + 1) % size, count + 1)))
    memory.set_u32(READY, memory.u32(READY) | memory.u32(entry + _BIT))
    return 0


@rom("ets_set_idle_cb", 0x40000DC0)
def set_idle(guest: Guest, function: int, argument: int) -> None:
    """Set what runs when no task has anything to do."""
    guest.memory.set_u32(IDLE_FUNCTION, function)
    guest.memory.set_u32(IDLE_ARGUMENT, argument)


@rom("ets_set_user_start", 0x40000FBC)
def set_user_start(guest: Guest, function: int) -> None:
    """Set what the ROM starts once the program is loaded."""
    guest.memory.set_u32(USER_START, function)


@rom_raw("ets_run", RUN)
def run(guest: Guest) -> None:
    """Run tasks for ever."""
    guest.memory.set_u32(CURRENT, 0)
    loop(guest)


@continuation("task done", 1)
def loop(guest: Guest) -> None:
    """Take the first event of the highest task that is ready, or wait for an interrupt."""
    state, memory = guest.state, guest.memory
    guest.spend(_TURN_CYCLES)
    ready = memory.u32(READY)
    if not ready:
        idle = memory.u32(IDLE_FUNCTION)
        memory.set_u32(CURRENT, 0)
        if idle:
            state.ps = state.ps & ~PS_INTLEVEL | 3
            guest.call(idle, memory.u32(IDLE_ARGUMENT), resume=_IDLE)
        else:
            wait(guest)
        return
    priority = ready.bit_length()
    entry = _entry(priority)
    size, place, count = guest.byte(entry + _SIZE), guest.byte(entry + _READ), guest.byte(entry + _COUNT)
    memory.write(entry + _READ, bytes(((place + 1) % max(1, size),)))
    memory.write(entry + _COUNT, bytes((count - 1 & 0xFF,)))
    if count <= 1:
        memory.set_u32(READY, ready & ~memory.u32(entry + _BIT) & MASK)
    memory.set_u32(CURRENT, priority)
    state.ps &= ~PS_INTLEVEL
    guest.call(memory.u32(entry + _FUNCTION), memory.u32(entry + _QUEUE) + _EVENT * place, resume=_LOOP)


@continuation("idle callback done", 2)
def wait(guest: Guest) -> None:
    """Wait for an interrupt, then look again."""
    state = guest.state
    state.ps &= ~PS_INTLEVEL
    state.pc = _LOOP
    state.waiting = 1


@continuation("hang", (HANG - CONTINUATIONS) // 4)
def hang(guest: Guest) -> None:
    """Nothing more happens but what devices do."""
    guest.state.waiting = 1
