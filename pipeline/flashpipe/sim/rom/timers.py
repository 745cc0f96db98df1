"""Software timers over FRC2, for programs that use the ROM's instead of the SDK's; delays; the core's frequency.

A timer is five words (osapi.h: ETSTimer): next, expire, period, function, argument; the list hangs on `timer_list` at
0x3FFFDDB0, ordered by expiry (pvvx, ld/eagle.rom.addr.v6.ld and app/sdklib/system/ets_timer.c).
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.devices.agenda import CYCLES_PER_US
from flashpipe.sim.devices.dport import EDGE_ENABLE
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.devices.timers import EDGE_FRC2
from flashpipe.sim.rom.guest import MASK, Guest, signed
from flashpipe.sim.rom.interrupts import ints_on, set_handler_arg
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom, rom_raw

LIST: Final = 0x3FFFDDB0
FREQUENCY: Final = 0x3FFFC704
"""cpu_clk_mhz."""
_NEXT, _EXPIRE, _PERIOD, _FUNCTION, _ARGUMENT = 0, 4, 8, 12, 16
UNUSED: Final = 0xFFFFFFFF
"""`next` of a timer that is not armed."""
HANDLER: Final = 0x40002DA8
_TICKS_PER_MS: Final = 312.5
"""80 MHz / 256."""
_CONTROL: Final = 0x88
"""On, divided by 256."""
_HALF_TURN: Final = MASK // 2
"""Cycles: 26 s."""
_DELAYING: Final = CONTINUATIONS + 4 * 3
_NEXT_TIMER: Final = CONTINUATIONS + 4 * 4


# --- delays ----------------------------------------------------------------------------------------------------------


@rom_raw("ets_delay_us", 0x40002ECC, 10)
def delay(guest: Guest) -> None:
    """Wait; interrupts are served meanwhile.

    The end is kept in a2, as the low word of the cycle counter, of which half a turn is waited for at a time; a3 says
    how many more halves there are. Callees may use both.
    """
    registers = guest.state.a
    registers[3], span = divmod(registers[2] * CYCLES_PER_US, _HALF_TURN)
    registers[2] = guest.state.cycles + span & MASK
    delaying(guest)


@continuation("delaying", 3)
def delaying(guest: Guest) -> None:
    """Pass the time up to the end of the delay, to the next event, or to the end of what the chip is to run now."""
    state = guest.state
    left = signed(state.a[2] - state.cycles & MASK)
    if left > 0:
        state.cycles += min(left, max(1, min(guest.devices.agenda.next(), state.horizon) - state.cycles))
        left = signed(state.a[2] - state.cycles & MASK)
    if left <= 0 and state.a[3]:
        state.a[2], state.a[3] = state.a[2] + _HALF_TURN & MASK, state.a[3] - 1
        left += _HALF_TURN
    if left <= 0:
        guest.back()
    else:
        state.pc = _DELAYING


@rom("ets_update_cpu_frequency", 0x40002F04)
def update_frequency(guest: Guest, mhz: int) -> None:
    """Remember the core's clock, for delays."""
    guest.memory.set_u32(FREQUENCY, mhz & 0xFF)


@rom("ets_get_cpu_frequency", 0x40002F0C)
def get_frequency(guest: Guest) -> int:
    """The core's clock in MHz, as remembered."""
    return guest.byte(FREQUENCY)


# --- timers ----------------------------------------------------------------------------------------------------------


@rom("ets_timer_init", 0x40002E68)
def init(guest: Guest) -> None:
    """Start FRC2 and attach the handler."""
    guest.memory.set_u32(LIST, 0)
    set_handler_arg(guest, Line.FRC2, HANDLER, 0)
    dport = guest.devices.dport
    dport.write(EDGE_ENABLE, dport.edges | EDGE_FRC2)
    guest.devices.timers.control_frc2(_CONTROL)
    guest.devices.timers.load_frc2(0)
    ints_on(guest, 1 << Line.FRC2)


@rom("ets_timer_setfn", 0x40002C48)
def set_function(guest: Guest, timer: int, function: int, argument: int) -> None:
    """Prepare a timer that is not armed."""
    words = (UNUSED, 0, 0, function, argument)
    guest.memory.write(timer, b"".join(word.to_bytes(4, "little") for word in words))


@rom("ets_timer_arm", 0x40002CC4)
def arm(guest: Guest, timer: int, milliseconds: int, repeat: int) -> None:
    """Let it expire, once or again and again."""
    if guest.memory.u32(timer + _NEXT) != UNUSED:
        _unlink(guest, timer)
    ticks = int(milliseconds * _TICKS_PER_MS) & MASK
    guest.memory.set_u32(timer + _PERIOD, ticks if repeat & 0xFF else 0)
    _insert(guest, guest.devices.timers.frc2_count() + ticks & MASK, timer)


@rom("timer_insert", 0x40002C64)
def timer_insert(guest: Guest, expire: int, timer: int) -> None:
    """Hang a timer into the list; the alarm is set where it is the first. The SDK calls this for its own timers."""
    _insert(guest, expire, timer)


def _insert(guest: Guest, expire: int, timer: int) -> None:
    memory = guest.memory
    place = LIST
    while (other := memory.u32(place)) and signed(memory.u32(other + _EXPIRE) - expire & MASK) <= 0:
        place = other + _NEXT
    memory.set_u32(timer + _EXPIRE, expire)
    memory.set_u32(timer + _NEXT, other)
    memory.set_u32(place, timer)
    if place == LIST:
        guest.devices.timers.set_alarm(expire)


@rom("ets_timer_disarm", 0x40002D40)
def disarm(guest: Guest, timer: int) -> None:
    """Take it out of the list."""
    _unlink(guest, timer)
    guest.memory.set_u32(timer + _NEXT, UNUSED)
    guest.memory.set_u32(timer + _PERIOD, 0)


def _unlink(guest: Guest, timer: int) -> None:
    memory = guest.memory
    place = LIST
    while other := memory.u32(place):
        if other == timer:
            memory.set_u32(place, memory.u32(timer + _NEXT))
            return
        place = other + _NEXT


@rom("ets_timer_done", 0x40002D80)
def done(guest: Guest, timer: int) -> None:
    """Disarm and forget the function."""
    disarm(guest, timer)
    guest.memory.set_u32(timer + _FUNCTION, 0)
    guest.memory.set_u32(timer + _ARGUMENT, 0)


@rom_raw("ets_timer_handler_isr", HANDLER, 10)
def handler(guest: Guest) -> None:
    """FRC2 has reached the alarm: call the functions of all timers that have expired."""
    guest.push(guest.state.a[0])
    next_timer(guest)


@continuation("timer function done", 4)
def next_timer(guest: Guest) -> None:
    """Call the next one, or set the alarm for what is left and return."""
    memory, timers = guest.memory, guest.devices.timers
    timer = memory.u32(LIST)
    if not timer or signed(memory.u32(timer + _EXPIRE) - timers.frc2_count() & MASK) > 0:
        if timer:
            timers.set_alarm(memory.u32(timer + _EXPIRE))
        guest.state.pc = guest.state.a[0] = guest.pop(1)[0]
        return
    memory.set_u32(LIST, memory.u32(timer + _NEXT))
    memory.set_u32(timer + _NEXT, UNUSED)
    if period := memory.u32(timer + _PERIOD):
        _insert(guest, memory.u32(timer + _EXPIRE) + period & MASK, timer)
    guest.call(memory.u32(timer + _FUNCTION), memory.u32(timer + _ARGUMENT), resume=_NEXT_TIMER)
