"""All cores are equal bit for bit, cycles included: random programs, side by side."""

from __future__ import annotations

from random import Random

import pytest
from flashpipe.sim.memory import FLASH_START
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.cpu.cores import CORES
from tests.sim.cpu.lockstep import Start, compare
from tests.sim.cpu.machines import CODE, USER
from tests.sim.cpu.programs import (
    SHAPES,
    TAME,
    addresses,
    programs,
    random_program,
    random_registers,
    tame_registers,
    values,
)

PAIRS = [("python", other) for other in CORES if other != "python"]
"""All against the interpreter, which is the plainest."""
PLACES = [CODE, CODE + 1, CODE + 2, FLASH_START + 0x1003]
MODES = [USER, USER, USER, USER | 1, USER | 0x10, 0, 0x1F]
HORIZONS = [0, 1, 2, 3, 5, 17, 63, 64, 65, 100, 300, 1000]
LEAST = 40_000
"""Instructions that the seeded programs of one test execute at least."""


@st.composite
def starts(draw: st.DrawFn) -> Start:
    code = draw(programs)
    at = draw(st.sampled_from(PLACES))
    return Start(
        code=code,
        at=at,
        registers=draw(st.lists(st.one_of(addresses(at), addresses(at), values), min_size=16, max_size=16)),
        sar=draw(st.integers(0, 63)),
        ps=draw(st.sampled_from(MODES)),
        fast=draw(st.booleans()),
        intenable=draw(st.sampled_from([0, 0x7FFF, 0x7FFF, 0x80, 0x40])),
        hooks=draw(st.sets(st.integers(at, at + len(code)), max_size=2).map(frozenset)),
        data=draw(st.binary(max_size=64)),
        horizons=draw(st.lists(st.sampled_from(HORIZONS), min_size=1, max_size=5)),
    )


@pytest.mark.parametrize(("one", "two"), PAIRS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(start=starts())
def test_cores_walk_in_step(one: str, two: str, start: Start) -> None:
    compare(CORES[one], CORES[two], start)


def seeded_start(seed: int) -> Start:
    """A long random program, always the same for a seed."""
    random = Random(seed)
    at = random.choice(PLACES)
    wild = seed % 3 == 0
    code = random_program(random, 120, SHAPES if wild else TAME)
    return Start(
        code=code,
        at=at,
        registers=random_registers(random, at) if wild else tame_registers(random),
        sar=random.randrange(64),
        ps=random.choice(MODES),
        fast=bool(seed & 1),
        intenable=random.choice([0, 0x7FFF, 0x80]),
        hooks=frozenset(at + random.randrange(len(code)) for _ in range(random.randrange(3))),
        data=random.randbytes(64),
        horizons=[random.choice(HORIZONS) for _ in range(4)],
    )


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_cores_walk_in_step_for_long(one: str, two: str) -> None:
    executed = seed = 0
    while executed < LEAST:
        try:
            executed += compare(CORES[one], CORES[two], seeded_start(seed), rounds=60)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        seed += 1
