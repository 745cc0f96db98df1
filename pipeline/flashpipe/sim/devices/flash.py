"""The SPI controller of the flash at 0x60000200, and the flash as the chip sees it.

Registers: spi_register.h of the SDK. Commands go to the NOR part, so that its laws hold: bits only clear, protection,
faults, times. Time: 288 SPI clocks and 110 cycles for each transaction of 32 bytes (facts: stub-executed §6).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import ClassVar, Final

from flashpipe.sim.chip import flash_clock
from flashpipe.sim.chip.nor import SECTOR, WIP, Nor
from flashpipe.sim.devices.agenda import CYCLES_PER_S
from flashpipe.sim.devices.device import WORD_MASK, RegisterBlock, Wiring

BASE: Final = flash_clock.BASE
_CMD, _ADDR, _STATUS, _USER, _USER1, _USER2, _W0 = (BASE + at for at in (0x00, 0x04, 0x10, 0x1C, 0x20, 0x24, 0x40))
_EXT2: Final = BASE + 0xF8
"""State of the controller: 0 is idle."""
_READ, _RDID, _RDSR, _WRSR, _PP, _SE, _BE, _CE, _USR = 31, 28, 27, 26, 25, 24, 23, 22, 18
_PLAIN: Final = {30: 0x06, 29: 0x04, 21: 0xB9, 20: 0xAB}
"""Commands without address and data: write enable and disable, power down and up."""
_LENGTH: Final = 24
"""Position of the byte count in ADDR, for commands that the controller knows by itself."""
_ADDRESS_MASK: Final = 0xFFFFFF
_TWO_BYTE_STATUS: Final = 1 << 22
_CTRL: Final = BASE + 0x08
_DATA_BYTES: Final = 64
TRANSACTION: Final = 32
"""Bytes that the ROM moves in one."""
_CLOCKS: Final = 288
_CALL_CYCLES: Final = 110
BLANK_ERASE_S: Final = 0.0146
"""Erasing a sector that is blank already, from how long 16 MB take to format (facts: esp8266-flash-timing §7.2)."""
_DEFAULTS: Final = {
    _USER: 0x80000064,
    _USER2: 0x70000000,
    _CTRL: 0x016AA101,
    flash_clock.CLOCK: flash_clock.AFTER_RESET[flash_clock.CLOCK],
}
"""As pvvx's spi_register.h notes them for a running SDK, at 40 MHz; the ROM's reads need none of them here."""


class Flash(RegisterBlock):
    """The controller and, for the ROM's functions, the part itself."""

    name = "spi flash"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x100),)
    saved: ClassVar[tuple[str, ...]] = ("busy_until",)

    def __init__(self, wiring: Wiring, nor: Nor, changed: Callable[[int, int], None]) -> None:
        """`changed` is called with address and length of what may have changed."""
        super().__init__(wiring)
        self.nor = nor
        self._changed = changed
        self.origin_s = 0.0
        """Board time, in seconds, of cycle 0."""
        self.busy_until = 0
        """Cycle at which an erase or a program ends."""
        self.active: Callable[[], None] = lambda: None
        """Told that the flash is used."""
        self.readers = {_CMD: lambda: 0}
        self.writers = {_CMD: self._command, _EXT2: lambda _value: None}
        self.reset()

    def reset(self) -> None:
        """Registers as after a reset; what the part is doing goes on."""
        super().reset()
        self.words.update(_DEFAULTS)

    def set_speed(self, hertz: int) -> None:
        """What the ROM's start makes of the speed in an image's header."""
        division = flash_clock.speed_bits(round(CYCLES_PER_S / hertz))
        self.words[_CTRL] = self.words[_CTRL] & ~flash_clock.SPEED_BITS | division

    # --- for the ROM's functions and the cache -----------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Board time in seconds."""
        return self.origin_s + self.state.cycles / CYCLES_PER_S

    def contents(self, address: int, length: int) -> bytes:
        """What a read gives, at no cost."""
        return self.nor.read(address, length)

    def fetch(self, address: int, length: int) -> bytes:
        """Read as the ROM does, in transactions of 32 bytes; time passes."""
        self.wait_idle()
        self._spend(length)
        return self.nor.read(address, length)

    def program(self, address: int, data: bytes) -> None:
        """Program as the ROM does, in pieces of 32 bytes that keep to the page; time passes."""
        at = 0
        while at < len(data):
            piece = min(TRANSACTION - (address + at) % TRANSACTION, len(data) - at)
            self._transact(0x06, 0, b"", 0)
            self._transact(0x02, address + at, data[at : at + piece], 0)
            self.wait_idle()
            at += piece

    def erase_sector(self, address: int) -> None:
        """Erase 4 KB; time passes."""
        self._erase(0x20, address)

    def erase_block(self, address: int) -> None:
        """Erase 64 KB; time passes."""
        self._erase(0xD8, address)

    def erase_chip(self) -> None:
        """Erase everything; time passes."""
        self._erase(0xC7, 0)

    def _erase(self, opcode: int, address: int) -> None:
        self.wait_idle()
        self._transact(0x06, 0, b"", 0)
        self._transact(opcode, address, b"", 0)
        self.wait_idle()

    def status(self) -> int:
        """Status register 1."""
        return self._transact(0x05, 0, b"", 1)[0]

    def write_enable(self) -> None:
        """Let the next program or erase through."""
        self._transact(0x06, 0, b"", 0)

    def write_status(self, value: int) -> None:
        """Write status register 1, and wait."""
        self._transact(0x06, 0, b"", 0)
        self._transact(0x01, 0, bytes((value & 0xFF,)), 0)
        self.wait_idle()

    def wait_idle(self) -> None:
        """Let time pass until the part is ready; one that never is stays busy."""
        if self.nor.stuck_busy:
            return
        self.state.cycles = max(self.state.cycles, self.busy_until)

    def _spend(self, length: int) -> None:
        transactions = max(1, -(-length // TRANSACTION))
        self.state.cycles += transactions * (_CLOCKS * flash_clock.divider(self.words[_CTRL]) + _CALL_CYCLES)

    # --- registers ---------------------------------------------------------------------------------------------------

    def _command(self, value: int) -> None:
        """Start bits; all of them have cleared again when the register is next read."""
        if value >> _USR & 1:
            self._user_command()
        else:
            self._known_command(value)

    def _known_command(self, value: int) -> None:
        """What the controller knows by itself."""
        for bit, opcode in _PLAIN.items():
            if value >> bit & 1:
                self._transact(opcode, 0, b"", 0)
        address = self.words.get(_ADDR, 0)
        count = address >> _LENGTH
        address &= _ADDRESS_MASK
        if value >> _READ & 1:
            self._spend(count)
            self._store(self._transact(0x03, address, b"", min(count, _DATA_BYTES)))
        if value >> _RDID & 1:
            self._store(self._transact(0x9F, 0, b"", 3) + b"\0")
        if value >> _RDSR & 1:
            self.words[_STATUS] = self._read_status()
        if value >> _WRSR & 1:
            self._transact(0x01, 0, self._status_to_write(), 0)
        if value >> _PP & 1:
            self._transact(0x02, address, self._data(min(count, _DATA_BYTES)), 0)
        for bit, opcode in ((_SE, 0x20), (_BE, 0xD8), (_CE, 0xC7)):
            if value >> bit & 1:
                self._transact(opcode, address, b"", 0)

    def _read_status(self) -> int:
        """Where a program asks a busy part it waits for it: let the time pass at once."""
        status = self._transact(0x05, 0, b"", 1)[0]
        if status & WIP and not self.nor.stuck_busy:
            self.state.cycles = max(self.state.cycles, min(self.busy_until, self.agenda.next()))
        return status

    def _status_to_write(self) -> bytes:
        value = self.words.get(_STATUS, 0)
        return value.to_bytes(4, "little")[: 2 if self.words.get(_CTRL, 0) & _TWO_BYTE_STATUS else 1]

    def _user_command(self) -> None:
        user, user1 = self.words.get(_USER, 0), self.words.get(_USER1, 0)
        sent = self._data(((user1 >> 17 & 0x1FF) + 8) // 8) if user >> 27 & 1 else b""
        want = min(((user1 >> 8 & 0x1FF) + 8) // 8, _DATA_BYTES) if user >> 28 & 1 else 0
        address = self.words.get(_ADDR, 0) >> 8 if user >> 30 & 1 else 0
        got = self._transact(self.words.get(_USER2, 0) & 0xFF, address, sent, want)
        if want:
            self._store(got + bytes(-want % 4))

    def _data(self, count: int) -> bytes:
        words = (self.words.get(_W0 + at, 0) for at in range(0, count + 3, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)[:count]

    def _store(self, data: bytes) -> None:
        for at in range(0, len(data), 4):
            self.words[_W0 + at] = int.from_bytes(data[at : at + 4], "little") & WORD_MASK

    # --- the part ----------------------------------------------------------------------------------------------------

    def _transact(self, opcode: int, address: int, sent: bytes, want: int) -> bytes:
        self.active()
        blank = opcode == 0x20 and self.nor.is_blank(address % self.nor.size // SECTOR * SECTOR, SECTOR)  # noqa: PLR2004
        before = self.nor.busy_until
        got = self.nor.transact(opcode, address, sent, want, self.now_s)
        if self.nor.busy_until != before:
            if blank:
                self.nor.busy_until = min(self.nor.busy_until, self.now_s + BLANK_ERASE_S)
            self.busy_until = self.state.cycles + ceil((self.nor.busy_until - self.now_s) * CYCLES_PER_S) + 1
        if opcode in _CHANGED:
            start, length = _CHANGED[opcode](address % self.nor.size, self.nor.size)
            self._changed(start, length)
        return got


_CHANGED: Final[dict[int, Callable[[int, int], tuple[int, int]]]] = {
    0x02: lambda address, _size: (address & ~0xFF, 0x100),
    0x20: lambda address, _size: (address & ~0xFFF, 0x1000),
    0xD8: lambda address, _size: (address & ~0xFFFF, 0x10000),
    0xC7: lambda _address, size: (0, size),
    0x60: lambda _address, size: (0, size),
}
"""Which range an opcode may change."""
