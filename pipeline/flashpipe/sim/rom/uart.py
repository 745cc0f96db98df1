"""The ROM's UART functions and its device structure (pvvx, info/libs/bios/uartdev.c and include/bios/uart.h)."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.devices.uart import ROM_CONF0, Uart
from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.interrupts import isr_mask, set_handler_arg
from flashpipe.sim.rom.table import CONTINUATIONS, continuation, rom, rom_raw

DEVICE: Final = 0x3FFFDE10
"""UartDev."""
RECEIVER: Final = DEVICE + 0x18
BUFFER: Final = 0x3FFFDE60
BUFFER_SIZE: Final = 0x100
_BUFFER_START, _WRITE, _READ, _STATE = RECEIVER + 0x04, RECEIVER + 0x08, RECEIVER + 0x0C, RECEIVER + 0x14
TRANSMITTER: Final = DEVICE + 0x30
TRANSMIT_SIZE: Final = 100
RECEIVE_STATE: Final = DEVICE + 0x38
NUMBER: Final = DEVICE + 0x40
"""buff_uart_no: which UART the ROM's functions use."""
RX_HANDLER: Final = 0x40003BBC
_LINE_COMPLETE: Final = 2
_RX_FULL: Final = 1
_ENOUGH_EDGES: Final = 29
"""Edges after which the ROM believes a measured rate."""
_MEASURED_EXTRA: Final = 12
_AUTOBAUD: Final = 0x801
_BLOCKED: Final = CONTINUATIONS + 4 * 5


def current(guest: Guest) -> Uart:
    """The UART that the ROM's functions use."""
    return guest.devices.uarts[guest.memory.u32(NUMBER) & 1]


def put(guest: Guest, uart: Uart, byte: int) -> None:
    """Send a byte as soon as the FIFO has room."""
    guest.state.cycles = max(guest.state.cycles, uart.room_at())
    uart.send(byte)
    guest.spend(_SEND_CYCLES)


_SEND_CYCLES: Final = 30
"""uart_tx_one_char (facts: stub-executed §6)."""


@rom("uart_tx_one_char", 0x40003B30)
def tx_one_char(guest: Guest, byte: int) -> int:
    """Send a byte; waits for room."""
    put(guest, current(guest), byte)
    return 0


@rom("uart_rx_one_char", 0x40003B8C)
def rx_one_char(guest: Guest, to: int) -> int:
    """Take a received byte; 1 where there is none."""
    byte = current(guest).take()
    if byte is None:
        return 1
    guest.write(to, bytes((byte,)))
    return 0


@rom_raw("uart_rx_one_char_block", 0x40003B64, 5)
def rx_one_char_block(guest: Guest) -> None:
    """Take a received byte; waits for one."""
    byte = current(guest).take()
    if byte is None:
        guest.devices.wait_for_event()
        guest.state.pc = _BLOCKED
        return
    guest.state.a[2] = byte
    guest.back()


@continuation("waiting for a byte", 5)
def blocked(guest: Guest) -> None:
    """Look again."""
    rx_one_char_block(guest)


@rom_raw("ets_getc", 0x40002BCC, 5)
def getc(guest: Guest) -> None:
    """Take a received byte; waits for one."""
    rx_one_char_block(guest)


@rom("uart_div_modify", 0x400039D8)
def div_modify(guest: Guest, number: int, divider: int) -> None:
    """Set the rate and empty both FIFOs."""
    uart = guest.devices.uarts[number & 1]
    uart.set_divider(divider)
    uart.empty()


@rom("uart_buff_switch", 0x400038A4)
def buff_switch(guest: Guest, number: int) -> None:
    """Choose the UART of the ROM's functions; going back to UART 0 drops what it has received."""
    guest.memory.set_u32(NUMBER, number & 0xFF)
    if number & 0xFF:
        return
    uart = current(guest)
    while uart.take() is not None:
        pass
    guest.memory.set_u32(_STATE, 0)


@rom("uart_baudrate_detect", 0x40003924)
def baudrate_detect(guest: Guest, number: int, _wait: int) -> int:
    """Divider of a sender's rate, measured on its edges; 0 where there were not enough.

    With `wait` 0 the ROM waits for them; here the caller asks again.
    """
    uart = guest.devices.uarts[number & 1]
    if not uart.autobaud & 1:
        uart.measure(_AUTOBAUD)
    if uart.edges < _ENOUGH_EDGES:
        guest.spend(100)
        return 0
    divider = (uart.low_pulse + uart.high_pulse >> 1) + _MEASURED_EXTRA
    uart.measure(0)
    return divider


@rom("uartAttach", 0x4000383C)
def attach(guest: Guest) -> None:
    """Fill the device structure and attach the receive handler."""
    write_device(guest)
    isr_mask(guest, 1 << Line.UART)
    set_handler_arg(guest, Line.UART, RX_HANDLER, RECEIVER)


def write_device(guest: Guest) -> None:
    """UartDev as the ROM initialises it: 115200 8N1, an empty buffer."""
    words = (
        115200, 3, 0, 0, 1, 0, BUFFER_SIZE, BUFFER, BUFFER, BUFFER, 1, 0, TRANSMIT_SIZE, BUFFER + BUFFER_SIZE, 0, 0, 0,
    )  # fmt: skip
    guest.memory.write(DEVICE, b"".join(word.to_bytes(4, "little") for word in words))


@rom("Uart_Init", 0x40003A14)
def init(guest: Guest, number: int) -> None:
    """Set up a UART from the device structure: the divider counts on an 80 MHz bus."""
    uart = guest.devices.uarts[number & 1]
    baud = guest.memory.u32(DEVICE) or 115200
    uart.set_divider(80_000_000 // baud)
    uart.configure(ROM_CONF0)


@rom("uart_rx_intr_handler", RX_HANDLER)
def rx_handler(guest: Guest, receiver: int) -> None:
    """Move what was received into the ring buffer; a line feed completes a line."""
    uart = current(guest)
    if not uart.pending() & _RX_FULL:
        return
    memory = guest.memory
    size, start = memory.u32(receiver), memory.u32(receiver + 4)
    while (byte := uart.take()) is not None:
        if byte == ord("\n"):
            memory.set_u32(receiver + 0x14, _LINE_COMPLETE)
        place = memory.u32(receiver + 8)
        memory.write(place, bytes((byte,)))
        memory.set_u32(receiver + 8, start if place + 1 >= start + size else place + 1)
    uart.clear(_RX_FULL)


@rom("uart_rx_readbuff", 0x40003EC8)
def rx_readbuff(guest: Guest, receiver: int, to: int) -> int:
    """Take a byte from the ring buffer; 1 where it is empty."""
    memory = guest.memory
    place = memory.u32(receiver + 0x0C)
    if place == memory.u32(receiver + 0x08):
        return 1
    guest.write(to, memory.read(place, 1))
    start = memory.u32(receiver + 4)
    memory.set_u32(receiver + 0x0C, start if place + 1 >= start + memory.u32(receiver) else place + 1)
    return 0


@rom("UartGetCmdLn", 0x40003EF4)
def get_line(guest: Guest, to: int) -> int:
    """Take the line that is complete, with a NUL; 1 where there is none."""
    memory = guest.memory
    if memory.u32(_STATE) != _LINE_COMPLETE or memory.u32(_READ) == memory.u32(_WRITE):
        return 1
    while not rx_readbuff(guest, RECEIVER, to):
        to += 1
    guest.write(to, b"\0")
    memory.set_u32(_STATE, 0)
    return 0


@rom("GetUartDevice", 0x40003F4C)
def get_device(_guest: Guest) -> int:
    """Address of the device structure."""
    return DEVICE


@rom("send_packet", 0x40003C80)
@rom("SendMsg", 0x40003CF4)
def send_packet(guest: Guest, data: int, size: int) -> int:
    """Send a SLIP frame, as the serial loader does."""
    escapes = {0xC0: b"\xdb\xdc", 0xDB: b"\xdb\xdd"}
    body = b"".join(escapes.get(byte, bytes((byte,))) for byte in guest.memory.read(data, size & 0xFF))
    for byte in b"\xc0" + body + b"\xc0":
        put(guest, current(guest), byte)
    return 0
