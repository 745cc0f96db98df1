"""The mask ROM's serial loader.

Facts: esp8266-protocol §3.3 (SYNC), §3.4 (opcodes), §3.6 (erase bug), §3.9 (error codes). What the ROM sends for
opcodes it lacks, and its status for most mistakes, is not known; the choices here are parameters or named as such.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from flashpipe.sim.chip.chip import ROM_FLASH_ID
from flashpipe.sim.chip.nor import BLOCK, SECTOR
from flashpipe.sim.chip.registers import UnmappedError
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import (
    HEADER,
    SYNC_PAYLOAD,
    Faulted,
    LoaderMachine,
    LoaderOutcome,
    Main,
    SerialLoader,
    Work,
    reply,
    words,
)
from flashpipe.sim.loader.main_loop import checksum as xor_checksum

SYNC_VALUE: Final = 0x20120707
"""Value field of the ROM's SYNC replies (facts: esp8266-protocol §3.3)."""
INVALID: Final = b"\x01\x05"
"""Status for a command the ROM does not take: invalid message."""
BAD_CHECKSUM: Final = b"\x01\x07"
NOT_BEGUN: Final = b"\x01\x06"
"""DATA without BEGIN; unconfirmed."""
DRAIN_FRAMES: Final = 8
"""esptool's comments say that the answer to an unknown command comes eight times (facts: esp8266-protocol §3.4)."""
WRITE_FAILED: Final = b"\x01\x06"
"""Status of DATA that the flash functions refuse; unconfirmed."""
FLASH_CHIP: Final = 0x3FFFC714
"""Symbol `flashchip` of the SDK's linker scripts: a pointer to six words about the flash."""
_ELSEWHERE: Final = 0x3FFFDE00


def know_flash(machine: LoaderMachine) -> None:
    """What the ROM's start leaves in RAM about the flash: ID, size, block, sector, page, status mask."""
    costs, registers = machine.costs, machine.registers
    registers.store(FLASH_CHIP, struct.pack("<I", int(costs.rom_chip_words)))
    known = (ROM_FLASH_ID, int(costs.rom_chip_size), BLOCK, SECTOR, 0x100, 0xFFFF)
    registers.store(_chip_words(machine), struct.pack("<6I", *known))


def rom_chip_size(machine: LoaderMachine) -> int:
    """Flash size that the ROM's read and write functions go by, which a host may change in RAM."""
    return machine.registers.read(_chip_words(machine) + 4)


def set_chip_size(machine: LoaderMachine, size: int) -> None:
    """SPIParamCfg: tells them another one."""
    machine.registers.store(_chip_words(machine) + 4, struct.pack("<I", size))


def _chip_words(machine: LoaderMachine) -> int:
    return int(machine.costs.rom_chip_words) or _ELSEWHERE


class RomLoader(SerialLoader):
    """Download mode. `security_info` is how opcode 0x14 and every other unknown one is answered."""

    rules = slip.ROM_RULES

    def __init__(self, machine: LoaderMachine, now: float, *, drain: bool, locked: bool = False) -> None:
        self._drain = drain
        self._locked = locked
        """Whether the baud rate has been measured."""
        self._lost_syncs = int(machine.costs.rom_lost_syncs)
        self._ram_left = self._ram_at = 0
        self._flash_left: int | None = None
        self._flash_at = 0
        self._done: LoaderOutcome | None = None
        super().__init__(machine, now)

    def hears(self, data: bytes, baud: float, burst: bytes) -> bytes:
        """Before the first SYNC any rate is right: the ROM measures it on the train of 0x55."""
        if not self._locked and baud <= self.costs.rom_max_baud and burst.count(b"\x55") >= 8:  # noqa: PLR2004
            self.uart.set_baud(baud)
            self._locked = True
        return super().hears(data, baud, burst) if self._locked else b"\0" * len(data)

    def main(self) -> Main:
        """Take a command, do it, answer."""
        handlers: dict[int, Callable[[bytes, int], Work]] = {
            0x02: self._flash_begin, 0x03: self._flash_data, 0x04: self._flash_end,
            0x05: self._mem_begin, 0x06: self._mem_end, 0x07: self._mem_data,
            0x08: self._sync, 0x09: self._write_reg, 0x0A: self._read_reg,
        }  # fmt: skip
        while self._done is None:
            frame = yield None
            if frame is None or len(frame) < HEADER.size:
                continue
            direction, opcode, length, check = HEADER.unpack_from(frame)
            data = frame[HEADER.size :]
            if direction != 0:
                continue
            yield self.costs.rom_command_us * 1e-6
            if length != len(data):
                yield from self._say(opcode, INVALID)
            elif opcode in handlers:
                yield from handlers[opcode](data, check)
            else:
                yield from self._unknown(opcode)
        return self._done

    def _say(self, opcode: int, status: bytes = b"\0\0", value: int = 0) -> Work:
        yield from self.send(reply(opcode, value, status=status))

    def _unknown(self, opcode: int) -> Work:
        if not self._drain:
            yield from self._say(opcode, INVALID)
            return
        for _ in range(DRAIN_FRAMES):
            yield from self._say(0, INVALID)

    def _sync(self, data: bytes, _check: int) -> Work:
        if data != SYNC_PAYLOAD:
            yield from self._say(0x08, INVALID)
            return
        if self._lost_syncs > 0:
            self._lost_syncs -= 1
            return
        yield max(0.0, self.costs.rom_sync_us - self.costs.rom_command_us) * 1e-6
        for _ in range(8):
            yield from self._say(0x08, value=SYNC_VALUE)

    # --- registers and RAM -------------------------------------------------------------------------------------------

    def _read_reg(self, data: bytes, _check: int) -> Work:
        if len(data) != 4:  # noqa: PLR2004  one word
            yield from self._say(0x0A, INVALID)
            return
        try:
            value = self.machine.registers.read(words(data)[0])
        except UnmappedError:
            raise Faulted from None
        yield from self._say(0x0A, value=value)

    def _write_reg(self, data: bytes, _check: int) -> Work:
        if not data or len(data) % 16:
            yield from self._say(0x09, INVALID)
            return
        values = words(data)
        for at in range(0, len(values), 4):
            address, value, mask, delay_us = values[at : at + 4]
            yield delay_us * 1e-6
            write_masked(self, address, value, mask)
        yield from self._say(0x09)

    def _mem_begin(self, data: bytes, _check: int) -> Work:
        if len(data) != 16:  # noqa: PLR2004  four words
            yield from self._say(0x05, INVALID)
            return
        self._ram_left, _blocks, _size, self._ram_at = words(data)
        yield from self._say(0x05)

    def _mem_data(self, data: bytes, check: int) -> Work:
        body = data[16:]
        if len(data) < 16 or words(data[:4])[0] != len(body):  # noqa: PLR2004  the sub-header
            yield from self._say(0x07, INVALID)
        elif check != xor_checksum(body):
            yield from self._say(0x07, BAD_CHECKSUM)
        elif len(body) > self._ram_left:
            yield from self._say(0x07, NOT_BEGUN)
        else:
            self.machine.registers.store(self._ram_at, body)
            self._ram_at += len(body)
            self._ram_left -= len(body)
            yield from self._say(0x07)

    def _mem_end(self, data: bytes, _check: int) -> Work:
        if len(data) != 8:  # noqa: PLR2004  two words
            yield from self._say(0x06, INVALID)
            return
        stay, entry = words(data)
        yield from self._say(0x06)
        if not stay:
            yield from self.flush()
            self._done = LoaderOutcome("jump", entry)

    # --- flash -------------------------------------------------------------------------------------------------------

    def _flash_begin(self, data: bytes, _check: int) -> Work:
        if len(data) != 16:  # noqa: PLR2004  four words; the stub's fifth is unknown here
            yield from self._say(0x02, INVALID)
            return
        size, _blocks, block, offset = words(data)
        self.machine.registers.attach_flash()
        yield from self._erase(offset // SECTOR, -(-size // SECTOR))
        self._flash_at, self._flash_left = offset, _blocks * block
        yield from self._say(0x02)

    def _erase(self, first: int, count: int) -> Work:
        """The erase bug: the sectors up to the next block border are erased, but not taken off the count (§3.6)."""
        at = first
        for _ in range(min(count, 16 - first % 16)):
            yield self.nor.erase_sector(at * SECTOR)
            at += 1
        # After the head `at` stands at a block border or the count is used up sector by sector.
        while count > 0:
            if count >= BLOCK // SECTOR and at % 16 == 0:
                yield self.nor.erase_block(at * SECTOR)
                at, count = at + 16, count - 16
            else:
                yield self.nor.erase_sector(at * SECTOR)
                at, count = at + 1, count - 1

    def _flash_data(self, data: bytes, check: int) -> Work:
        body = data[16:]
        if len(data) < 16 or words(data[:4])[0] != len(body):  # noqa: PLR2004  the sub-header
            yield from self._say(0x03, INVALID)
            return
        yield self.costs.cycles(len(body) * self.costs.checksum_cycles)
        if check != xor_checksum(body):
            yield from self._say(0x03, BAD_CHECKSUM)
        elif self._flash_left is None:
            yield from self._say(0x03, NOT_BEGUN)
        else:
            yield from self._program(body)

    def _program(self, body: bytes) -> Work:
        """Written before the answer, read back after: status 08 where it did not take (§3.9)."""
        if self._flash_at + len(body) > rom_chip_size(self.machine):
            yield from self._say(0x03, WRITE_FAILED)
            return
        yield self.machine.spi_time(len(body)) + self.nor.program(self._flash_at, body)
        yield self.machine.spi_time(len(body))
        same = self.nor.read(self._flash_at, len(body)) == body
        self._flash_at += len(body)
        yield from self._say(0x03, b"\0\0" if same else b"\x01\x08")

    def _flash_end(self, data: bytes, _check: int) -> Work:
        if len(data) != 4:  # noqa: PLR2004  one word
            yield from self._say(0x04, INVALID)
            return
        yield from self._say(0x04)
        yield from self.flush()
        self._done = LoaderOutcome("boot" if words(data)[0] else "reset")


def write_masked(loader: SerialLoader, address: int, value: int, mask: int) -> None:
    """WRITE_REG: only the bits in `mask` change.

    Raises:
        Faulted: nothing there.
    """
    registers = loader.machine.registers
    try:
        if mask != 0xFFFFFFFF:  # noqa: PLR2004  all bits
            value = (value & mask) | (registers.read(address) & ~mask)
        registers.write(address, value, loader.now)
    except UnmappedError:
        raise Faulted from None
