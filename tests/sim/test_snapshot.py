"""A machine as bytes and back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim import snapshot
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.machine import Machine

from tests.sim.executed import MS, Bench, Booted, new_machine


@pytest.fixture(scope="module")
def running(firmware: Path) -> Machine:
    """NodeMCU 1.5.4.1 on its first boot, in the middle of formatting its file system."""
    board = Booted.of(firmware)
    board.until("Formatting", timeout_s=20)
    board.machine.advance(board.machine.state.cycles + 700 * MS)
    return board.machine


def said(machine: Machine, milliseconds: int) -> list[tuple[int, int, bytes]]:
    outputs = machine.advance(machine.state.cycles + milliseconds * MS)
    return [(output.cycle, output.baud, bytes(output.data)) for output in outputs]


def as_seen(machine: Machine) -> tuple[object, ...]:
    return (
        bytes(machine.state),
        machine.memory.snapshot(),
        json.dumps(machine.devices.snapshot()),
        bytes(machine.nor.cells[0 : machine.nor.size]),
        machine.now_s,
        machine.log.resets,
    )


def test_what_was_saved_goes_on_like_the_one_that_stayed(running: Machine) -> None:
    saved = snapshot.save(running)
    first, second = snapshot.load(saved), snapshot.load(saved)
    assert first.core.name == running.core.name
    assert first.nor is not second.nor
    assert as_seen(first) == as_seen(running)
    ends = [(said(machine, 20_000), as_seen(machine)) for machine in (first, second)]
    assert ends[0] == ends[1]
    assert b"".join(data for _, _, data in ends[0][0]).decode("latin-1").endswith("> ")


def test_saving_changes_nothing(running: Machine) -> None:
    before = as_seen(running)
    assert snapshot.save(running) == snapshot.save(running)
    assert as_seen(running) == before


def test_another_core_goes_on_the_same(running: Machine) -> None:
    saved = snapshot.save(running)
    first, second = snapshot.load(saved), snapshot.load(saved, PythonCore)
    assert second.core.name == "python"
    assert (said(first, 5), as_seen(first)) == (said(second, 5), as_seen(second))


def test_options_are_kept() -> None:
    machine = snapshot.load(
        snapshot.save(new_machine(mac="5c:cf:7f:00:00:07", adc=77, modes=frozenset((2, 3)), seed=5))
    )
    assert machine.options.mac == "5c:cf:7f:00:00:07"
    assert machine.options.modes == {2, 3}
    assert machine.devices.adc.value == 77
    assert machine.options.seed == 5


def test_bytes_under_way_arrive() -> None:
    bench = Bench()
    bench.machine.receive(b"xyz", 115200)
    machine = snapshot.load(snapshot.save(bench.machine))
    assert [value for value, _ in machine.devices.uarts[0].incoming] == list(b"xyz")


def content_of(data: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(zlib.decompress(data[len(snapshot.MAGIC) :]))
    return loaded


def packed(content: object) -> bytes:
    return snapshot.MAGIC + zlib.compress(json.dumps(content).encode())


def without(name: str) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        content = content_of(data)
        del content[name]
        return packed(content)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda _data: b"",
        lambda data: b"\xe9" + data,
        lambda data: data[:-5],
        lambda data: data[: len(snapshot.MAGIC)],
        lambda _data: packed([1, 2]),
        lambda data: packed({**content_of(data), "core": "00"}),
        lambda data: packed({**content_of(data), "part": "no such part"}),
        lambda data: packed({**content_of(data), "memory": ["", "", ""]}),
        lambda data: packed({**content_of(data), "window": 3}),
        lambda data: packed({**content_of(data), "devices": []}),
        without("options"),
        without("cells"),
        without("resets"),
    ],
)
def test_what_is_no_snapshot_is_refused(change: Callable[[bytes], bytes]) -> None:
    good = snapshot.save(new_machine(size=256 * 1024))
    with pytest.raises(BadValueError):
        snapshot.load(change(good))
