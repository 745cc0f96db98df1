"""What a machine does, as lines and as shares."""

from __future__ import annotations

import re

from flashpipe.sim.trace import Profile, Trace

from tests.sim.cpu.assembler import asm
from tests.sim.executed import ADDRESSES, CODE, MS, Bench


def test_functions_and_registers_are_told() -> None:
    bench = Bench()
    lines: list[str] = []
    Trace(bench.machine, lines.append)
    bench.call("uart_div_modify", 0, 0x2B6)
    assert "uart_div_modify(0, 2b6, " in lines[0]
    assert re.fullmatch(r" *\d+ us  [0-9a-f]{8}  .*", lines[0])
    bench.devices.bus.write(0x60000304, 4, 0x10)
    assert "60000304 = 00000010" in lines[-1]
    assert f"{ADDRESSES['uart_div_modify']:08x}" in lines[0]


def test_shares_add_up() -> None:
    bench = Bench()
    profile = Profile(bench.machine)
    bench.state.pc = bench.load(asm("j", 0))
    for _ in range(3):
        bench.machine.advance(bench.state.cycles + MS)
        profile(bench.machine)
    ((name, count),) = profile.by_name(lambda address: "spin" if address == CODE else "else")
    assert (name, count) == ("spin", bench.state.instructions)
