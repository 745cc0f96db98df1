"""The ROM's GPIO functions (gpio.h of the SDK; pvvx, include/bios/gpio.h and info/libs/bios/gpio.c)."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.devices.gpio import BASE, IN, MASK, PIN_CONFIG, PINS, STATUS
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.interrupts import set_handler_arg
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom

PENDING: Final = 0x3FFFDFD0
HANDLER: Final = 0x3FFFDFD4
ARGUMENT: Final = 0x3FFFDFD8
"""PENDING is the ROM's place; the two after it are a choice."""
_DISPATCH: Final = CONTINUATIONS + 4 * 9
_TYPE: Final = 7
"""Position of the interrupt type in a pin's register."""
_TYPE_MASK: Final = 0x380
_WAKEUP: Final = 1 << 10


@rom("gpio_init", 0x40004C50)
def init(_guest: Guest) -> None:
    """Nothing to prepare."""


@rom("gpio_output_set", 0x40004CD0)
def output_set(guest: Guest, high: int, low: int, enable: int, disable: int) -> None:
    """Set, clear, enable and disable outputs, by masks."""
    gpio = guest.devices.gpio
    gpio.drive(gpio.out & ~low | high, gpio.enabled & ~disable | enable)


@rom("gpio_input_get", 0x40004CF0)
def input_get(guest: Guest) -> int:
    """Levels of all pins."""
    return guest.devices.gpio.read(IN) & MASK


@rom("gpio_register_set", 0x40004D04)
def register_set(guest: Guest, register: int, value: int) -> None:
    """Write a register by its offset."""
    guest.devices.gpio.write(BASE + (register & 0xFC), value)


@rom("gpio_register_get", 0x40004D5C)
def register_get(guest: Guest, register: int) -> int:
    """Read a register by its offset."""
    return guest.devices.gpio.read(BASE + (register & 0xFC))


@rom("gpio_pin_intr_state_set", 0x40004D90)
def pin_interrupt(guest: Guest, pin: int, kind: int) -> None:
    """Choose what of a pin interrupts: 0 nothing, 1 rising, 2 falling, 3 both, 4 low, 5 high."""
    place = PIN_CONFIG + 4 * (pin % PINS)
    gpio = guest.devices.gpio
    gpio.write(place, gpio.read(place) & ~_TYPE_MASK | (kind & 7) << _TYPE)


@rom("gpio_pin_wakeup_enable", 0x40004E90)
def wakeup_enable(guest: Guest, pin: int, kind: int) -> None:
    """Let a level of a pin wake the chip from light sleep."""
    pin_interrupt(guest, pin, kind)
    place = PIN_CONFIG + 4 * (pin % PINS)
    guest.devices.gpio.write(place, guest.devices.gpio.read(place) | _WAKEUP)


@rom("gpio_pin_wakeup_disable", 0x40004ED4)
def wakeup_disable(guest: Guest) -> None:
    """No pin wakes the chip."""
    gpio = guest.devices.gpio
    for place in range(PIN_CONFIG, PIN_CONFIG + 4 * PINS, 4):
        if gpio.read(place) & _WAKEUP:
            gpio.write(place, gpio.read(place) & ~(_WAKEUP | _TYPE_MASK))


@rom("gpio_intr_handler_register", 0x40004E28)
def handler_register(guest: Guest, function: int, argument: int) -> None:
    """Set the function that is called with the pins that interrupt."""
    guest.memory.set_u32(HANDLER, function)
    guest.memory.set_u32(ARGUMENT, argument)
    set_handler_arg(guest, Line.GPIO, _DISPATCH, 0)


@continuation("gpio interrupt", 9)
def dispatch(guest: Guest) -> None:
    """The interrupt: no pin interrupts again until the program acknowledges."""
    pins = guest.devices.gpio.status
    guest.memory.set_u32(PENDING, pins)
    guest.devices.gpio.write(STATUS, 0)
    function = guest.memory.u32(HANDLER)
    if function:
        guest.state.a[2], guest.state.a[3] = pins, guest.memory.u32(ARGUMENT)
        guest.state.pc = function
    else:
        guest.back()


@rom("gpio_intr_pending", 0x40004D88)
def interrupt_pending(guest: Guest) -> int:
    """Pins that have interrupted and were not acknowledged."""
    return guest.memory.u32(PENDING)


@rom("gpio_intr_ack", 0x40004DCC)
def interrupt_acknowledge(guest: Guest, pins: int) -> None:
    """These pins may interrupt again."""
    guest.memory.set_u32(PENDING, guest.memory.u32(PENDING) & ~pins)
