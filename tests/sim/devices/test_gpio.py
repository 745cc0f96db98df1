from __future__ import annotations

import pytest
from flashpipe.sim.devices.gpio import BASE, PIN_CONFIG
from flashpipe.sim.devices.interrupts import Line

from tests.sim.executed import Bench

OUT, OUT_SET, OUT_CLEAR, ENABLE, ENABLE_SET, ENABLE_CLEAR, IN, STATUS, STATUS_SET, STATUS_CLEAR = (
    BASE + 4 * index for index in range(10)
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_unconnected_pins_are_as_a_module_has_them(bench: Bench) -> None:
    assert bench.devices.gpio.read(IN) == 3 << 16 | 0x7FFF


def test_outputs_are_recorded(bench: Bench) -> None:
    gpio = bench.devices.gpio
    gpio.write(ENABLE_SET, 1 << 4)
    gpio.write(OUT_SET, 1 << 4)
    bench.state.cycles += 100
    gpio.write(OUT_CLEAR, 1 << 4)
    assert [(edge.pin, edge.level) for edge in gpio.edges] == [(4, False), (4, True), (4, False)]
    assert gpio.edges[2].cycle - gpio.edges[1].cycle == 100
    assert gpio.read(OUT) == 0
    assert gpio.read(ENABLE) == 1 << 4
    gpio.write(ENABLE_CLEAR, 1 << 4)
    assert gpio.read(IN) & 1 << 4


def test_inputs_are_set_from_outside(bench: Bench) -> None:
    gpio = bench.devices.gpio
    gpio.set(12, high=False)
    assert not gpio.read(IN) & 1 << 12
    gpio.set(12, high=True)
    assert gpio.read(IN) & 1 << 12
    gpio.write(ENABLE, 1 << 12)
    assert not gpio.read(IN) & 1 << 12


@pytest.mark.parametrize(
    ("kind", "levels", "seen"),
    [
        (1, (False,), False), (1, (False, True), True), (2, (False,), True), (2, (True,), False),
        (3, (False,), True), (3, (False, True), True), (4, (False,), True), (5, (True,), True),
        (0, (False, True), False),
    ],
)  # fmt: skip
def test_interrupts_of_pins(bench: Bench, kind: int, levels: tuple[bool, ...], *, seen: bool) -> None:
    gpio = bench.devices.gpio
    gpio.write(PIN_CONFIG + 4 * 5, kind << 7)
    gpio.write(STATUS, 0)
    for high in levels:
        gpio.set(5, high=high)
    assert bool(gpio.read(STATUS) & 1 << 5) is seen
    assert bool(bench.state.interrupt & 1 << Line.GPIO) is seen


def test_an_edge_is_cleared_and_a_level_comes_again(bench: Bench) -> None:
    gpio = bench.devices.gpio
    gpio.write(PIN_CONFIG + 4 * 5, 2 << 7)
    gpio.set(5, high=False)
    gpio.write(STATUS_CLEAR, 1 << 5)
    assert not bench.state.interrupt
    gpio.write(PIN_CONFIG + 4 * 5, 4 << 7)
    gpio.write(STATUS_CLEAR, 1 << 5)
    assert bench.state.interrupt & 1 << Line.GPIO
    gpio.set(5, high=True)
    gpio.write(STATUS_CLEAR, 1 << 5)
    assert not bench.state.interrupt


def test_gpio16_belongs_to_the_rtc(bench: Bench) -> None:
    rtc = bench.devices.rtc
    assert rtc.read(0x6000078C) == 1
    rtc.gpio16_outside = 0
    assert rtc.read(0x6000078C) == 0
    rtc.write(0x60000774, 1)
    rtc.write(0x60000768, 1)
    assert rtc.read(0x6000078C) == 1
    assert [level for _, level in rtc.gpio16_edges] == [True]


def test_a_reset_makes_inputs_of_all(bench: Bench) -> None:
    gpio = bench.devices.gpio
    gpio.set(13, high=False)
    gpio.write(ENABLE, 0xFFFF)
    bench.devices.reset(pll=True)
    assert gpio.read(ENABLE) == 0
    assert not gpio.read(IN) & 1 << 13
