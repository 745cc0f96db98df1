"""Version 1 of the flasher stub (legacy 1.11.1, shipped by esptool 5.6), as its executed machine code behaves.

Facts: stub-executed §1 to §6, columns v1. What surprises:

- the header of a reply leaves at once, its status only after the work;
- lengths are judged by the header's length field, the bytes come from the buffer, stale ones included;
- codes of MD5, erase and RAM commands are reduced to `01 00`;
- errors of the work after an acknowledgement only show in the next DATA or END.
"""

from __future__ import annotations

import hashlib
from typing import Final

from flashpipe.sim.chip.nor import BLOCK, SECTOR
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.inflate import Inflater
from flashpipe.sim.loader.main_loop import HEADER, NEVER, Faulted, LoaderMachine, LoaderOutcome, Work, words
from flashpipe.sim.loader.main_loop import checksum as xor_checksum
from flashpipe.sim.loader.rom import set_chip_size
from flashpipe.sim.loader.stub import (
    BAD_BLOCK,
    BAD_CHECKSUM,
    BAD_LENGTH,
    INFLATE,
    NOT_BEGUN,
    NOT_ENOUGH,
    NOT_IMPLEMENTED,
    TOO_MUCH,
    WINDOW,
    Command,
    Stub,
)

MAX_BLOCK: Final = 0x4000
_SIZE_AT_START: Final = 0x1000000
"""Bytes of flash that it tells the ROM of when it starts (facts: stub-executed §2)."""
_GENERIC: Final = 1
"""What a code becomes where the stub joins two of them with a boolean or."""
_IN_FLIGHT: Final = 64
"""Bytes, where esptool means packets (facts: stub-executed §3)."""
_READ_PACKET: Final = 0x1000
_LONGEST_DIGEST: Final = 1 << 26
"""Bytes; this stub would hash on for minutes past the end of the chip, where nobody waits for it any more."""


class Stub1(Stub):
    """The main loop of version 1."""

    rules = slip.STUB1_RULES
    batch = 16

    def __init__(self, machine: LoaderMachine, now: float, *, greet: bool = True) -> None:
        self._ram_at: int | None = None
        self._ram_left = 0
        self._erase_sector = self._erase_left = 0
        self._last_error = 0
        super().__init__(machine, now, greet=greet)
        set_chip_size(machine, _SIZE_AT_START)

    @property
    def timeout_units(self) -> float:
        """See `Costs.v1_rxtout`."""
        return self.costs.v1_rxtout

    @property
    def start_us(self) -> float:
        """See `Costs.v1_start_us`."""
        return self.costs.v1_start_us

    @property
    def command_us(self) -> float:
        """See `Costs.v1_command_us`."""
        return self.costs.v1_command_us

    @property
    def inflate_costs(self) -> tuple[float, float]:
        """See `Costs.v1_inflate_out`."""
        return self.costs.v1_inflate_out, self.costs.v1_inflate_in

    def command(self, frame: bytes) -> Work:
        """The header is answered before anything is done."""
        head = self.receiver.stale(HEADER.size, frame)
        _direction, opcode, length, check = HEADER.unpack_from(head)
        data = self.receiver.stale(HEADER.size + length, frame)[HEADER.size :]
        value = self.register(data) if opcode == 0x0A and length == 4 else 0  # noqa: PLR2004  READ_REG
        extra = 16 if opcode == 0x13 else 0  # noqa: PLR2004
        header = HEADER.pack(1, opcode, extra + 2, value)
        yield from self.transmit(b"\xc0" + slip.escape(header))
        if length > MAX_BLOCK + 16:
            yield from self.transmit(slip.escape(bytes((BAD_LENGTH, 0xEE))) + b"\xc0")
            return
        if opcode == 0xD3:  # noqa: PLR2004  RUN_USER_CODE: the rest of the frame never comes
            self.outcome = LoaderOutcome("boot")
            return
        self.status, self.after = NOT_IMPLEMENTED, None
        yield from self._run(opcode, data, check)
        yield from self.transmit(slip.escape(bytes((self.status, 0))) + b"\xc0")
        if not self.status and self.after is not None:
            yield from self.after()

    def _run(self, opcode: int, data: bytes, check: int) -> Work:
        handlers: dict[int, Command] = {
            0x02: self._begin, 0x03: self._flash_data, 0x04: self._end, 0x05: self._mem_begin, 0x06: self._mem_end,
            0x07: self._mem_data, 0x08: self._sync, 0x09: self._write_reg, 0x0A: self._read_reg,
            0x0B: self._set_params, 0x0D: self._attach, 0x0F: self._change_baud, 0x10: self._begin,
            0x11: self._flash_data, 0x12: self._end, 0x13: self._md5, 0xD0: self._erase_flash,
            0xD1: self._erase_region, 0xD2: self._read_flash,
        }  # fmt: skip
        if opcode not in handlers:
            return
        self.status = 0
        if opcode == 0x10:  # noqa: PLR2004  the one handler that must know its opcode
            self.inflater = Inflater()
        if opcode == 0x11:  # noqa: PLR2004  as above
            yield from self._deflate_data(data, check)
        else:
            yield from handlers[opcode](data, check)

    # --- registers, RAM, line ----------------------------------------------------------------------------------------

    def _sync(self, data: bytes, _check: int) -> Work:
        if len(data) != 36:  # noqa: PLR2004  the SYNC payload; its content is not looked at
            self.status = BAD_LENGTH
            return
        for _ in range(7):
            yield from self.transmit(b"\0\0\xc0\xc0" + HEADER.pack(1, 0x08, 2, 0))

    def _read_reg(self, data: bytes, _check: int) -> Work:
        self.status = 0 if len(data) == 4 else BAD_LENGTH  # noqa: PLR2004  one word
        yield 0.0

    def _write_reg(self, data: bytes, _check: int) -> Work:
        if len(data) % 16:
            self.status = BAD_LENGTH
            return
        yield from self.write_registers(data)

    def _set_params(self, data: bytes, _check: int) -> Work:
        if len(data) == 24:  # noqa: PLR2004  six words
            set_chip_size(self.machine, words(data)[1])
        else:
            self.status = _GENERIC
        yield 0.0

    def _attach(self, data: bytes, _check: int) -> Work:
        self.status = 0 if len(data) == 4 else _GENERIC  # noqa: PLR2004  one word
        yield 0.0

    def _mem_begin(self, data: bytes, _check: int) -> Work:
        if len(data) != 16:  # noqa: PLR2004  four words
            self.status = _GENERIC
            return
        self._ram_left, _blocks, _size, self._ram_at = words(data)
        yield 0.0

    def _mem_data(self, data: bytes, _check: int) -> Work:
        """The checksum is not looked at (facts: stub-executed §2)."""
        body = data[16:]
        if not self._ram_at and (body or len(data) < 16):  # noqa: PLR2004  a negative length counts as large
            self.status = NOT_BEGUN
        elif len(body) > self._ram_left or len(data) < 16:  # noqa: PLR2004  as above
            self.status = TOO_MUCH
        elif len(body) % 4:
            self.status = BAD_LENGTH
        elif self._ram_at:
            self.machine.registers.store(self._ram_at, body)
            self._ram_at += len(body)
            self._ram_left -= len(body)
        yield 0.0

    def _mem_end(self, data: bytes, _check: int) -> Work:
        if len(data) != 8:  # noqa: PLR2004  two words
            self.status = _GENERIC
            return
        self.status = _GENERIC if self._ram_left else 0
        self._ram_at, self._ram_left = None, 0
        entry = words(data)[1]
        if entry:
            self.after = lambda: self._leave(LoaderOutcome("jump", entry), 1e-3)
        yield 0.0

    def _leave(self, outcome: LoaderOutcome, delay_s: float) -> Work:
        yield from self.flush()
        yield delay_s
        self.outcome = outcome

    def _change_baud(self, data: bytes, _check: int) -> Work:
        if len(data) != 8:  # noqa: PLR2004  two words
            self.status = BAD_LENGTH
            return
        new, old = words(data)
        self.after = lambda: self._set_baud(new, old)
        yield 0.0

    def _set_baud(self, new: int, old: int) -> Work:
        yield 10e-3
        if not new:
            raise Faulted
        self.uart.divider = max(1, self.uart.divider * old // new)
        yield 1e-3

    # --- writing flash -----------------------------------------------------------------------------------------------

    def _unlock(self) -> Work:
        """WREN and WRSR of 0: the protect bits go."""
        yield from self.flash_idle()
        self.nor.write_enabled = True
        self.nor.transact(0x01, 0, b"\0", 0, self.now)
        yield from self.flash_idle()

    def _begin(self, data: bytes, _check: int) -> Work:
        if len(data) not in (16, 20):
            self.status = BAD_LENGTH
            return
        size, _blocks, block, offset = words(data)[:4]
        if block > MAX_BLOCK:
            self.status = BAD_BLOCK
            return
        self.is_open, self.left, self.at, self._last_error = True, size, offset, 0
        self._erase_sector = offset // SECTOR
        self._erase_left = -(-(offset % SECTOR + size) // SECTOR)
        yield from self._unlock()

    def _start_next_erase(self) -> None:
        """Nothing happens while the flash is busy: asked again later."""
        if not self._erase_left or self.nor.stuck_busy or self.nor.busy_until > self.now:
            return
        done = self.start_erase(self._erase_sector * SECTOR, self._erase_left * SECTOR) // SECTOR
        self._erase_sector += done
        self._erase_left -= done

    def _data_status(self, data: bytes, check: int) -> int:
        """How both DATA commands are judged; the later finding wins."""
        if not self.is_open:
            return NOT_BEGUN
        body = data[16:]
        status = self._last_error
        if not data or words(data[:4].ljust(4, b"\0"))[0] != len(body):
            status = BAD_LENGTH
        # A block shorter than its sub-header has a negative length: its checksum never fits (stub-executed §2).
        return status if len(data) >= 16 and check == xor_checksum(body) else BAD_CHECKSUM  # noqa: PLR2004

    def _flash_data(self, data: bytes, check: int) -> Work:
        self.status = self._data_status(data, check)
        self.after = lambda: self._write(data[16:])
        yield 0.0

    def _deflate_data(self, data: bytes, check: int) -> Work:
        self.status = self._data_status(data, check)
        self.after = lambda: self._inflate(data[16:])
        yield 0.0

    def _write(self, data: bytes) -> Work:
        """Erase to the sector in which this ends (one ahead of need), then program."""
        data = data[: self.left]
        if not data:
            return
        last = (self.at + len(data)) // SECTOR
        while self._erase_left and self._erase_sector <= last:
            yield from self.flash_idle()
            self._start_next_erase()
        yield from self.write(self.at, data)
        self.at += len(data)
        self.left -= len(data)

    def _inflate(self, body: bytes) -> Work:
        if not self.left and len(body) > 4:  # noqa: PLR2004  only the trailer may still come
            self._last_error = TOO_MUCH
            return
        done = failed = False
        full = False
        while (body or full) and self.left and not done and not failed:
            self._start_next_erase()
            piece = yield from self.inflate_some(body, zlib_format=True)
            body = body[piece.used :]
            done, failed = piece.done, piece.failed
            full = len(self.window) >= WINDOW
            if done or full:
                yield from self._write(self.take_window())
        if failed:
            self._last_error = INFLATE
        if done and self.left:
            self._last_error = NOT_ENOUGH

    def _end(self, data: bytes, _check: int) -> Work:
        """The flag 0 resets the chip (facts: stub-executed §2)."""
        if not self.is_open:
            self.status = NOT_BEGUN
            return
        if self.left:
            self.status = NOT_ENOUGH
            return
        self.is_open = False
        self.status = self._last_error
        if len(data) >= 4 and words(data[:4])[0] == 0:  # noqa: PLR2004  one word
            self.after = lambda: self._leave(LoaderOutcome("reset"), 10e-3)
        yield 0.0

    # --- reading and erasing flash -----------------------------------------------------------------------------------

    def _md5(self, data: bytes, _check: int) -> Work:
        if len(data) != 16:  # noqa: PLR2004  four words
            # A digest's worth of bytes is sent all the same; what they are is chance (facts: stub-executed §2).
            yield from self.transmit(bytes(16))
            self.status = _GENERIC
            return
        address, size = words(data)[:2]
        if size > _LONGEST_DIGEST:
            yield NEVER
        yield from self.read_time(size)
        yield self.costs.md5(size)
        yield from self.transmit(slip.escape(self.nor.digest(address, size)))

    def _erase_flash(self, data: bytes, _check: int) -> Work:
        if data:
            self.status = _GENERIC
            return
        yield from self.erase_whole()

    def _erase_region(self, data: bytes, _check: int) -> Work:
        """64 KB units only while more than 64 KB remain (facts: stub-executed §5)."""
        if len(data) != 8 or words(data)[0] % SECTOR or words(data)[1] % SECTOR:  # noqa: PLR2004  two words
            self.status = _GENERIC
            return
        address, left = words(data)
        yield from self._unlock()
        while left:
            whole = address % BLOCK == 0 and left > BLOCK
            yield from self.flash_idle()
            self.start_flash(self.nor.erase_block(address) if whole else self.nor.erase_sector(address))
            address, left = address + (BLOCK if whole else SECTOR), left - (BLOCK if whole else SECTOR)
        yield from self.flash_idle()

    def _read_flash(self, data: bytes, _check: int) -> Work:
        if len(data) != 16:  # noqa: PLR2004  four words
            self.status = BAD_LENGTH
            return
        self.after = lambda: self._stream(*words(data))
        yield 0.0

    def _stream(self, offset: int, size: int, packet: int, _in_flight: int) -> Work:
        """Sending and listening by turns; interrupts are off, so nothing else is heard."""
        if packet > _READ_PACKET:
            # Interrupts stay off: the stub never hears anything again.
            while True:
                yield NEVER
        digest = hashlib.md5(usedforsecurity=False)
        sent = acked = 0
        while acked < size and acked <= sent:
            while sent < size and sent - acked < _IN_FLIGHT:
                count = min(size - sent, packet)
                yield from self.read_time(count)
                chunk = self.nor.read(offset + sent, count)
                yield from self.send(chunk)
                digest.update(chunk)
                yield self.costs.md5(count)
                sent += count
            frame = yield None
            if frame is None or len(frame) < 4:  # noqa: PLR2004  an acknowledgement is one word
                break
            # Of a longer frame, such as a command, the first word counts; as a rule it is more than was sent.
            acked = int.from_bytes(frame[:4], "little")
        yield from self.send(digest.digest())
