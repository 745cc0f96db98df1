"""A board on the bench: snapshots that are put back in place, pins, ADC and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError, NotEmulatedError
from flashpipe.sim.bench import Bench, version

from tests.nodemcu import IN_PACKAGE, NodeMcu

Opener = Callable[..., Any]


@pytest.fixture
def port(tmp_path: Path, request: pytest.FixtureRequest, opener: Opener) -> Iterator[Any]:
    """An open port of a NodeMCU at its prompt."""
    board = NodeMcu.of(IN_PACKAGE, tmp_path / "flash", request)
    opened = opener(board.url, baudrate=115200)
    assert say(opened, "", "> ", limit_s=10.0)
    yield opened
    opened.close()


def say(port: Any, line: str, until: str, limit_s: float = 2.0) -> str:
    """Type a line; what the board says up to a text."""
    if line:
        port.write(line.encode() + b"\r")
    text, end_s = "", port.own_time() + limit_s
    while until not in text.partition("\n")[2 if line else 0] and port.own_time() < end_s:
        text += port.hear(0.1).decode("latin-1").replace("\r", "")
    return text


def test_what_is_put_back_goes_on_as_it_was_however_often(port: Any) -> None:
    bench = port.bench
    say(port, "n = 1", "> ")
    saved = bench.read(bench.save())
    for _ in range(2):
        assert "\n1\n" in say(port, "print(n)", "\n1\n")
        say(port, "n = 2 file.open('a', 'w') file.write('x') file.close()", "> ")
        say(port, "gpio.mode(1, gpio.OUTPUT) gpio.write(1, 0) gpio.write(1, 1)", "> ")
        assert "a" in say(port, "for k in pairs(file.list()) do print(k) end", "\na\n")
        assert bench.edges(5)
        before = bench.now_s
        bench.restore(saved)
        assert bench.now_s >= before
        assert bench.edges(5) == []
    assert "\nnil\n" in say(port, "print(file.list().a)", "\nnil\n")


def test_a_board_that_is_in_its_loader_is_put_back_too(port: Any) -> None:
    bench = port.bench
    saved = bench.read(bench.save())
    port.link.board.reset(port.link.own_time(), download=True)
    assert port.link.board.mode == "rom"
    bench.restore(saved)
    assert port.link.board.mode == "app"
    assert "\n7\n" in say(port, "print(7)", "\n7\n")


def test_a_snapshot_of_another_board_is_refused(port: Any, opener: Opener) -> None:
    saved = port.bench.read(port.bench.save())
    other = opener("sim://esp12?size=2MB&board=other")
    with pytest.raises(BadValueError):
        other.bench.restore(saved)
    with pytest.raises(BadValueError):
        port.bench.read(b"no snapshot")
    other.close()


def test_pins_of_gpio_and_rtc(port: Any) -> None:
    bench: Bench = port.bench
    say(port, "gpio.mode(0, gpio.INPUT) gpio.mode(1, gpio.INPUT) gpio.mode(2, gpio.OUTPUT) gpio.write(2, 0)", "> ")
    for pin, number in ((16, 0), (5, 1)):
        for high in (False, True):
            bench.set_pin(pin, high=high)
            assert bench.level(pin) is high
            assert f"\n{int(high)}\n" in say(port, f"print(gpio.read({number}))", f"\n{int(high)}\n")
    assert bench.level(4) is False
    assert [high for _, high in bench.edges(4)][-1] is False
    for pin in (-1, 17):
        with pytest.raises(BadValueError):
            bench.set_pin(pin, high=True)


def test_the_adc_and_its_bounds(port: Any) -> None:
    port.bench.adc = 1024
    assert port.bench.adc == 1024
    assert "\n1024\n" in say(port, "print(adc.read(0))", "\n1024\n")
    for value in (-1, 1025):
        with pytest.raises(BadValueError):
            port.bench.adc = value


def test_time_passes_without_a_wait(port: Any) -> None:
    say(port, "tmr.create():alarm(20000, 1, function() print('tick') end)", "> ")
    before = port.bench.now_s
    port.bench.advance(50)
    assert port.bench.now_s - before == pytest.approx(50, abs=0.1)
    assert port.hear(0.1).count(b"tick") == 2


def test_resets_are_counted(port: Any) -> None:
    assert port.bench.resets == 0
    say(port, "node.restart()", "powered by", 5.0)
    assert port.bench.resets == 1


def test_a_predicted_board_has_no_bench(opener: Opener) -> None:
    port = opener("sim://esp12?execute=off")
    with pytest.raises(NotEmulatedError):
        port.bench.save()
    port.close()


def test_its_version_is_that_of_its_sources() -> None:
    assert len(version()) == 64
    assert Bench.version() == version()
