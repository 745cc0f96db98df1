from __future__ import annotations

import pytest
from flashpipe.sim.cpu.c_core import CCore
from flashpipe.sim.cpu.compiler import NoLibraryError, find_compiler, load_library
from flashpipe.sim.cpu.contract import Core, Devices
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.memory import Memory

from tests.sim.cpu.machines import Bench, NewCore


def c_core(memory: Memory, devices: Devices) -> Core:
    """A compiled core; where this machine has no compiler, the test is named as not run."""
    if find_compiler() is None:
        pytest.skip("the core in C was not tried: this machine has no C compiler")
    try:
        return CCore(load_library(lambda _text: None, again=True), memory, devices)
    except NoLibraryError as error:
        pytest.fail(f"there is a compiler, but no core: {error}")


def interpreter(memory: Memory, devices: Devices) -> Core:
    """Python's core, as long as nothing is hot."""
    return PythonCore(memory, devices)


CORES: dict[str, NewCore] = {"python": interpreter, "c": c_core}


@pytest.fixture(params=CORES)
def new_core(request: pytest.FixtureRequest) -> NewCore:
    """Makes a core; every test that uses it runs over all of them."""
    return CORES[request.param]


@pytest.fixture
def bench(new_core: NewCore) -> Bench:
    return Bench(new_core)
