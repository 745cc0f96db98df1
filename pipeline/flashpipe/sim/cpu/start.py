"""Which core a board gets."""

from __future__ import annotations

from flashpipe.sim.cpu.contract import Core, Devices
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.memory import Memory


def start_core(memory: Memory, devices: Devices) -> Core:
    """A core, reset, for this memory and these devices."""
    return PythonCore(memory, devices)
