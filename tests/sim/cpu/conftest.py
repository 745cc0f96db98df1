from __future__ import annotations

import pytest

from tests.sim.cpu.cores import CORES, NewCore
from tests.sim.cpu.machines import Bench


@pytest.fixture(params=CORES)
def new_core(request: pytest.FixtureRequest) -> NewCore:
    """Makes a core; every test that uses it runs over all of them."""
    return CORES[request.param]


@pytest.fixture
def bench(new_core: NewCore) -> Bench:
    return Bench(new_core)
