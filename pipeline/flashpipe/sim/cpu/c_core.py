"""The core in C: `core.c`, compiled by `compile`, called with ctypes."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path
from typing import Final

from flashpipe.sim.cpu.contract import CoreState, Devices, Stop
from flashpipe.sim.memory import FLASH_SIZE, FLASH_START, IRAM_SIZE, ROM_SIZE, BusError, Memory
from flashpipe.sim.register_file import SIZE, RegisterFile

_READ, _WRITE = 16, 17
"""What core_run returns besides the stops: the devices are asked."""
_STOPS: Final = {int(stop): stop for stop in Stop}
_CODE_SIZE: Final = 12
"""Bytes of `Code`, one decoded instruction."""
_SENTINELS: Final = 4
"""Blank entries behind the last address: a wide instruction may end there."""


class _Code(ctypes.Structure):
    """`Code` of core.c."""

    _fields_ = (("op", ctypes.c_uint8 * 6), ("imm", ctypes.c_uint32))


class _Context(ctypes.Structure):
    """`Core` of core.c."""

    _fields_ = (
        ("state", ctypes.POINTER(CoreState)),
        ("dram", ctypes.c_void_p),
        ("iram", ctypes.c_void_p),
        ("flash", ctypes.c_void_p),
        ("rom", ctypes.c_void_p),
        ("iram_code", ctypes.c_void_p),
        ("flash_code", ctypes.c_void_p),
        ("rom_code", ctypes.c_void_p),
        ("hooks", ctypes.c_void_p),
        ("hook_count", ctypes.c_uint32),
        ("past", ctypes.c_uint32),
        ("access", ctypes.c_uint32),
        ("address", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("value", ctypes.c_uint32),
        ("asking", _Code),
        ("failed", ctypes.c_uint32),
        ("registers", ctypes.c_void_p),
    )

    access: int
    address: int
    size: int
    value: int
    failed: int


class Library:
    """The compiled core, loaded into this process.

    The GIL is kept while C runs: a run ends at its horizon, and handing the GIL over would cost more than most runs.
    """

    def __init__(self, path: Path) -> None:
        """Load it.

        Raises:
            OSError: the system refuses, or it is no core of this version.
        """
        library = ctypes.PyDLL(str(path))
        try:
            self.run, self.flush, sizes = library.core_run, library.core_flush, library.core_sizes
            registers = library.core_registers
        except AttributeError as error:
            raise OSError(f"{path} is no core") from error
        sizes.restype = registers.restype = ctypes.c_uint32
        layout = ctypes.sizeof(CoreState) << 20 | ctypes.sizeof(_Context) << 8 | ctypes.sizeof(_Code)
        if sizes() != layout or registers() != SIZE:
            raise OSError(f"{path} was compiled for another layout")
        self.run.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        self.run.restype = ctypes.c_int
        self.flush.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
        self.flush.restype = None


class CCore:
    """An lx106 that runs in C and comes back to Python for devices and hooks."""

    name = "c"

    def __init__(self, library: Library, memory: Memory, devices: Devices) -> None:
        self.memory = memory
        self.devices = devices
        self.state = CoreState()
        self.state.reset()
        self._library = library
        # Anonymous mappings: zero, and no memory is taken for addresses that hold no code.
        self._decoded = [mmap.mmap(-1, _CODE_SIZE * (size + _SENTINELS)) for size in (IRAM_SIZE, FLASH_SIZE, ROM_SIZE)]
        arrays: list[bytearray | mmap.mmap] = [memory.dram, memory.iram, memory.flash, memory.rom, *self._decoded]
        self._pinned = [(ctypes.c_uint8 * len(array)).from_buffer(array) for array in arrays]
        registers = getattr(devices, "registers", None)
        if isinstance(registers, RegisterFile):
            self._pinned.append((ctypes.c_uint8 * len(registers.buffer)).from_buffer(registers.buffer))
        self._hooks: ctypes.Array[ctypes.c_uint32] = (ctypes.c_uint32 * 0)()
        self._context = _Context(ctypes.pointer(self.state), *(ctypes.addressof(pinned) for pinned in self._pinned))
        if isinstance(registers, RegisterFile):
            self._context.registers = ctypes.addressof(self._pinned[-1])
        self._pointer = ctypes.addressof(self._context)

    def run(self) -> Stop:
        """Execute until one of the reasons to stop."""
        run, pointer, context = self._library.run, self._pointer, self._context
        stop = run(pointer, 0)
        while stop >= _READ:
            answer = 0
            try:
                if stop == _READ:
                    answer = self.devices.read(context.address, context.size)
                else:
                    self.devices.write(context.address, context.size, context.value)
            except BusError:
                context.failed = 1
            except BaseException:
                context.access = 0
                raise
            stop = run(pointer, answer)
        return _STOPS[stop]

    def set_hooks(self, addresses: frozenset[int]) -> None:
        """Stop the run at these addresses, besides the mask ROM. Replaces what was set."""
        touched = {*self._hooks, *addresses}
        self._hooks = (ctypes.c_uint32 * len(addresses))(*sorted(addresses))
        self._context.hooks = ctypes.addressof(self._hooks)
        self._context.hook_count = len(addresses)
        for address in touched:
            self.flush(address, 1)

    def flush(self, start: int, length: int) -> None:
        """Forget what was decoded of these addresses."""
        self._library.flush(self._pointer, start, length)

    def flash_changed(self, start: int, length: int) -> None:
        """Forget what was decoded of the flash window; `start` counts from the window's first byte."""
        self.flush(FLASH_START + start, length)
