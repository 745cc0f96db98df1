"""The cores do what QEMU did: a recorded slice of `python -m tests.bench.against_qemu`, made of random bytes only."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from tests.sim.cpu.cases import RECORD, Case, Player
from tests.sim.cpu.cores import CORES

ROWS: list[dict[str, Any]] = json.loads(RECORD.read_text())


@pytest.mark.parametrize("core", CORES)
def test_recorded_streams_end_as_in_qemu(core: str) -> None:
    player = Player(CORES[core])
    clean = player.memory.snapshot()
    for number, row in enumerate(ROWS):
        case = Case(**row["case"])
        player.memory.restore(clean)
        player.begin(case)
        for _ in range(case.steps):
            player.go_on()
        assert player.registers() == {**case.start(), **row["changed"]}, f"case {number}: {case}"
        assert zlib.crc32(player.memory.iram, zlib.crc32(player.memory.dram)) == row["ram"], f"case {number}: {case}"


def test_the_recorded_slice_holds_enough() -> None:
    assert len(ROWS) >= 250
    assert sum(row["case"]["steps"] for row in ROWS) >= 1500
