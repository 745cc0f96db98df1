"""A whole machine as bytes, flash included, and back: to go on later, or in another process, with the same result.

The format is our own: a line that names it, then JSON in zlib. It holds no code; a machine is made anew and filled.
"""

from __future__ import annotations

import base64
import ctypes
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.chip import Strap
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.parts import part_by_name
from flashpipe.sim.cpu.contract import Core, CoreState
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.machine import Machine, MachineOptions, Output, Reset
from flashpipe.sim.memory import FLASH_SIZE, IRAM_SIZE, IRAM_START
from flashpipe.values import dataclass

MAGIC: Final = b"flashpipe machine 3\n"
_NOR: Final = ("status", "status2", "write_enabled", "powered_down", "busy_until", "stuck_busy", "absent")
_MACHINE: Final = ("cause", "origin_s", "stopped", "asleep")


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 1)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def save(machine: Machine) -> bytes:
    """The machine between two calls of `advance`."""
    options = asdict(machine.options)
    options["modes"] = sorted(machine.options.modes)
    dram, iram, flash = machine.memory.snapshot()
    content = {
        "options": options,
        "part": machine.nor.part.name,
        "cells": _packed(bytes(machine.nor.cells[0 : machine.nor.size])),
        "nor": {name: getattr(machine.nor, name) for name in _NOR},
        "core": bytes(machine.state).hex(),
        "memory": [_packed(dram), _packed(iram), _packed(flash)],
        "devices": machine.devices.snapshot(),
        "strap": asdict(machine.strap),
        "machine": {name: getattr(machine, name) for name in _MACHINE},
        "window": list(machine.window),
        "outputs": [[output.cycle, output.baud, output.data.hex(), output.ends] for output in machine.outputs],
        "resets": [[reset.cycle, reset.kind, reset.cause] for reset in machine.log.resets],
    }
    return MAGIC + zlib.compress(json.dumps(content).encode(), 6)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A machine as bytes, read once and put back as often as wanted."""

    content: dict[str, Any]
    cells: bytes
    """Of the flash."""
    memory: tuple[bytes, bytes, bytes]
    core: bytes


def read(data: bytes) -> Snapshot:
    """What `save` gave.

    Raises:
        BadValueError: it is that of another version, or damaged.
    """
    if not data.startswith(MAGIC):
        raise BadValueError("this is no snapshot of this version", "make it again with --snapshot")
    try:
        content: dict[str, Any] = json.loads(zlib.decompress(data[len(MAGIC) :]))
        core = bytes.fromhex(content["core"])
        if len(core) != ctypes.sizeof(CoreState):
            raise ValueError("another core")  # noqa: TRY301  told as the others below
        dram, iram, flash = (_unpacked(text) for text in content["memory"])
        return Snapshot(content, _unpacked(content["cells"]), (dram, iram, flash), core)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise _damaged(error) from error


def load(data: bytes, make_core: Callable[..., Core] = start_core) -> Machine:
    """A machine that goes on where the saved one was.

    Raises:
        BadValueError: not what `save` gave, or of another version.
    """
    snapshot = read(data)
    known = {field.name for field in fields(MachineOptions)}
    try:
        options = {name: value for name, value in snapshot.content["options"].items() if name in known}
        options["modes"] = frozenset(options["modes"])
        nor = Nor(bytearray(len(snapshot.cells)), part_by_name(snapshot.content["part"]))
        machine = Machine(nor, MachineOptions(**options), make_core)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(error) from error
    restore(machine, snapshot)
    return machine


def restore(machine: Machine, snapshot: Snapshot) -> None:
    """Put a machine of the same make back to where the saved one was.

    Raises:
        BadValueError: the snapshot is damaged, or of a machine with another flash.
    """
    if len(snapshot.cells) != machine.nor.size:
        raise BadValueError("the snapshot is of a machine with another flash", "make it again")
    try:
        _fill(machine, snapshot)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> BadValueError:
    return BadValueError(f"a damaged snapshot: {error}", "make it again with --snapshot")


def _fill(machine: Machine, snapshot: Snapshot) -> None:
    content = snapshot.content
    machine.nor.cells[0 : machine.nor.size] = snapshot.cells
    for name, value in content["nor"].items():
        setattr(machine.nor, name, value)
    machine.memory.restore(snapshot.memory)
    ctypes.memmove(ctypes.byref(machine.state), snapshot.core, len(snapshot.core))
    machine.core.flush(IRAM_START, IRAM_SIZE)
    machine.core.flash_changed(0, FLASH_SIZE)
    machine.devices.restore_from(content["devices"])
    machine.strap = Strap(**content["strap"])
    machine.halted = False
    for name, value in content["machine"].items():
        setattr(machine, name, value)
    machine.window = (int(content["window"][0]), bool(content["window"][1]))
    machine.outputs = [
        Output(cycle, baud, bytearray.fromhex(text), ends) for cycle, baud, text, ends in content["outputs"]
    ]
    machine.log.resets = [Reset(*reset) for reset in content["resets"]]
