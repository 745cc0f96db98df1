from __future__ import annotations

import pytest
from flashpipe.sim.devices.uart import RX_FULL, RX_OVERFLOW, RX_TIMEOUT, TX_EMPTY, UART0, Uart

from tests.sim.executed import MS, Bench

FIFO, RAW, STATUS, ENABLE, CLEAR, DIVIDER, LEVELS, CONF0, CONF1 = (
    UART0 + at for at in (0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x1C, 0x20, 0x24)
)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.devices.clocks.locked = True
    bench.devices.uarts[0].write(DIVIDER, 694)
    return bench


def uart(bench: Bench) -> Uart:
    return bench.devices.uarts[0]


def later(bench: Bench, cycles: int) -> None:
    bench.state.cycles += cycles
    bench.devices.agenda.run_due()


def test_the_rate_follows_the_divider_and_the_bus(bench: Bench) -> None:
    assert uart(bench).baud == 115274
    bench.devices.clocks.locked = False
    assert uart(bench).baud in range(74800, 75000)
    uart(bench).write(DIVIDER, 80_000_000 // 9600)
    bench.devices.clocks.locked = True
    assert uart(bench).baud == 9600


def test_bytes_leave_one_after_the_other(bench: Bench) -> None:
    for byte in b"abc":
        uart(bench).write(FIFO, byte)
    assert uart(bench).read(LEVELS) >> 16 & 0xFF == 2
    later(bench, uart(bench).byte_cycles)
    assert uart(bench).read(LEVELS) >> 16 & 0xFF == 1
    later(bench, 3 * uart(bench).byte_cycles)
    assert uart(bench).read(LEVELS) >> 16 & 0xFF == 0
    (output,) = bench.machine.take_outputs()
    assert (bytes(output.data), output.baud) == (b"abc", 115274)


def test_a_full_transmitter_loses_what_is_written(bench: Bench) -> None:
    for byte in range(200):
        uart(bench).write(FIFO, byte)
    assert bench.said().encode("latin-1") == bytes(range(129))


def test_what_was_written_leaves_at_the_rate_of_then(bench: Bench) -> None:
    for byte in b"ab":
        uart(bench).write(FIFO, byte)
    uart(bench).write(DIVIDER, 80_000_000 // 9600)
    uart(bench).write(FIFO, ord("c"))
    later(bench, 10 * MS)
    bench.devices.settle()
    assert [(output.baud, bytes(output.data)) for output in bench.machine.take_outputs()] == [
        (115274, b"ab"),
        (9600, b"c"),
    ]


def test_an_emptying_transmitter_interrupts(bench: Bench) -> None:
    uart(bench).write(CONF1, 4 << 8)
    uart(bench).write(CLEAR, TX_EMPTY)
    for byte in range(20):
        uart(bench).write(FIFO, byte)
    uart(bench).write(CLEAR, TX_EMPTY)
    uart(bench).write(ENABLE, TX_EMPTY)
    assert not bench.state.interrupt & 1 << 5
    later(bench, 14 * uart(bench).byte_cycles)
    assert not bench.state.interrupt & 1 << 5
    later(bench, 2 * uart(bench).byte_cycles)
    assert bench.state.interrupt & 1 << 5
    uart(bench).write(ENABLE, 0)
    assert not bench.state.interrupt & 1 << 5


def test_a_byte_arrives_at_its_senders_rate(bench: Bench) -> None:
    bench.devices.receive(b"x", 115200)
    later(bench, 6000)
    assert uart(bench).read(LEVELS) & 0xFF == 0
    later(bench, 1000)
    assert uart(bench).read(LEVELS) & 0xFF == 1
    assert uart(bench).read(FIFO) == ord("x")
    assert uart(bench).read(LEVELS) & 0xFF == 0


def test_the_threshold_and_the_time_out_interrupt(bench: Bench) -> None:
    uart(bench).write(CONF1, 1 << 31 | 2 << 24 | 4)
    uart(bench).write(ENABLE, RX_FULL | RX_TIMEOUT)
    bench.devices.receive(b"abcd", 115200)
    for expected in (False, False, False, True):
        later(bench, 7000)
        assert bool(bench.state.interrupt & 1 << 5) is expected
    assert uart(bench).read(STATUS) == RX_FULL
    for _ in range(3):
        uart(bench).read(FIFO)
    uart(bench).write(CLEAR, RX_FULL)
    assert not bench.state.interrupt & 1 << 5
    later(bench, 20_000)
    assert uart(bench).read(STATUS) == RX_TIMEOUT
    uart(bench).read(FIFO)
    uart(bench).write(CLEAR, RX_TIMEOUT)
    assert not bench.state.interrupt & 1 << 5


def test_a_level_is_not_cleared_as_long_as_it_lasts(bench: Bench) -> None:
    uart(bench).write(CONF1, 1)
    uart(bench).write(ENABLE, RX_FULL)
    bench.devices.receive(b"ab", 115200)
    later(bench, 20_000)
    uart(bench).write(CLEAR, RX_FULL)
    assert bench.state.interrupt & 1 << 5


def test_a_full_receiver_overflows(bench: Bench) -> None:
    bench.devices.receive(bytes(140), 115200)
    later(bench, 20 * MS)
    assert uart(bench).read(LEVELS) & 0xFF == 128
    assert uart(bench).read(RAW) & RX_OVERFLOW
    uart(bench).write(CONF0, 0x1C | 1 << 17)
    assert uart(bench).read(LEVELS) & 0xFF == 0


def test_another_rate_is_noise(bench: Bench) -> None:
    bench.devices.receive(b"hello", 9600)
    later(bench, 20 * MS)
    assert bytes(uart(bench).fifo) != b"hello"
    assert uart(bench).fifo


def test_loop_back(bench: Bench) -> None:
    uart(bench).write(CONF0, 0x1C | 1 << 14)
    uart(bench).write(FIFO, ord("z"))
    later(bench, MS)
    assert uart(bench).read(FIFO) == ord("z")


@pytest.mark.parametrize(("conf0", "bits"), [(0x1C, 10), (0x1C | 2, 11), (0x3C, 11), (0x10, 7), (0x2C, 10.5)])
def test_a_byte_lasts_as_long_as_its_bits(bench: Bench, conf0: int, bits: float) -> None:
    uart(bench).write(CONF0, conf0)
    assert uart(bench).byte_cycles == int(bits * 694)


def test_only_the_second_uart_tells_its_bytes_elsewhere(bench: Bench) -> None:
    bench.devices.uarts[1].write(0x60000F00, ord("q"))
    bench.devices.settle()
    assert bytes(bench.machine.log.uart1) == b"q"
    assert bench.devices.bus.read(0x3FF00020, 4) == 0
