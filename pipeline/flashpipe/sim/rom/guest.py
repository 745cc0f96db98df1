"""The program that runs on the board, as a function of the mask ROM sees it: registers, memory, devices, calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.cpu.contract import PS_INTLEVEL, Core, CoreState
from flashpipe.sim.devices.device import PERIPHERALS
from flashpipe.sim.devices.peripherals import Peripherals
from flashpipe.sim.memory import DRAM_SIZE, DRAM_START, FLASH_START, IRAM_SIZE, IRAM_START, BusError, Memory
from flashpipe.values import dataclass

ARGUMENT_REGISTERS: Final = 6
MASK: Final = 0xFFFFFFFF
HANG: Final = 0x4000FFF0
"""Address of the continuation that does nothing."""
SIGN: Final = 0x80000000
_FRAME: Final = 16
"""Stack frames are a multiple of 16 bytes (ABI)."""


def signed(value: int) -> int:
    """A word as a signed number."""
    return (value ^ SIGN) - SIGN


class StoreError(BusError):
    """A store where none is possible."""


@dataclass(slots=True)
class Guest:
    """One program and the chip it runs on."""

    core: Core
    memory: Memory
    devices: Peripherals
    restart: Callable[[], None]
    """Starts the ROM again, as a jump to the reset vector does."""

    @property
    def state(self) -> CoreState:
        """The core's registers."""
        return self.core.state

    # --- arguments and memory ----------------------------------------------------------------------------------------

    def argument(self, index: int) -> int:
        """The word of an argument: six come in registers, the others lie on the stack."""
        if index < ARGUMENT_REGISTERS:
            return self.state.a[2 + index]
        return self.memory.u32(self.state.a[1] + 4 * (index - ARGUMENT_REGISTERS))

    def spend(self, clocks: int) -> None:
        """Let time pass, in clocks of the core."""
        self.state.cycles += clocks >> self.state.fast

    def read(self, address: int, length: int) -> bytes:
        """Bytes of memory or, word by word, of registers; none where `length` is 0.

        Raises:
            BusError: nothing is there.
        """
        if not length:
            return b""
        if any(address in area for area in PERIPHERALS):
            first = address & ~3
            words = [self.devices.bus.read(at, 4) for at in range(first, address + length, 4)]
            whole = b"".join(word.to_bytes(4, "little") for word in words)
            return whole[address - first : address - first + length]
        return self.memory.read(address, length)

    def write(self, address: int, data: bytes) -> None:
        """Store bytes; the core forgets what it has decoded there. Registers get whole words.

        Raises:
            StoreError: nothing is there, or the flash.
        """
        if not data:
            return
        try:
            if any(address in area for area in PERIPHERALS):
                for at in range(0, len(data), 4):
                    self.devices.bus.write(address + at & ~3, 4, int.from_bytes(data[at : at + 4], "little"))
                return
            self.memory.write(address if address < FLASH_START else 0, data)
        except BusError as error:
            raise StoreError(error.address or address) from None
        if address - IRAM_START < IRAM_SIZE and address >= IRAM_START:
            self.core.flush(address, len(data))

    def set_u32(self, address: int, value: int) -> None:
        """Store a word."""
        self.write(address, (value & MASK).to_bytes(4, "little"))

    def byte(self, address: int) -> int:
        """One byte."""
        at = address - DRAM_START
        return self.memory.dram[at] if 0 <= at < DRAM_SIZE else self.memory.read(address, 1)[0]

    # --- going on ----------------------------------------------------------------------------------------------------

    def back(self) -> None:
        """Return to the caller."""
        self.state.pc = self.state.a[0]

    def push(self, *words: int) -> None:
        """Put words on the program's stack, in a frame of their own."""
        size = -(-4 * len(words) // _FRAME) * _FRAME
        self.state.a[1] = stack = self.state.a[1] - size & MASK
        self.memory.write(stack, b"".join((word & MASK).to_bytes(4, "little") for word in words))

    def pop(self, count: int) -> list[int]:
        """Take a frame of `count` words from the stack."""
        stack = self.state.a[1]
        words = self.peek(count)
        self.state.a[1] = stack + -(-4 * count // _FRAME) * _FRAME
        return words

    def peek(self, count: int) -> list[int]:
        """The words of the last frame, left where they are."""
        stack = self.state.a[1]
        return [self.memory.u32(stack + 4 * index) for index in range(count)]

    def poke(self, index: int, value: int) -> None:
        """Replace a word of the last frame."""
        self.memory.set_u32(self.state.a[1] + 4 * index, value)

    def hang(self) -> None:
        """Go on with nothing: only the watchdog, or a reset from outside, ends it."""
        self.state.pc = HANG
        self.state.ps |= PS_INTLEVEL

    def call(self, function: int, *arguments: int, resume: int) -> None:
        """Let the program run one of its functions, which returns to the continuation at `resume`."""
        registers = self.state.a
        for index, value in enumerate(arguments):
            registers[2 + index] = value & MASK
        registers[0] = resume
        self.state.pc = function
