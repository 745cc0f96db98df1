"""What a machine does, as lines: functions of the ROM with their arguments, accesses to registers, resets."""

from __future__ import annotations

from collections.abc import Callable

from flashpipe.sim.devices.agenda import CYCLES_PER_US
from flashpipe.sim.machine import Machine
from flashpipe.sim.rom.names import describe


class Trace:
    """Writes a line for each ROM function that is called and each register that is accessed."""

    def __init__(self, machine: Machine, write: Callable[[str], None]) -> None:
        self._machine = machine
        self._write = write
        machine.devices.bus.watch(self._access)
        machine.rom.watch(self._call)

    def _line(self, text: str) -> None:
        state = self._machine.state
        self._write(f"{state.cycles // CYCLES_PER_US:>10} us  {state.pc:08x}  {text}")

    def _access(self, how: str, address: int, value: int) -> None:
        self._line(f"{how} {address:08x} = {value:08x}")

    def _call(self, address: int) -> None:
        a = self._machine.state.a
        arguments = ", ".join(f"{a[register]:x}" for register in range(2, 6))
        self._line(f"{describe(address)}({arguments}) from {a[0]:08x}")
