"""A host whose limits count in the board's time: it sees the same board however slow the machine of both is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import parse_url

from tests.sim.test_board import Wall, lines


class Host:
    """Waits for one board, on a machine that needs `nap` seconds for each moment of waiting."""

    def __init__(self, line: HostLine, wall: Wall, nap_s: Callable[[float], float] = lambda nap_s: nap_s) -> None:
        self.line, self.wall, self.nap_s = line, wall, nap_s
        self.log: list[tuple[float, bytes]] = []

    def pause(self, seconds: float) -> bool:
        self.wall.seconds += self.nap_s(seconds)
        return True

    def hear(self, limit_s: float) -> bytes:
        data = self.line.hear(limit_s, self.pause)
        self.log.append((round(self.line.own_time(), 6), data))
        return data


def new(url: str, nap_s: Callable[[float], float] = lambda nap_s: nap_s) -> Host:
    setup, wall = parse_url(url), Wall()
    return Host(HostLine(setup.spec, setup.factor, wall=wall), wall, nap_s)


def watch(host: Host) -> list[tuple[float, bytes]]:
    """A reset, and two seconds of what comes of it, with a line end in between and rates that follow."""
    host.line.own_time()
    host.line.set_baud(74_880)
    lines(host.line, "R1")
    host.wall.seconds += 0.1
    lines(host.line, "R0")
    for turn in range(60):
        host.wall.seconds += host.nap_s(0.001)  # what the host does in between takes its time
        if host.hear(0.05) and b"csum" in b"".join(data for _, data in host.log):
            host.line.set_baud(115_200)
        if turn == 50:
            host.line.write(b"\r")
    return host.log


@pytest.mark.parametrize("url", [
    "sim://esp12?execute=off&mac=5c:cf:7f:00:00:07", "sim://esp12?fill=ff&mac=5c:cf:7f:00:00:07",
])  # fmt: skip
def test_what_a_host_hears_is_no_matter_of_the_machines_load(url: str) -> None:
    quick, starved = watch(new(url)), watch(new(url, lambda nap_s: nap_s + 3.0))
    assert any(data for _, data in quick)
    assert quick == starved


def test_time_stands_while_such_a_host_does_not_wait() -> None:
    host = new("sim://esp12")
    before = host.line.own_time()
    host.wall.seconds += 100.0
    assert host.line.own_time() == before
    host.line.write(b"x")
    assert host.line.own_time() == before


def test_a_limit_is_board_time() -> None:
    host = new("sim://esp12?fill=ff")
    lines(host.line, "R1")  # it is held in reset, and says nothing
    before, wall_s = host.line.own_time(), host.wall.seconds
    assert host.hear(6.0) == b""
    assert host.line.own_time() == pytest.approx(before + 6.0)
    assert host.wall.seconds - wall_s < 1.0


def test_a_host_that_waits_for_hardly_anything_gets_on_all_the_same(opener: Any) -> None:
    port = opener("sim://esp12?fill=ff")
    port.dtr, port.rts = False, True
    port.reset_input_buffer()
    before = port.own_time()
    port.hear(1e-12)
    assert port.own_time() > before


def test_pulses_of_the_lines_last_as_long_as_the_host_makes_them() -> None:
    host = new("sim://esp12")
    before = host.line.own_time()
    lines(host.line, "R1")
    host.wall.seconds += 0.25
    lines(host.line, "R0")
    host.wall.seconds += 7.0  # until it comes round to waiting
    assert host.line.own_time() == pytest.approx(before + 0.25)


def test_a_plain_read_counts_on_the_wall_again() -> None:
    host = new("sim://esp12")
    before = host.line.own_time()
    assert host.line.waiting() == 0
    host.wall.seconds += 0.5
    assert host.line.waiting() >= 0
    assert host.line.own_time() == pytest.approx(before + 50.0)


def test_in_real_time_it_passes_as_on_the_wall() -> None:
    host = new("sim://esp12?time=real")
    lines(host.line, "R1")
    before = host.line.own_time()
    host.wall.seconds += 2.0
    assert host.line.own_time() == pytest.approx(before + 2.0)
    host.hear(0.5)
    assert host.wall.seconds == pytest.approx(2.5, abs=0.3)


def test_bytes_at_another_rate_are_handed_over_apart() -> None:
    host = new("sim://esp12")
    lines(host.line, "R1")
    host.line.clear_received()
    host.line.set_baud(74_880)
    host.line.own_time()
    outbound = host.line.board.uart.outbound
    outbound.send(b"rom", 0.0, 74_880)
    outbound.send(b"firmware", 0.0, 115_200)
    assert host.hear(1.0) == b"rom"
    host.line.set_baud(115_200)
    assert host.hear(1.0) == b"firmware"


def test_a_port_that_vanishes_is_told() -> None:
    host = new("sim://esp12")
    lines(host.line, "R1")
    host.line.clear_received()
    host.line.add_fault("unplug:0")
    host.line.write(b"x")
    with pytest.raises(PortGoneError):
        host.hear(1.0)


def test_a_port_tells_the_boards_time(opener: Any) -> None:
    port = opener("sim://esp12?fill=ff")
    port.dtr, port.rts = False, True
    port.reset_input_buffer()
    before = port.own_time()
    assert port.hear(30.0) == b""
    assert port.own_time() == pytest.approx(before + 30.0)
    port.write(b"x")
    assert port.own_time() == pytest.approx(before + 30.0)


def test_a_slow_program_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each look its machine executes a hundredth of what the limit holds."""
    host = new("sim://esp12?time=real", lambda nap_s: nap_s + 1.0)
    lines(host.line, "R1")
    before = host.line.own_time()
    looks = 0

    def late(_now: float, steps: int = 0, more: Callable[[], bool] = lambda: True) -> None:
        nonlocal looks
        del steps, more
        looks += 1
        host.line.board.behind = before + looks * 0.005 if looks < 100 else None

    monkeypatch.setattr(host.line.board, "advance", late)
    host.hear(0.5)
    assert looks >= 100
