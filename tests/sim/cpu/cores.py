"""The cores that this machine can run, by name: every test of a core runs over all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from flashpipe.sim.cpu.c_core import CCore, Library
from flashpipe.sim.cpu.compiler import NoLibraryError, find_compiler, load_library
from flashpipe.sim.cpu.contract import Core, Devices
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.memory import Memory

NewCore = Callable[[Memory, Devices], Core]


@cache
def compiled() -> Library:
    """The compiled core, loaded once for all tests; where this machine has no compiler, they are named as not run."""
    if find_compiler() is None:
        pytest.skip("the core in C was not tried: this machine has no C compiler")
    try:
        return load_library(lambda _text: None, again=True)
    except NoLibraryError as error:
        pytest.fail(f"there is a compiler, but no core: {error}")


def c_core(memory: Memory, devices: Devices) -> Core:
    """A compiled core."""
    return CCore(compiled(), memory, devices)


def interpreter(memory: Memory, devices: Devices) -> Core:
    """Python's core, as long as nothing is hot."""
    return PythonCore(memory, devices, hot=1 << 60, warm=0)


def translator(memory: Memory, devices: Devices) -> Core:
    """Python's core, which translates everything at once."""
    return PythonCore(memory, devices, hot=0)


def mixture(memory: Memory, devices: Devices) -> Core:
    """Python's core, which goes from one way to the other all the time."""
    return PythonCore(memory, devices, hot=2)


CORES: dict[str, NewCore] = {"python": interpreter, "translated": translator, "mixed": mixture, "c": c_core}
