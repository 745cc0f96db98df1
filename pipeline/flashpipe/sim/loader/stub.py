"""What both flasher stubs share: how an uploaded stub is recognised, their main loop, and what their commands do alike.

The upload is recognised by its content, not by its entry address (esptool's own load-ram uploads other programs).
Where the versions differ, which is in most of what they refuse, each has its own module.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from flashpipe.sim.chip.nor import BLOCK, SECTOR
from flashpipe.sim.chip.registers import Registers, UnmappedError
from flashpipe.sim.loader.inflate import InflatedPiece, Inflater
from flashpipe.sim.loader.main_loop import Faulted, LoaderMachine, LoaderOutcome, Main, SerialLoader, Work, words
from flashpipe.sim.loader.rom import write_masked

BAD_LENGTH, BAD_CHECKSUM, BAD_BLOCK, INVALID, SPI_FAILED, NOT_BEGUN = 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC6
INFLATE, NOT_ENOUGH, TOO_MUCH, NOT_IMPLEMENTED = 0xC7, 0xC8, 0xC9, 0xFF
"""First status byte of the stubs (facts: esp8266-protocol §3.9)."""
WINDOW: Final = 0x8000
"""Bytes of inflated data that are written at once."""
GREETING: Final = b"OHAI"
_ENTRIES: Final = {0x4010D004: (1, 0x4010D000), 0x4010C504: (2, 0x4010C500)}
"""Entry: version and first address of its text, as esptool 5.6 ships them (facts: esp8266-protocol §3.5)."""
_TEXT_SIZES: Final = {1: 8276, 2: 11456}
_SEARCH: Final = 0x4000


def recognise(registers: Registers, entry: int) -> int | None:
    """The version of the stub that stands in RAM around `entry`; None where it is some other program."""
    near = registers.load(max(0x40100000, entry - 16), _SEARCH)
    if GREETING not in near:
        return None
    if entry in _ENTRIES:
        return _ENTRIES[entry][0]
    # A stub linked elsewhere: the longer text is the younger one.
    text = len(near.rstrip(b"\0"))
    return 1 if text < (_TEXT_SIZES[1] + _TEXT_SIZES[2]) // 2 else 2


Command = Callable[[bytes, int], Work]
"""Does what a command's data and checksum field ask for."""


class Stub(SerialLoader):
    """The main loop of both versions, and the work that they do alike."""

    def __init__(self, machine: LoaderMachine, now: float, *, greet: bool = True) -> None:
        self._greet = greet
        self.status = 0
        """First status byte of the command that is being worked on."""
        self.after: Callable[[], Work] | None = None
        """What is done once the command has been acknowledged."""
        self.outcome: LoaderOutcome | None = None
        self.is_open = False
        """BEGIN has come, and END has not."""
        self.left = self.at = 0
        """Bytes still to be written, and where they go."""
        self.inflater = Inflater()
        self.window = b""
        """Inflated and not written yet."""
        super().__init__(machine, now)

    @property
    def start_us(self) -> float:
        """From the jump to the greeting."""
        raise NotImplementedError

    @property
    def command_us(self) -> float:
        """From the end of a frame to the work on it."""
        raise NotImplementedError

    @property
    def inflate_costs(self) -> tuple[float, float]:
        """CPU cycles for each byte that the inflater gives and takes."""
        raise NotImplementedError

    def main(self) -> Main:
        """Greet, then take one command after the other."""
        self.machine.registers.attach_flash()
        if self._greet:
            yield self.start_us * 1e-6
            yield from self.send(GREETING)
        while self.outcome is None:
            frame = yield None
            if frame is not None:
                yield self.command_us * 1e-6
                yield from self.command(frame)
        return self.outcome

    def command(self, frame: bytes) -> Work:
        """Judge a frame, do what it asks for, answer."""
        raise NotImplementedError

    # --- registers ---------------------------------------------------------------------------------------------------

    def register(self, data: bytes) -> int:
        """What READ_REG gives.

        Raises:
            Faulted: nothing there.
        """
        try:
            return self.machine.registers.read(words(data)[0])
        except UnmappedError:
            raise Faulted from None

    def write_registers(self, data: bytes) -> Work:
        """WRITE_REG: address, value, mask and a delay, any number of times."""
        values = words(data)
        for at in range(0, len(values), 4):
            address, value, mask, delay_us = values[at : at + 4]
            yield delay_us * 1e-6
            write_masked(self, address, value, mask)

    # --- flash -------------------------------------------------------------------------------------------------------

    def write(self, address: int, data: bytes) -> Work:
        """ROM SPIWrite: 32-byte programs, the CPU waits for each (facts: stub-executed §5)."""
        yield from self.flash_idle()
        yield self.machine.spi_time(len(data)) + self.nor.program(address, data)

    def read_time(self, size: int) -> Work:
        """ROM SPIRead takes its time; the bytes themselves are `nor.read`."""
        yield from self.flash_idle()
        yield self.machine.spi_time(size)

    def start_erase(self, address: int, left: int) -> int:
        """Begin the erase of a 64 KB block where aligned and `left` allows it, else of a sector; bytes it covers."""
        if address % BLOCK == 0 and left >= BLOCK:
            self.start_flash(self.nor.erase_block(address))
            return BLOCK
        self.start_flash(self.nor.erase_sector(address))
        return SECTOR

    def erase_whole(self) -> Work:
        """Erase everything, and wait for it."""
        yield from self.flash_idle()
        self.start_flash(self.nor.erase_chip())
        yield from self.flash_idle()

    def inflate_some(self, data: bytes, *, zlib_format: bool) -> Generator[float | None, bytes | None, InflatedPiece]:
        """Inflate until the window is full or `data` used up, at the CPU's pace."""
        piece = self.inflater.run(data, WINDOW - len(self.window), zlib_format=zlib_format)
        cycles_out, cycles_in = self.inflate_costs
        yield self.costs.cycles(len(piece.data) * cycles_out + piece.used * cycles_in)
        self.window += piece.data
        return piece

    def take_window(self) -> bytes:
        """What has been inflated; the window is empty afterwards."""
        data, self.window = self.window, b""
        return data
