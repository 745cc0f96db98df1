"""Version 2 of the flasher stub (1.4.1, shipped by esptool 5.6), as its executed machine code behaves.

Facts: stub-executed §1 to §6, columns v2. What surprises:

- an error in the work done after the acknowledgement is kept and answers the next command, which is not executed;
- sectors that read blank are skipped until the first one that is not;
- END and RUN_USER_CODE never leave the stub;
- the rate change assumes that the line is at 115200 now.
"""

from __future__ import annotations

import hashlib
from typing import Final

from flashpipe.sim.chip.nor import SECTOR
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.inflate import Inflater
from flashpipe.sim.loader.main_loop import (
    HEADER,
    NEVER,
    Faulted,
    LoaderMachine,
    LoaderOutcome,
    Work,
    reply,
    words,
)
from flashpipe.sim.loader.main_loop import checksum as xor_checksum
from flashpipe.sim.loader.rom import rom_chip_size
from flashpipe.sim.loader.stub import (
    BAD_CHECKSUM,
    BAD_LENGTH,
    INFLATE,
    INVALID,
    NOT_BEGUN,
    NOT_ENOUGH,
    NOT_IMPLEMENTED,
    SPI_FAILED,
    TOO_MUCH,
    WINDOW,
    Command,
    Stub,
)

_BAUD_BEFORE: Final = 115_200
_READ_PACKET: Final = 0x1000
_PLUGINS: Final = range(0xD5, 0xF0)
_BUDGET_TURNS: Final = 120_000
"""Turns of the erase-region loop allowed for each sector (facts: stub-executed §5)."""
_STATUS_CLOCKS: Final = 16
"""SPI clocks of reading the status in each of them: an opcode and a byte."""
_SIZES: Final = {
    0x02: (16, 20), 0x10: (16, 20), 0x04: (4,), 0x12: (4,), 0x05: (16,), 0x06: (8,), 0x08: (36,), 0x0A: (4,),
    0x0B: (24,), 0x0D: (4,), 0x0F: (8,), 0x13: (16,), 0x14: (0,), 0xD1: (8,), 0xD2: (16,),
}  # fmt: skip
"""Lengths that a command takes; anything else is C0 (facts: stub-executed §2)."""


class Stub2(Stub):
    """The main loop of version 2."""

    rules = slip.STUB2_RULES
    batch = 32

    def __init__(self, machine: LoaderMachine, now: float, *, greet: bool = True) -> None:
        self._late = 0
        """Error of the last command's after-work; the next command's answer."""
        self._value = 0
        self._extra = b""
        self._ram_open = False
        self._ram_left = self._ram_at = 0
        self._erase_at = self._erase_left = 0
        self._dirty = False
        super().__init__(machine, now, greet=greet)

    @property
    def timeout_units(self) -> float:
        """See `Costs.v2_rxtout`."""
        return self.costs.v2_rxtout

    @property
    def start_us(self) -> float:
        """See `Costs.v2_start_us`."""
        return self.costs.v2_start_us

    @property
    def command_us(self) -> float:
        """See `Costs.v2_command_us`."""
        return self.costs.v2_command_us

    @property
    def inflate_costs(self) -> tuple[float, float]:
        """See `Costs.v2_inflate_out`."""
        return self.costs.v2_inflate_out, self.costs.v2_inflate_in

    def command(self, frame: bytes) -> Work:
        """One answer; what it leaves to do is done behind it."""
        header = self.receiver.stale(HEADER.size, frame)
        direction, opcode, length, check = HEADER.unpack_from(header)
        if direction != 0:
            yield from self._answer(opcode, INVALID)
            return
        if len(frame) != length + HEADER.size:
            yield from self._answer(opcode, BAD_LENGTH)
            return
        if self._late:
            late, self._late = self._late, 0
            yield from self._answer(opcode, late)
            return
        if opcode == 0xD3:  # noqa: PLR2004  RUN_USER_CODE: neither action nor answer
            return
        self.status, self._value, self._extra, self.after = 0, 0, b"", None
        yield from self._run(opcode, frame[HEADER.size :], check)
        yield from self._answer(opcode, self.status)
        if self.after is not None and not self.status:
            self.status = 0
            yield from self.after()
            self._late = self.status

    def _answer(self, opcode: int, status: int) -> Work:
        extra, value = (b"", 0) if status else (self._extra, self._value)
        yield from self.send(reply(opcode, value, extra, bytes((status, 0))))

    def _run(self, opcode: int, data: bytes, check: int) -> Work:
        handlers: dict[int, Command] = {
            0x02: self._begin, 0x03: self._flash_data, 0x04: self._end, 0x05: self._mem_begin, 0x06: self._mem_end,
            0x07: self._mem_data, 0x08: self._sync, 0x09: self._write_reg, 0x0A: self._read_reg, 0x0B: self._nothing,
            0x0D: self._attach, 0x0F: self._change_baud, 0x10: self._deflate_begin, 0x11: self._deflate_data,
            0x12: self._end, 0x13: self._md5, 0xD0: self._erase_flash, 0xD1: self._erase_region,
            0xD2: self._read_flash,
        }  # fmt: skip
        if opcode in _SIZES and len(data) not in _SIZES[opcode]:
            self.status = BAD_LENGTH
        elif opcode in handlers:
            yield from handlers[opcode](data, check)
        else:
            self.status = NOT_IMPLEMENTED if opcode in _PLUGINS or opcode == 0x14 else INVALID  # noqa: PLR2004

    def _nothing(self, _data: bytes, _check: int) -> Work:
        """SPI_SET_PARAMS changes nothing that could be seen."""
        yield 0.0

    def _attach(self, _data: bytes, _check: int) -> Work:
        """SPI_ATTACH calls the ROM's spi_flash_attach again (its address stands in the stub's handler)."""
        self.machine.registers.attach_flash()
        yield 0.0

    # --- registers, RAM, line ----------------------------------------------------------------------------------------

    def _sync(self, _data: bytes, _check: int) -> Work:
        for _ in range(7):
            yield from self.send(reply(0x08))

    def _read_reg(self, data: bytes, _check: int) -> Work:
        self._value = self.register(data)
        yield 0.0

    def _write_reg(self, data: bytes, _check: int) -> Work:
        if not data or len(data) % 16:
            self.status = NOT_ENOUGH
            return
        yield from self.write_registers(data)

    def _mem_begin(self, data: bytes, _check: int) -> Work:
        self._ram_left, _blocks, _size, self._ram_at = words(data)
        self._ram_open = True
        yield 0.0

    def _mem_data(self, data: bytes, _check: int) -> Work:
        """The checksum is not looked at (facts: stub-executed §2)."""
        body = data[16:]
        if len(data) < 16:  # noqa: PLR2004  the sub-header
            self.status = NOT_ENOUGH
        elif not self._ram_open:
            self.status = NOT_BEGUN
        elif words(data[:4])[0] > self._ram_left or words(data[:4])[0] != len(body):
            self.status = TOO_MUCH
        else:
            self.machine.registers.store(self._ram_at, body)
            self._ram_at += len(body)
            self._ram_left -= len(body)
        yield 0.0

    def _mem_end(self, data: bytes, _check: int) -> Work:
        if not self._ram_open:
            self.status = NOT_BEGUN
            return
        self._ram_open = False
        stay, entry = words(data)
        if not stay:
            self.after = lambda: self._leave(entry)
        yield 0.0

    def _leave(self, entry: int) -> Work:
        yield from self.flush()
        self.outcome = LoaderOutcome("jump", entry)

    def _change_baud(self, data: bytes, _check: int) -> Work:
        new = words(data)[0]
        self.after = lambda: self._set_baud(new)
        yield 0.0

    def _set_baud(self, new: int) -> Work:
        """The divider is scaled by 115200/new, whatever the line runs at (facts: stub-executed §4)."""
        yield 5e-3
        yield from self.flush()
        if not new:
            raise Faulted
        self.uart.divider = max(1, self.uart.divider * _BAUD_BEFORE // new)
        yield 5e-3

    # --- writing flash -----------------------------------------------------------------------------------------------

    def _close_flash(self) -> None:
        self.is_open = False
        self.left = self.at = 0
        self._erase_at = self._erase_left = 0
        self.inflater = Inflater()
        self.window = b""
        self._dirty = False

    def _begin(self, data: bytes, _check: int) -> Work:
        """Remember the job and begin the first erase, which nobody waits for."""
        size, _blocks, _block, offset = words(data)[:4]
        self.is_open, self.left, self.at = True, size, offset
        self._erase_at = offset // SECTOR * SECTOR
        self._erase_left = -(-(offset + size) // SECTOR) * SECTOR - self._erase_at
        self._dirty = False
        yield from self._erase_next()

    def _deflate_begin(self, data: bytes, check: int) -> Work:
        self.inflater = Inflater()
        yield from self._begin(data, check)

    def _erase_next(self) -> Work:
        """One step: skip a blank sector while none was dirty, else begin an erase if the flash is free."""
        if not self._erase_left:
            return
        if not self._dirty:
            yield from self.read_time(SECTOR)
            yield self.costs.cycles(SECTOR // 4 * self.costs.v2_blank_cycles)
            if self.nor.is_blank(self._erase_at, SECTOR):
                self._erase_at += SECTOR
                self._erase_left -= min(SECTOR, self._erase_left)
                return
            self._dirty = True
        if self.nor.stuck_busy or self.nor.busy_until > self.now:
            return  # asked again later
        done = self.start_erase(self._erase_at, self._erase_left)
        self._erase_at += done
        self._erase_left -= min(done, self._erase_left)

    def _write(self, data: bytes) -> Work:
        """Erase as far as this reaches, then program."""
        while self._erase_at < self.at + len(data):
            if not self._erase_left:
                while True:  # waits for sectors that it will never erase (facts: stub-executed §2)
                    yield NEVER
            yield from self._erase_next()
            if self._dirty:
                yield from self.flash_idle()
        if self.at + len(data) > rom_chip_size(self.machine):
            self.status = SPI_FAILED
            return
        if data:
            yield from self.write(self.at, data)
        self.left = (self.left - len(data)) & 0xFFFFFFFF
        self.at += len(data)

    def _flash_data(self, data: bytes, check: int) -> Work:
        body = data[16:]
        if len(data) < 16:  # noqa: PLR2004  the sub-header
            self.status = NOT_ENOUGH
        elif not self.is_open:
            self.status = NOT_BEGUN
        elif words(data[:4])[0] != len(body):
            self.status = TOO_MUCH
        else:
            yield self.costs.cycles(len(body) * self.costs.checksum_cycles)
            if check != xor_checksum(body):
                self.status = BAD_CHECKSUM
            self.after = lambda: self._write(body[: self.left])

    def _deflate_data(self, data: bytes, check: int) -> Work:
        if len(data) < 16:  # noqa: PLR2004  the sub-header
            self.status = BAD_LENGTH
            return
        if not self.is_open:
            self.status = NOT_BEGUN
            return
        size, sequence = words(data[:8])
        # The checksum runs over the length that the block claims, past the end of the frame (stub-executed §2).
        body = self.receiver.stale(HEADER.size + 16 + size, b"\0" * HEADER.size + data)[HEADER.size + 16 :]
        yield self.costs.cycles(size * self.costs.checksum_cycles)
        if check != xor_checksum(body):
            self.status = BAD_CHECKSUM
        self.after = lambda: self._inflate(body, sequence)

    def _inflate(self, body: bytes, sequence: int) -> Work:
        """Inflate, erasing a step ahead at each turn, and write whenever 32 KB are full or the stream ends."""
        if sequence == 0:
            self.window = b""
        zlib_format = sequence == 0
        full = False
        while body or full:
            yield from self._erase_next()
            piece = yield from self.inflate_some(body, zlib_format=zlib_format)
            zlib_format = False
            body = body[piece.used :]
            full = len(self.window) >= WINDOW
            if piece.failed:
                self.status = INFLATE
                return
            if piece.done or full:
                yield from self._write(self.take_window())
                if self.status or piece.done:
                    return

    def _end(self, _data: bytes, _check: int) -> Work:
        """Both ENDs, whatever their flag: the session closes, the stub goes on."""
        if not self.is_open:
            self.status = NOT_BEGUN
        elif self.left:
            self.status = BAD_LENGTH
        else:
            self._close_flash()
        yield 0.0

    # --- reading and erasing flash -----------------------------------------------------------------------------------

    def _md5(self, data: bytes, _check: int) -> Work:
        address, size = words(data)[:2]
        if size and address + size > rom_chip_size(self.machine):
            self.status = SPI_FAILED
            return
        yield from self.read_time(size)
        yield self.costs.md5(size)
        self._extra = self.nor.digest(address, size)

    def _erase_flash(self, _data: bytes, _check: int) -> Work:
        yield from self.erase_whole()

    def _erase_region(self, data: bytes, _check: int) -> Work:
        """A loop with a budget of turns for each sector; what is under way when it runs out is C4."""
        address, left = words(data)
        if address % SECTOR or left % SECTOR:
            self.status = BAD_LENGTH
            return
        turn_us = self.costs.poll_us + _STATUS_CLOCKS / self.machine.spi_mhz
        deadline = self.now + left // SECTOR * _BUDGET_TURNS * turn_us * 1e-6
        while left and self.now <= deadline:
            if self.nor.stuck_busy:
                yield max(1.0, deadline - self.now)
                continue
            yield min(max(0.0, self.nor.busy_until - self.now), max(0.0, deadline - self.now) + 1e-6)
            if self.now < self.nor.busy_until:
                continue
            done = self.start_erase(address, left)
            address, left = address + done, left - done
        if left or self.nor.busy_until > deadline:
            yield max(0.0, deadline - self.now)
            self.status = SPI_FAILED
            return
        yield from self.flash_idle()

    def _read_flash(self, data: bytes, _check: int) -> Work:
        values = words(data)
        self.after = lambda: self._stream(*values[:3])
        yield 0.0

    def _stream(self, offset: int, size: int, packet: int) -> Work:
        """One packet in flight; the value of an acknowledgement only counts at the end (facts: stub-executed §3)."""
        if packet > _READ_PACKET:
            self.status = BAD_LENGTH
            return
        digest = hashlib.md5(usedforsecurity=False)
        left, acked, waiting = size, 0, False
        while left or acked < size:
            if left and not waiting:
                count = min(left, packet)
                if offset + count > rom_chip_size(self.machine):
                    self.status = SPI_FAILED
                    return
                yield from self.read_time(count)
                yield self.costs.md5(count)
                chunk = self.nor.read(offset, count)
                digest.update(chunk)
                yield from self.send(chunk)
                offset, left, waiting = offset + count, left - count, True
                continue
            frame = yield None
            if frame is None:
                continue
            if len(frame) != 4:  # noqa: PLR2004  an acknowledgement is one word
                break
            acked, waiting = int.from_bytes(frame, "little"), False
        yield from self.send(digest.digest())
