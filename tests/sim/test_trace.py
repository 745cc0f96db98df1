"""What a machine does, as lines and as shares."""

from __future__ import annotations

import re

from flashpipe.sim.trace import Trace

from tests.sim.executed import ADDRESSES, Bench


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
