from __future__ import annotations

import pytest
from flashpipe.sim.rom.uart import BUFFER, DEVICE, RECEIVER

from tests.sim.executed import MS, Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_sends_and_waits_for_room(bench: Bench) -> None:
    before = bench.state.cycles
    for byte in range(200):
        assert bench.call("uart_tx_one_char", byte) == 0
    sent = bench.state.cycles - before
    assert 70 < sent / bench.devices.uarts[0].byte_cycles < 80
    assert bench.said() == "".join(map(chr, range(200)))


def test_receives_one_by_one(bench: Bench) -> None:
    to = bench.put(bytes(4))
    assert bench.call("uart_rx_one_char", to) == 1
    bench.devices.receive(b"ab", bench.devices.uarts[0].baud)
    assert chr(bench.call("uart_rx_one_char_block")) == "a"
    assert chr(bench.call("ets_getc")) == "b"


def test_setting_the_divider_empties_the_receiver(bench: Bench) -> None:
    bench.devices.uarts[0].fifo.append(1)
    bench.call("uart_div_modify", 0, 0x1000 + (80_000_000 // 9600))
    assert bench.devices.uarts[0].fifo == []
    bench.call("uart_div_modify", 0, 80_000_000 // 9600)
    bench.devices.clocks.locked = True
    assert bench.devices.uarts[0].baud in range(9590, 9610)


def test_switching_to_the_other_uart_and_back(bench: Bench) -> None:
    bench.call("uart_buff_switch", 1)
    bench.call("ets_putc", ord("x"))
    bench.call("uart_buff_switch", 0)
    bench.call("ets_putc", ord("y"))
    assert bench.said() == "y"
    bench.state.cycles += MS
    bench.devices.settle()
    assert bytes(bench.machine.log.uart1) == b"x"


def test_a_line_goes_through_the_ring_buffer(bench: Bench) -> None:
    bench.call("uartAttach")
    bench.devices.uarts[0].write(0x6000000C, 1)
    bench.devices.uarts[0].write(0x60000024, 1)
    bench.devices.uarts[0].fifo += b"hello\n"
    bench.call("uart_rx_intr_handler", RECEIVER)
    to = bench.put(bytes(16))
    assert bench.call("UartGetCmdLn", to) == 0
    assert bench.memory.c_string(to) == b"hello\n"
    assert bench.call("UartGetCmdLn", to) == 1
    assert bench.call("uart_rx_readbuff", RECEIVER, to) == 1
    assert bench.memory.u32(RECEIVER + 4) == BUFFER


def test_the_device_is_where_programs_look(bench: Bench) -> None:
    assert bench.call("GetUartDevice") == DEVICE == 0x3FFFDE10
    assert bench.memory.u32(DEVICE) == 115200


def test_a_packet_is_escaped(bench: Bench) -> None:
    bench.call("send_packet", bench.put(b"\x01\xc0\xdb"), 3)
    assert bench.said().encode("latin-1").hex() == "c001dbdcdbddc0"


def test_the_rate_of_a_sender_is_measured(bench: Bench) -> None:
    bench.devices.clocks.locked = True
    assert bench.call("uart_baudrate_detect", 0, 1) == 0
    bench.devices.receive(b"U" * 8, 38400)
    bench.state.cycles += 10 * MS
    bench.devices.agenda.run_due()
    divider = bench.call("uart_baudrate_detect", 0, 1)
    assert abs(80_000_000 / divider - 38400) < 400
