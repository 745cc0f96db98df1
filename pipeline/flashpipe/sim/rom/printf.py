"""Printing: ets_printf and its relatives, which hand one character after the other to a function of the program.

Where a print stands, format string, arguments and place in the current conversion, lies in a frame on the stack; after
each character the conversion is done again and its next character taken, so that nothing is kept here.
"""

from __future__ import annotations

from typing import Final

from flashpipe.sim.memory import BusError
from flashpipe.sim.rom.formatting import Arguments, Piece, next_piece
from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.strings import text_at
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom, rom_raw
from flashpipe.sim.rom.uart import current, put

PUTC1: Final = 0x3FFFDD48
PUTC2: Final = 0x3FFFDD4C
"""Where the ROM keeps the two functions that print a character; these two places are a choice."""
BUFFER_LEFT: Final = 0x3FFFDD58
"""printf_buf_len (pvvx, ld/eagle.rom.addr.v6.ld)."""
WRITE_CHAR: Final = 0x40001DA0
UART_PUTC: Final = 0x40001DCC
"""_putc1, or ets_uart_putc1 (pvvx, ld/eagle.rom.addr.v6.ld; tools/sdk/ld/eagle.rom.addr.v6.ld of the Arduino core)."""
_PRINTING: Final = CONTINUATIONS + 4 * 6
_SECOND: Final = CONTINUATIONS + 4 * 7
_WRITTEN: Final = CONTINUATIONS + 4 * 8
_RETURN, _PUTC, _FORMAT, _STACK, _REGISTERS, _INDEX, _PLACE, _COUNT = range(8)
_FRAME_WORDS: Final = 16
_FIRST_SAVED: Final = 8
_CONVERSION: Final = 64
"""Bytes of the format string that are looked at at once."""
_CHARACTER_CYCLES: Final = 20


@rom("_putc1", UART_PUTC)
def uart_putc(guest: Guest, character: int) -> None:
    """Print on the UART; a line feed becomes CR LF, and a CR nothing."""
    byte = character & 0xFF
    if byte == ord("\n"):
        put(guest, current(guest), ord("\r"))
    if byte != ord("\r"):
        put(guest, current(guest), byte)


@rom("ets_putc", 0x40002BE8)
def putc(guest: Guest, character: int) -> None:
    """Print on the UART as it is."""
    put(guest, current(guest), character & 0xFF)


@rom("ets_install_putc1", 0x4000242C)
def install_putc1(guest: Guest, function: int) -> None:
    """Set the function that prints."""
    guest.memory.set_u32(PUTC1, function)


@rom("ets_install_putc2", 0x4000248C)
def install_putc2(guest: Guest, function: int) -> None:
    """Set a second function, which gets each character too."""
    guest.memory.set_u32(PUTC2, function)


@rom("ets_install_uart_printf", 0x40002438)
def install_uart_printf(guest: Guest) -> int:
    """Print on the UART; happens to return its function (esp8266_undocumented.h of the Arduino core)."""
    guest.memory.set_u32(PUTC1, UART_PUTC)
    return UART_PUTC


@rom("est_get_printf_buf_remain_len", 0x40002494)
def buffer_left(guest: Guest) -> int:
    """Room in the buffer of an external print."""
    return guest.memory.u32(BUFFER_LEFT)


@rom("est_reset_printf_buf_len", 0x4000249C)
def reset_buffer(guest: Guest) -> None:
    """No room in the buffer of an external print."""
    guest.memory.set_u32(BUFFER_LEFT, 0)


# --- one character ---------------------------------------------------------------------------------------------------


@rom_raw("ets_write_char", WRITE_CHAR, 5)
def write_char(guest: Guest) -> None:
    """Hand a character to both functions, as far as they are set."""
    registers = guest.state.a
    guest.push(registers[0], registers[2])
    _hand_on(guest, PUTC1, _SECOND)


@continuation("first putc done", 7)
def second_putc(guest: Guest) -> None:
    """Now the second."""
    _hand_on(guest, PUTC2, _WRITTEN)


@continuation("second putc done", 8)
def written(guest: Guest) -> None:
    """Return."""
    guest.state.pc = guest.state.a[0] = guest.pop(2)[0]


def _hand_on(guest: Guest, variable: int, resume: int) -> None:
    function = guest.memory.u32(variable)
    if function:
        guest.call(function, guest.peek(2)[1], resume=resume)
    else:
        guest.state.pc = resume


# --- a format string -------------------------------------------------------------------------------------------------


@rom_raw("ets_vprintf", 0x40001F00, 20)
def vprintf(guest: Guest) -> None:
    """Print by a function; the `va_list` comes in three registers."""
    a = guest.state.a
    words = [a[0], a[2], a[3], a[4], a[5], a[6], 0, 0]
    guest.push(*words, *[0] * (_FRAME_WORDS - len(words)))
    printing(guest, first=True)


@rom_raw("ets_printf", 0x400024CC, 20)
def printf(guest: Guest) -> None:
    """Print by the functions that are installed."""
    _begin(guest, WRITE_CHAR)


@rom_raw("ets_uart_printf", 0x40002544, 20)
def uart_printf(guest: Guest) -> None:
    """Print on the UART, whatever is installed."""
    _begin(guest, UART_PUTC)


def _begin(guest: Guest, function: int) -> None:
    """Save the argument registers in the frame, where a `va_list` finds them."""
    a = guest.state.a
    stack = a[1]
    saved = [a[register] for register in range(2, 8)]
    frame = stack - 4 * _FRAME_WORDS & MASK
    words = [a[0], function, a[2], stack - 32 & MASK, frame + 4 * _FIRST_SAVED, 4, 0, 0]
    guest.push(*words, *saved, 0, 0)
    printing(guest, first=True)


@continuation("character printed", 6)
def printing(guest: Guest, *, first: bool = False) -> None:
    """Print the next character, or return how many there were."""
    frame = guest.peek(_FIRST_SAVED)
    place = frame[_PLACE] if first else frame[_PLACE] + 1
    while True:
        arguments = Arguments(frame[_STACK], frame[_REGISTERS], frame[_INDEX], guest.memory.u32)
        piece = _piece(guest, frame[_FORMAT], arguments)
        if piece is None:
            guest.state.a[2] = frame[_COUNT]
            guest.state.pc = guest.state.a[0] = guest.pop(_FRAME_WORDS)[_RETURN]
            return
        if place < len(piece.text):
            break
        frame[_FORMAT] += piece.used
        frame[_INDEX] = arguments.index
        place = 0
    frame[_PLACE], frame[_COUNT] = place, frame[_COUNT] + 1
    for index in (_FORMAT, _INDEX, _PLACE, _COUNT):
        guest.poke(index, frame[index])
    guest.spend(_CHARACTER_CYCLES)
    guest.call(frame[_PUTC], piece.text[place], resume=_PRINTING)


def _piece(guest: Guest, form: int, arguments: Arguments) -> Piece | None:
    def text(address: int) -> bytes:
        try:
            return text_at(guest, address)
        except BusError:
            return b""

    return next_piece(text_at(guest, form, _CONVERSION), arguments, text)
